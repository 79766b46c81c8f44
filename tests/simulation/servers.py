"""The provider's side: threads, runs, locks. Knows nothing of the service; keeps everything for the checker.

Longer than 250 lines because both kinds of servers keep their state in one model.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ActiveRun,
    ContentsRefused,
    NotCancellable,
    NotFoundAtProvider,
    ProviderRefused,
    ThreadGone,
    UnansweredCalls,
)
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import Thread, ToolCall, ToolOutput, is_terminal
from shared.core.tool_messages import ALLOWED
from shared.providers.assistants.runs import mark, run_body
from shared.providers.responses.input_items import input_items
from shared.providers.responses.item_traces import call_ids, leftovers, missing, thread_without, traces
from tests.simulation.drawings import drawing_of
from tests.simulation.team import SLUGS, Part, next_part, told_in_words

if TYPE_CHECKING:
    from tests.simulation.instance import Instance
    from tests.simulation.providers import FakeProvider
    from tests.simulation.world import World

EXPIRY_SECONDS = 600.0
LEFT_SECONDS = 3600.0  # a run that was under way as its conversation was deleted keeps its thread no longer
FOREIGN_SECONDS = (0.3, 40.0)
PASSING = "server_error"
FOREIGN = "another program's"
MADE = "posted"  # what an MCP server answers


@dataclass(slots=True)
class Item:
    item_id: str
    # of a message; else "call", whose text is its arguments, "output", "made", a call that a server got, or "image",
    # whose text is its data
    role: str
    text: str
    turn_id: str | None  # what the service marked it with; None where the wire has no marks
    run_id: str | None
    call_id: str | None = None
    name: str = ""  # of the function called
    marks: Mapping[str, str] = field(default_factory=dict)  # all of the marks, where the wire has them
    server: str | None = None  # of an MCP server that is called
    allowed: bool | None = None  # of an output: a word on such a call

    @property
    def wire(self) -> dict[str, Any]:
        """As the wire shows it, to be read by the adapters' own code."""
        made_by = {"response_id": self.run_id} if self.run_id is not None else {}
        own: dict[str, Any]
        if self.role == "call" and self.server is not None:
            named = {"id": self.call_id, "server_label": self.server, "name": self.name.partition(".")[2]}
            own = {"type": "mcp_approval_request", **named, "arguments": self.text}
        elif self.allowed is not None:
            said = {"approval_request_id": self.call_id, "approve": self.allowed, "reason": self.text}
            own = {"type": "mcp_approval_response", **said}
        elif self.role == "made":
            own = {"type": "mcp_call", "approval_request_id": self.call_id, "output": self.text}
        elif self.role == "call":
            own = {"type": "function_call", "call_id": self.call_id, "name": self.name, "arguments": self.text}
        elif self.role == "image":
            own = {"type": "image_generation_call", "status": "generating", "result": self.text}
        elif self.role == "output":
            own = {"type": "function_call_output", "call_id": self.call_id, "output": self.text}
        else:
            own = {"type": "message", "role": self.role, "content": self.text, "metadata": self.marks}
        return {"id": self.item_id, **made_by, **own}


