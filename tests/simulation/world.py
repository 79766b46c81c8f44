"""The world of one seed: its clock, its dice, its instances and what was seen."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from shared.core.chat_events import EventName
from shared.core.turns import ConversationKey, Turn
from tests.simulation.breaker_watch import BreakerWatch
from tests.simulation.changes import Changes
from tests.simulation.database import Database
from tests.simulation.loop import SimLoop
from tests.simulation.modes import FALLBACKS, Profile

if TYPE_CHECKING:
    from tests.simulation.instance import Instance

T = TypeVar("T")

WHERE: ContextVar[str] = ContextVar("where", default="-")
IDLE_SEEDS = 7  # in a row with the same CONVERSATION_TTL_HOURS: each is met by every kind of provider
RESET_SECONDS = 0.05  # until a client sees that its connection broke


class Reset(Exception):
    """The instance died under the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as its client got it."""

    what: str
    user_id: str
    key: str | None
    wait: float  # the request's budget, in seconds
    took: float
    frozen: bool  # the instance did not run for some of that time: nothing can be promised
    code: str  # "final", "open", or the code of the error
    turn: Any = None  # shared.core.model.Turn


class World:
    def __init__(self, loop: SimLoop, seed: int, profile: Profile, database: Database) -> None:
        self.loop, self.profile, self.database = loop, profile, database
        self.rng = random.Random(f"world {seed}")
        self.kind = profile.kinds[seed % len(profile.kinds)]
        self.streams = random.Random(f"streams {seed}")  # dice of their own: whether they roll changes nothing else
        self.hears = self.streams.random() < profile.hears
        self.minds = random.Random(f"minds {seed}")  # whether people edit and ask once more: dice of their own too
        self.strategies = self.rng.choice(profile.mixes)
        self.gather_seconds = self.rng.choice(profile.gathers)
        self.never: asyncio.Future[None] = loop.create_future()
        self.instances: list[Instance] = []
        self.receiver: Any = None  # tests.simulation.receiver.Receiver
        self.server: Any = None  # tests.simulation.servers.Server
        self.falls_back = profile.falls_back
        self.servers: tuple[Any, ...] = ()  # that one, and the other wire's where there is one
        self.mode_fails = profile != profile.quiet()
        still = Profile()  # what fails, if anything, are instances and the database
        self.provider_works = (profile.network, profile.run_fails, profile.thread_lost) == (still.network, 0.0, 0.0)
        self.verbose = False  # database calls in the log as well
        self.steps = 0
        self.reached: list[str] = []  # the boundaries, by name
        self.counts: Counter[str] = Counter()
        self.answers: list[Answer] = []
        self.said: dict[tuple[str, str], list[bool | str]] = {}  # to calls that waited, where it was taken
        self.perhaps: dict[tuple[str, str], list[bool | str]] = {}  # where the answer to that was lost
        self.violations: list[str] = []
        self.log: deque[tuple[float, str, str]] = deque(maxlen=5000)
        self.outage_until = 0.0
        self.crashed = asyncio.Event()
        self.died_at: str | None = None  # the boundary's name
        self.ended_at: str | None = None
        self.frozen_at: str | None = None
        self.lost_call: str | None = None  # the one whose answer was lost, where it is only one
        self.drained_in = 0.0
        # what people did, for the checker
        self.owners: dict[str, str] = {}  # turn id -> user id, of every turn a 2xx was sent for
        self.taken: dict[ConversationKey, list[Turn]] = defaultdict(list)  # turns that people know, as first shown
        self.sent: dict[tuple[str, str], tuple[str, str | None]] = {}  # user, key -> conversation, text
        self.addressed: dict[tuple[str, str], str | None] = {}  # user, key -> the agent it names
        self.edits: dict[str, list[str]] = {}  # turn id -> texts asked for
        self.cancels: dict[str, float] = {}  # turn id -> when a cancel was first asked for
        self.cancelled: dict[str, float] = {}  # turn id -> when a cancel was first answered
        self.idle_hours = profile.idle_hours[seed // IDLE_SEEDS % len(profile.idle_hours)]
        self.changes = Changes(idle_seconds=self.idle_hours * 3600)
        self.breakers = BreakerWatch(self, seed)
        self.withdrawn: set[str] = set()
        self.finals: dict[str, tuple[Any, ...]] = {}  # turn id -> its outcome when it was first seen final
        self._background: set[asyncio.Task[Any]] = set()
        self._by_name: dict[str, Instance] = {}
        loop.frozen_until = self._frozen_until

    @property
    def fallbacks(self) -> tuple[Mapping[str, str], ...]:
        """Of every agent."""
        return (*({"provider": server.wire} for server in self.servers[1:]), *(FALLBACKS if self.falls_back else ()))

    @property
    def now(self) -> float:
        return self.loop.time()

    def chance(self, share: float) -> bool:
        return share > 0 and self.rng.random() < share

    def mind(self, share: float) -> bool:
        """As `chance`, for what a person makes up their mind to."""
        return share > 0 and self.minds.random() < share

    def note(self, text: str) -> None:
        self.log.append((self.now, WHERE.get(), text))

    def blame(self, text: str) -> None:
        """A promise seen broken while it happened."""
        self.violations.append(f"at {self.now:.2f}: {text}")

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Something that goes on without its starter: the network, the provider, people."""
        task = self.loop.create_task(work, context=Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def join(self, instance: Instance) -> str:
        """Its name."""
        name = f"i{len(self.instances)}"
        self.instances.append(instance)
        self._by_name[name] = instance
        return name

    def _frozen_until(self, context: Context) -> float:
        instance = self._by_name.get(context.get(WHERE, ""))
        return instance.frozen_until if instance is not None else 0.0

    def pick(self) -> Instance:
        """Where the platform sends a request: a live instance, or one it has just started."""
        from tests.simulation.instance import Instance

        live = [one for one in self.instances if one.alive and not one.paused and not one.shutdown.begun]
        if live and (len(live) >= 4 or not self.chance(self.profile.cold_starts)):
            return self.rng.choice(live)
        return Instance(self)

    async def request(self, work: Callable[[Instance], Awaitable[T]]) -> tuple[T, bool]:
        """What an instance answers, and whether it was frozen meanwhile. Raises Reset where it dies."""
        instance = self.pick()
        task = instance.run(work(instance))
        ends: set[asyncio.Future[Any]] = {task, instance.dead}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if instance.dead.done():
            await asyncio.sleep(RESET_SECONDS)
            raise Reset
        return task.result(), instance.frozen_since(task)

    def see_turn(self, user_id: str, row: dict[str, Any]) -> None:
        """Every turn the database shows: the right tenant's, and once final always the same."""
        if row["user_id"] != user_id:
            self.blame(f"G7 {user_id} was shown turn {row['turn_id']} of {row['user_id']}")
        if row["status"] in ("completed", "failed", "cancelled"):
            outcome = (row["status"], row["text"], row["reply"], str(row["error"]))
            first = self.finals.setdefault(row["turn_id"], outcome)
            if first != outcome:
                self.blame(f"G1 the final turn {row['turn_id']} changed from {first} to {outcome}")

    async def outages(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / 60))
            if self.chance(self.profile.outages):
                self.outage_until = self.now + self.rng.uniform(2, 20)
                self.note(f"database away until {self.outage_until:.2f}")


class Listener(logging.Handler):
    """The service's own log lines, in the world's log."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: str(value)[:60] for name, value in getattr(record, "event", {}).items()}
        fields.pop("conversation_id", None)
        self._world.counts[record.getMessage()] += 1
        if record.getMessage() == EventName.TURN_WITHDRAWN.value:
            self._world.withdrawn.add(fields["turn_id"])
        self._world.note(f"{record.getMessage()} {' '.join(f'{name}={value}' for name, value in fields.items())}")
