"""The provider's side: threads, runs, locks. Knows nothing of the service; keeps everything for the checker."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.core.errors import (
    ActiveRun,
    NotCancellable,
    NotFoundAtProvider,
    ProviderRefused,
    ThreadGone,
    UnansweredCalls,
)
from shared.core.model import Message, RunStart, is_terminal

if TYPE_CHECKING:
    from tests.simulation.instance import Instance
    from tests.simulation.providers import FakeProvider
    from tests.simulation.world import World

EXPIRY_SECONDS = 600.0
FOREIGN_SECONDS = (0.3, 40.0)
PASSING = "server_error"
FOREIGN = "somebody else's"


@dataclass(slots=True)
class Item:
    item_id: str
    role: str
    text: str
    turn_id: str | None  # what the service marked it with; None where the wire has no marks
    run_id: str | None


@dataclass(slots=True)
class Place:
    """A thread or conversation."""

    place_id: str
    items: list[Item] = field(default_factory=list)
    unanswered: str | None = None  # a function call whose output nobody has brought
    gone: bool = False


@dataclass(slots=True, eq=False)
class Create:
    """One create call as it was sent, whether or not it ever arrived."""

    turn_id: str
    run_key: str
    place_id: str
    sent_at: float
    sender: Instance
    stale: bool = False  # its turn's row already named another attempt, or an end, when it was about to be sent
    repeats: int = 0  # times the same key had been sent before
    fate: str = "sent"  # then what its sender took it for: "heard", "refused" or "lost"
    very_late: bool = False


@dataclass(slots=True, eq=False)
class Run:
    run_id: str
    place_id: str
    text: str
    started_at: float
    create: Create | None  # None: another program's
    visible_at: float
    status: str = "queued"
    ended_at: float | None = None
    fault: str | None = None
    call_id: str | None = None
    ignores_cancel: bool = False
    cancelled_by: str | None = None
    put_back: tuple[tuple[str, str], ...] = ()  # role and text of what the create brought besides its message
    context: tuple[tuple[str, str], ...] = ()  # role and text of everything the model reads
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def active(self) -> bool:
        return not is_terminal(self.status) and self.ended_at is None


class Server:
    """`threads`: runs with metadata in lists. `responses`: shown by what they leave; `unlocked`: without the lock;
    `foreground`: a create answers when its run is over, and nothing can be cancelled; `bare`: that without the lock.
    """

    def __init__(self, world: World) -> None:
        self.world, self.kind = world, world.kind
        self.places: dict[str, Place] = {}
        self.runs: dict[str, Run] = {}
        self.creates: list[Create] = []
        self.overlaps: list[tuple[Run, Run]] = []
        self.names_items = world.rng.random() < 0.5  # whether items tell which response made them
        self.leaves_input = world.rng.random() < 0.5  # whether a response that is cut off leaves what it was asked
        self._numbers = 0

    @property
    def keeps_runs(self) -> bool:
        return self.kind == "threads"

    @property
    def locks(self) -> bool:
        return self.kind not in ("unlocked", "bare")

    @property
    def foreground(self) -> bool:
        return self.kind in ("foreground", "bare")

    def adapter(self, instance: Instance) -> FakeProvider:
        from tests.simulation.providers import FakeProvider

        return FakeProvider(instance, self)

    # --- what requests do -------------------------------------------------------------------------------------------

    def create_place(self, history: tuple[Message, ...]) -> Place:
        place = Place(self._name("place"))
        self.places[place.place_id] = place
        for line in history:
            place.items.append(Item(self._name("item"), line.role, line.text, line.turn_id, None))
        return place

    def start(self, start: RunStart, create: Create) -> Run:
        world, place = self.world, self.place(create.place_id)
        if world.chance(world.profile.thread_lost):
            place.gone = True
            world.counts["threads lost"] += 1
        if place.gone:
            raise ThreadGone("No such thread.", status=404)
        holder = self.holder(place.place_id)
        if holder is not None and self.locks:
            world.counts["refused by the lock"] += 1
            named = self.keeps_runs and world.chance(0.8)
            raise ActiveRun("Another run is active.", status=400, holder=holder.run_id if named else None)
        if place.unanswered is not None:
            raise UnansweredCalls("No tool output found.", status=400, call_id=place.unanswered)
        put_back = self._put_back(place, start)
        if self.keeps_runs and not any(item.turn_id == start.turn_id for item in place.items):
            place.items.append(Item(self._name("item"), "user", start.text or "", start.turn_id, None))
        return self._run(place, start.text or "", create, put_back)

    def _put_back(self, place: Place, start: RunStart) -> tuple[tuple[str, str], ...]:
        """What the adapters see to before a create. On the thread wire messages enter the thread at once."""
        if not self.keeps_runs and start.repeated:
            while place.items and (place.items[-1].role, place.items[-1].text) == ("user", start.text):
                place.items.pop()
        here = {item.turn_id if self.keeps_runs else item.text for item in place.items if item.role == "user"}
        missing = [one for one in start.displaced if (one.turn_id if self.keeps_runs else one.text) not in here]
        lines = [
            (one.turn_id, role, text)
            for one in missing
            for role, text in (("user", one.text), ("assistant", one.partial))
            if text
        ]
        if not self.keeps_runs:
            return tuple((role, text) for _, role, text in lines)
        place.items += [Item(self._name("item"), role, text, turn_id, None) for turn_id, role, text in lines]
        return ()

    def foreign(self, place: Place) -> None:
        """Another program on the same thread."""
        if self.holder(place.place_id) is None and not place.gone:
            self._run(place, FOREIGN, None)

    def place(self, place_id: str | None) -> Place:
        if place_id not in self.places:
            raise ProviderRefused("There is no thread of this name.", status=400)
        return self.places[place_id]

    def run(self, run_id: str) -> Run:
        run = self.runs.get(run_id)
        if run is None:
            raise NotFoundAtProvider("No such run.", status=404)
        if self.place(run.place_id).gone and self.keeps_runs:
            raise ThreadGone("No such thread.", status=404)
        return run

    def holder(self, place_id: str) -> Run | None:
        return next((run for run in reversed(self.of(place_id)) if run.active), None)

    def of(self, place_id: str) -> list[Run]:
        return [run for run in self.runs.values() if run.place_id == place_id]

    def cancel(self, run_id: str, who: str) -> Run:
        run = self.run(run_id)
        if not run.active or run.status == "cancelling" or self.foreground:
            raise NotCancellable(f"Cannot cancel run with status '{run.status}'.", status=400)
        run.status, run.cancelled_by = "cancelling", who
        if not run.ignores_cancel:
            run.poke.set()
        return run

    def erase(self, start: RunStart) -> bool:
        """By the turn's mark; where there is none, what asks the same behind the last item known, and its answer."""
        if start.thread.thread_id not in self.places:
            return False
        place = self.place(start.thread.thread_id)
        if self.keeps_runs:
            place.items = [item for item in place.items if item.turn_id != start.turn_id]
            return True
        known = [item.item_id for item in place.items]
        if start.thread.cursor is not None and start.thread.cursor not in known:
            return False
        after = known.index(start.thread.cursor) + 1 if start.thread.cursor is not None else 0
        kept, drop = place.items[:after], False
        for item in place.items[after:]:
            drop = item.text == start.text if item.role == "user" else drop
            kept += [] if drop else [item]
        place.items = kept
        return True

    def submit(self, run_id: str) -> Run:
        run = self.run(run_id)
        if run.status != "requires_action":
            raise ProviderRefused("The run does not wait for outputs.", status=400)
        run.status, run.call_id = "in_progress", None
        run.poke.set()
        return run

    # --- what happens by itself -------------------------------------------------------------------------------------

    def _run(self, place: Place, text: str, create: Create | None, put_back: tuple[tuple[str, str], ...] = ()) -> Run:
        world, profile = self.world, self.world.profile
        lag = world.rng.choice((0.0, profile.list_lag * world.rng.random()))
        run = Run(self._name("run"), place.place_id, text, world.now, create, world.now + lag)
        run.put_back = put_back
        own = () if self.keeps_runs else ((*put_back, ("user", text)))
        run.context = (*((item.role, item.text) for item in place.items), *own)
        self.overlaps += [(other, run) for other in self.of(place.place_id) if other.active]
        run.ignores_cancel = world.chance(profile.ignores_cancel)
        if world.chance(profile.run_fails):
            run.fault = world.rng.choice((PASSING, "invalid_prompt"))
        elif create is not None and world.chance(profile.asks_for_tools):
            run.call_id = self._name("call")
            world.counts["asked for tools"] += 1
        self.runs[run.run_id] = run
        world.counts["runs"] += 1
        world.note(f"{run.run_id} of {create.run_key if create else FOREIGN} on {place.place_id}")
        shortest, longest = profile.run_seconds if create is not None else FOREIGN_SECONDS
        seconds = world.rng.uniform(shortest, longest)
        long = world.chance(profile.long_runs)
        world.spawn(self._life(run, seconds + 3 * longest if long else seconds))
        return run

    async def _life(self, run: Run, seconds: float) -> None:
        world, place = self.world, self.place(run.place_id)
        await asyncio.sleep(min(world.rng.uniform(0.05, 1), seconds))
        run.status = "in_progress" if run.status == "queued" else run.status
        cancelled = await self._poked(run, seconds)
        if not cancelled and run.call_id is not None and self.keeps_runs:
            run.status = "requires_action" if run.status == "in_progress" else run.status
            await self._poked(run, EXPIRY_SECONDS - (world.now - run.started_at))
            if run.status == "in_progress":  # outputs came
                run.poke.clear()
                await self._poked(run, seconds)
        if run.status == "cancelling" and run.ignores_cancel:
            await asyncio.sleep(max(EXPIRY_SECONDS - (world.now - run.started_at), 0))
            self._end(run, "expired")
        elif run.status == "cancelling":
            await asyncio.sleep(world.rng.uniform(0.05, 4))
            self._end(run, "completed" if world.chance(0.2) else "cancelled")
        elif run.status == "requires_action":
            self._end(run, "expired")
        elif run.fault is not None:
            self._end(run, "failed")
        else:
            self._end(run, "completed")
            if run.call_id is not None:
                place.unanswered = run.call_id

    async def _poked(self, run: Run, seconds: float) -> bool:
        """Whether something came within that time: a cancel, or outputs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await run.poke.wait()
        return run.poke.is_set()

    def _end(self, run: Run, status: str) -> None:
        run.status, run.ended_at = status, self.world.now
        run.over.set()
        self.world.note(f"{run.run_id} ended: {status}")
        place, mark = self.place(run.place_id), run.create.turn_id if run.create is not None else None
        if not self.keeps_runs and (status == "completed" or self.leaves_input):
            place.items += [Item(self._name("item"), role, text, None, None) for role, text in run.put_back]
            place.items.append(Item(self._name("item"), "user", run.text, None, None))
        if status != "completed":
            return
        made_by = run.run_id if self.keeps_runs or self.names_items else None
        place.items.append(Item(self._name("item"), "assistant", answer_to(run.text), mark, made_by))

    async def strangers(self) -> None:
        while True:
            await asyncio.sleep(10)
            for place in list(self.places.values()):
                if self.world.chance(self.world.profile.foreign):
                    self.foreign(place)

    def _name(self, what: str) -> str:
        self._numbers += 1
        return f"{what}_{self._numbers}"


def answer_to(text: str) -> str:
    return f"answer to {text}"


def part_of(text: str) -> str:
    """What has been said of the answer while the run is under way."""
    return f"answer to {text[:7]}"