@dataclass(slots=True)
class Place:
    """A thread or conversation."""

    place_id: str
    wire: str
    items: list[Item] = field(default_factory=list)
    gone: bool = False
    spoiled: bool = False  # a create is refused for what stands in it
    scratch: bool = False  # of an agent that is asked as a tool
    deleted: bool = False

    @property
    def unanswered(self) -> list[str]:
        """Function calls whose outputs have not been brought."""
        answered = {item.call_id for item in self.items if item.role == "output"}
        return [str(item.call_id) for item in self.items if item.role == "call" and item.call_id not in answered]


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
    agent: str = ""
    asked: bool = False  # of an agent that is asked as a tool
    brought: tuple[str, ...] = ()  # the calls whose outputs travel with it
    fallback: int = 0  # of its agent, counted from one
    refused_for_good: bool = False


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
    agent: str = ""
    wants: str | None = None  # a function that was not offered
    calls: tuple[ToolCall, ...] = ()  # that it waits for, or ended with
    asked_for: list[ToolCall] = field(default_factory=list)  # all that it ever called
    said: list[str] = field(default_factory=list)
    cursor: str | None = None
    ignores_cancel: bool = False
    cancelled_by: str | None = None
    input: tuple[Item, ...] = ()  # what the create brought, where it enters the place only when the run is over
    read: tuple[Item, ...] = ()  # everything the model reads
    given: list[ToolOutput] = field(default_factory=list)  # outputs submitted to it
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)  # set and replaced with every change of the status

    def become(self, status: str) -> None:
        self.status = status
        self.news.set()
        self.news = asyncio.Event()

    @property
    def context(self) -> tuple[tuple[str, str], ...]:
        """Role and text of everything the model read as it began."""
        return tuple((item.role, item.text) for item in self.read)

    @property
    def server_outputs(self) -> tuple[ToolOutput, ...]:
        """What came of the calls of servers that it was let make."""
        return tuple(ToolOutput(str(item.call_id), MADE) for item in self.input if item.allowed)

    @property
    def active(self) -> bool:
        return not is_terminal(self.status) and self.ended_at is None

    @property
    def spoke_against_model(self) -> bool:
        """Whether it has failed through no fault of what it was asked."""
        return self.status == "failed" and self.fault == PASSING

    @property
    def asked(self) -> bool:
        return self.create is not None and self.create.asked


class Server:
    """`threads`: runs with metadata in lists. `responses`: shown by what they leave; `unlocked`: without the lock;
    `foreground`: a create answers when its run is over, and nothing can be cancelled; `bare`: that without the lock.
    """

    def __init__(self, world: World) -> None:
        self.world, self.kind = world, world.kind
        self.places: dict[str, Place] = {}  # of both wires, as all that follows
        self.runs: dict[str, Run] = {}
        self.creates: list[Create] = []
        self.overlaps: list[tuple[Run, Run]] = []
        self.bumps: list[tuple[Create, Run]] = []  # creates that the lock refused, and the run that held it
        self.names_items = world.rng.random() < 0.5  # whether items tell which response made them
        self.leaves_input = world.rng.random() < 0.5  # whether a response that is cut off leaves what it was asked
        self.deleted_responses: set[str] = set()
        self.executions: Counter[tuple[str, str]] = Counter()  # of tools, by turn and call
        self._texts: dict[str, str] = {}  # by turn, or by place where an agent is asked
        self._numbers = itertools.count(1)

    def other_wire(self) -> Server:
        """The same provider's other wire: what was made on one of them is not found by requests on the other."""
        other = copy(self)
        other.kind = "responses" if self.keeps_runs else "threads"
        return other

    @property
    def wire(self) -> str:
        return "assistants" if self.keeps_runs else "responses"

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
        place = Place(self._name("place"), self.wire)
        self.places[place.place_id] = place
        for line in history:
            marks = {"turn_id": line.turn_id}
            place.items.append(Item(self._name("item"), line.role, line.text, line.turn_id, None, marks=marks))
        return place

    def start(self, start: RunStart, create: Create) -> Run:
        world, place = self.world, self.place(create.place_id)
        if world.chance(world.profile.thread_lost):
            place.gone = True
            world.counts["threads lost"] += 1
        if place.gone:
            raise ThreadGone("No such thread.", status=404)
        self._judge_contents(place, create)
        unlucky = start.agent.fallback == 0 and not create.asked and world.chance(world.profile.model_refused)
        if unlucky or (world.breakers.is_ill(start.agent.fallback) and not create.asked):
            create.refused_for_good = True
            raise ProviderRefused("There is no such model.", code=ErrorCode.PROVIDER_MODEL, status=404)
        holder = self.holder(place.place_id)
        if holder is not None and self.locks:
            world.counts["refused by the lock"] += 1
            self.bumps.append((create, holder))
            named = self.keeps_runs and world.chance(0.8)
            raise ActiveRun("Another run is active.", status=400, run_id=holder.run_id if named else None)
        place.scratch = place.scratch or create.asked
        about = place.place_id if create.asked else start.turn_id
        if start.text is not None:
            self._texts[about] = start.text
        text = self._texts.get(about, "")
        if self.keeps_runs:
            present = {mark(item.wire) for item in place.items} if start.repeated or start.displaced else set()
            for message in run_body(start, "any", present).get("additional_messages", ()):
                place.items.append(self._item({"type": "message", **message}, start.turn_id))
            return self._run(place, text, create, ())
        start = self._tidied(place, start)
        for call_id in create.brought:
            if call_id not in place.unanswered:
                raise ProviderRefused(f"No tool call found for function call output {call_id}.", status=400)
        servers = {item.call_id for item in place.items if item.server is not None}
        for call_id in place.unanswered:
            if call_id not in create.brought and call_id not in servers:
                raise UnansweredCalls("No tool output found.", status=400, call_id=call_id)
        own = tuple(self._item(item, None) for item in input_items(start))
        return self._run(place, text, create, own)

    def _judge_contents(self, place: Place, create: Create) -> None:
        """Where a thread has answered other turns, what stands in it may be too long or damaged from now on."""
        others = [
            run for run in self.of(place.place_id) if run.create is not None and run.create.turn_id != create.turn_id
        ]
        if not create.asked and any(run.ended_at is not None for run in others) and not place.spoiled:
            place.spoiled = self.world.chance(self.world.profile.spoiled)
        if place.spoiled:
            self.world.counts["contents refused"] += 1
            raise ContentsRefused("The context is too long.", code=ErrorCode.CONTEXT_TOO_LONG, status=400)

    def _tidied(self, place: Place, start: RunStart) -> RunStart:
        """What the adapter sees to before a create, where messages enter the conversation when a run is over."""
        if not (start.repeated or start.displaced):
            return start
        known = [item.item_id for item in place.items]
        after = known.index(start.thread.cursor) + 1 if start.thread.cursor in known else 0
        newest_first = [item.wire for item in reversed(place.items[after:])]  # as the adapter asks for them
        drop = set(leftovers(newest_first, start))
        place.items = [item for item in place.items if item.item_id not in drop]
        return replace(start, displaced=missing(newest_first, start.displaced))

    def _item(self, wire: Mapping[str, Any], turn_id: str | None) -> Item:
        name, call_id = self._name("item"), wire.get("call_id")
        if wire["type"] == "function_call":
            return Item(name, "call", wire["arguments"], turn_id, None, call_id, wire["name"])
        if wire["type"] == "mcp_approval_request":
            called = f"{wire['server_label']}.{wire['name']}"
            return Item(
                wire["id"], "call", wire["arguments"], turn_id, None, wire["id"], called, server=wire["server_label"]
            )
        if wire["type"] == "mcp_approval_response":
            about, text = wire["approval_request_id"], wire.get("reason", ALLOWED)
            return Item(name, "output", text, turn_id, None, about, allowed=wire["approve"])
        if wire["type"] == "function_call_output":
            return Item(name, "output", wire["output"], turn_id, None, call_id)
        marks = wire.get("metadata", {})
        return Item(name, wire["role"], wire["content"], marks.get("turn_id", turn_id), None, marks=marks)

    def foreign(self, place: Place) -> None:
        """Another program on the same thread."""
        if self.holder(place.place_id) is None and not place.gone:
            self._run(place, FOREIGN, None, (Item(self._name("item"), "user", FOREIGN, None, None),))

    def place(self, place_id: str | None) -> Place:
        place = self.places.get(place_id or "")
        if place is None or place.wire != self.wire:
            raise ProviderRefused("There is no thread of this name.", status=400)
        return place

    def run(self, run_id: str) -> Run:
        run = self.runs.get(run_id)
        if run is None or self.places[run.place_id].wire != self.wire:
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
        run.become("cancelling")
        run.cancelled_by = who
        if not run.ignores_cancel:
            run.poke.set()
        return run

    def erase(self, start: RunStart) -> Thread | None:
        """By the turn's mark; where there is none, what asks the same behind the last item known, and its answer."""
        if start.thread.thread_id not in self.places:
            return None
        place = self.place(start.thread.thread_id)
        if self.keeps_runs:
            own = ({start.turn_id, *(one.turn_id for one in start.steered)}, start.known_run_ids)
            place.items = [i for i in place.items if i.marks.get("turn_id") not in own[0] and i.run_id not in own[1]]
            return start.thread
        known = [item.item_id for item in place.items]
        if start.thread.cursor is not None and start.thread.cursor not in known:
            return None
        after = known.index(start.thread.cursor) + 1 if start.thread.cursor is not None else 0
        found = traces([item.wire for item in reversed(place.items[after:])], start)
        newest_first = [item.wire for item in reversed(place.items)]
        if start.text is not None and call_ids(start) and after:
            found += traces(newest_first, start, by_calls=True)
        place.items = [item for item in place.items if item.item_id not in found]
        left = thread_without(found, newest_first, start.thread)
        return left if found or len(start.known_run_ids) < 2 else None

    def submit(self, run_id: str, outputs: tuple[ToolOutput, ...]) -> Run:
        run = self.run(run_id)
        if run.status != "requires_action":
            raise ProviderRefused("The run does not wait for outputs.", status=400)
        if sorted(given.call_id for given in outputs) != sorted(call.call_id for call in run.calls):
            raise ProviderRefused("Expected tool outputs for all call ids, and for no others.", status=400)
        run.given += outputs
        run.calls = ()
        run.become("in_progress")
        run.poke.set()
        return run

    def delete(self, place_id: str) -> None:
        """What still runs there is gone with it."""
        place = self.place(place_id)
        if place_id in self.world.database.threads().values():
            self.world.blame(f"{place_id} was deleted while a conversation goes on with it")
        place.gone = place.deleted = True
        for run in self.of(place_id):
            if run.active:
                self._blame_early_deletion(run)
                self._end(run, "cancelled")

    def delete_response(self, run_id: str) -> None:
        run = self.run(run_id)
        if run.active:
            self._blame_early_deletion(run)
        self.deleted_responses.add(run_id)

    def _blame_early_deletion(self, run: Run) -> None:
        left_at = self.world.changes.left_runs.get(run.run_id)
        if left_at is not None and self.world.now < left_at + LEFT_SECONDS and not self.foreground:
            self.world.blame(f"{run.place_id} was deleted before {run.run_id} had ended")

    # --- what happens by itself -------------------------------------------------------------------------------------

    def _run(self, place: Place, text: str, create: Create | None, own: tuple[Item, ...]) -> Run:
        world, profile = self.world, self.world.profile
        lag = world.rng.choice((0.0, profile.list_lag * world.rng.random()))
        run = Run(self._name("run"), place.place_id, text, world.now, create, world.now + lag)
        run.agent = create.agent if create is not None else ""
        run.input = () if self.keeps_runs else own
        run.read = (*place.items, *run.input)
        self.overlaps += [(other, run) for other in self.of(place.place_id) if other.active]
        run.ignores_cancel = world.chance(profile.ignores_cancel)
        first = create is not None and create.fallback == 0 and not create.asked
        if world.chance(profile.run_fails) or (first and world.chance(profile.model_fails)):
            run.fault = world.rng.choice((PASSING, "invalid_prompt"))
        elif create is not None and run.agent not in SLUGS and world.chance(profile.asks_for_tools):
            run.wants = "look_up"
            world.counts["asked for tools"] += 1
        for item in own:
            if item.allowed and create is not None:
                self.executions[create.turn_id, str(item.call_id)] += 1
                world.counts["posted"] += 1
                run.fault = PASSING if world.chance(profile.post_fails) else run.fault
        self.runs[run.run_id] = run
        world.counts["runs"] += 1
        world.note(f"{run.run_id} of {create.run_key if create else FOREIGN} on {place.place_id} {run.agent}")
        shortest, longest = profile.run_seconds if create is not None else FOREIGN_SECONDS
        seconds = world.rng.uniform(shortest, longest)
        long = world.chance(profile.long_runs)
        world.spawn(self._life(run, seconds + 3 * longest if long else seconds))
        return run

    async def _life(self, run: Run, seconds: float) -> None:
        world = self.world
        await asyncio.sleep(min(world.rng.uniform(0.05, 1), seconds))
        run.become("in_progress" if run.status == "queued" else run.status)
        poked = await self._poked(run, seconds)
        while self.keeps_runs and not poked and run.fault is None and (part := self._part(run)).calls:
            self._says(run, part)
            run.become("requires_action" if run.status == "in_progress" else run.status)
            await self._poked(run, EXPIRY_SECONDS - (world.now - run.started_at))
            if run.status != "in_progress":
                break
            run.poke.clear()  # outputs came
            poked = await self._poked(run, seconds)
        if run.ended_at is not None:
            return  # with its place
        if run.status == "cancelling" and run.ignores_cancel:
            await asyncio.sleep(max(EXPIRY_SECONDS - (world.now - run.started_at), 0))
            self._end(run, "expired")
        elif run.status == "cancelling":
            await asyncio.sleep(world.rng.uniform(0.05, 4))
            waits = self.keeps_runs and bool(run.calls or self._part(run).calls)
            self._end(run, "completed" if world.chance(0.2) and not waits else "cancelled")
        elif run.status == "requires_action":
            self._end(run, "expired")
        elif run.fault is not None:
            self._end(run, "failed")
        else:
            self._end(run, "completed")

    def _part(self, run: Run) -> Part:
        """What the model does next."""
        read = run.read
        if self.keeps_runs and run.create is not None:
            read = tuple(item for item in read if item.turn_id == run.create.turn_id)
        elif not run.asked:
            asked = [at for at, item in enumerate(read) if (item.role, item.text) == ("user", run.text)]
            read = read[asked[-1] :] if asked else read
        names = {item.call_id: item.name for item in read if item.role == "call"}
        names |= {call.call_id: call.name for call in run.asked_for}
        told = told_in_words([item.text for item in read if "step" in item.marks])
        told |= {names[item.call_id]: item.text for item in read if item.role == "output" and item.call_id in names}
        told |= {names[given.call_id]: given.output for given in run.given}
        if run.wants is not None and run.wants not in told:
            return Part("", ((run.wants, "{}"),))
        came = any(name.startswith("transfer_to_") for name in told) or any("handoff" in item.marks for item in read)
        profile = self.world.profile
        asks_people = profile.asks_people
        posts = not self.keeps_runs and (profile.posts or (asks_people and run.agent in SLUGS))
        return next_part(run.agent, run.text, told, handed_over=came, posts=posts, asks_people=asks_people)

    def _says(self, run: Run, part: Part) -> None:
        place, mark = self.place(run.place_id), run.create.turn_id if run.create is not None else None
        made_by = run.run_id if self.keeps_runs or self.names_items else None
        if part.text:
            run.said.append(part.text)
            place.items.append(Item(self._name("item"), "assistant", part.text, mark, made_by))
        if self.world.profile.draws and not self.keeps_runs and run.create is not None:
            place.items.append(Item(self._name("item"), "image", drawing_of(run.run_id).data, None, made_by))
        run.calls = tuple(
            ToolCall(self._name("call"), name, arguments, _server_in(name)) for name, arguments in part.calls
        )
        run.asked_for += run.calls
        if not self.keeps_runs:
            place.items += [
                Item(
                    self._name("item") if call.server is None else call.call_id,
                    "call",
                    call.arguments,
                    None,
                    made_by,
                    call.call_id,
                    call.name,
                    server=call.server,
                )
                for call in run.calls
            ]

    async def _poked(self, run: Run, seconds: float) -> bool:
        """Whether something came within that time: a cancel, or outputs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await run.poke.wait()
        return run.poke.is_set()

    def _end(self, run: Run, status: str) -> None:
        if run.ended_at is not None:
            return
        run.ended_at = self.world.now
        self.world.note(f"{run.run_id} ended: {status}")
        place = self.place(run.place_id)
        if not self.keeps_runs and (status == "completed" or self.leaves_input):
            place.items += run.input
        if status == "completed":
            made = [(given.call_id, given.output) for given in run.server_outputs]
            by = run.run_id if self.names_items else None
            place.items += [Item(self._name("item"), "made", output, None, by, call_id) for call_id, output in made]
            self._says(run, self._part(run))
            run.cursor = place.items[-1].item_id
        run.become(status)
        run.over.set()
        run.poke.set()

    async def strangers(self) -> None:
        while True:
            await asyncio.sleep(10)
            for place in list(self.places.values()):
                if self.world.chance(self.world.profile.foreign):
                    self.foreign(place)

    def _name(self, what: str) -> str:
        return f"{what}_{next(self._numbers)}"


def _server_in(name: str) -> str | None:
    label, dot, _ = name.partition(".")
    return label if dot else None


def answer_to(text: str) -> str:
    return f"answer to {text}"


def part_of(text: str) -> str:
    """What has been said of the answer while the run is under way."""
    return f"answer to {text[:7]}"
