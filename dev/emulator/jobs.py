"""One execution of the model, on either wire: its life in time, and the place it holds while it lasts."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from dev.emulator.brain.plan import Outcome, Plan, in_pieces
from dev.emulator.config import Config
from dev.emulator.errors import Json
from dev.emulator.ids import now


class Job(ABC):
    """A run or a response: queued, at work, then ended by its plan, by a cancel or by its age.

    Its seconds are the thing that is emulated, so it sleeps them; a request that waits for a job awaits `ended`.
    """

    def __init__(self, job_id: str, config: Config, plan: Plan, *, metadata: dict[str, str], foreign: bool) -> None:
        self.id = job_id
        self.config = config
        self.plan = plan
        self.metadata = metadata
        self.foreign = foreign
        self.born = now()
        self.status = "queued"
        self.transitions: list[tuple[str, float]] = [("queued", self.born)]
        self.ended = asyncio.Event()
        self.cancelling = False
        self.frozen = False
        """Set when the job must never leave its queue."""
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._work = asyncio.create_task(self.work())
        self._life = asyncio.create_task(self._live(self._work))

    def kill(self) -> None:
        """Ends it without a word, as the end of the server would."""
        for task in (self._work, self._life):
            if task is not None:
                task.cancel()
        self.ended.set()

    def become(self, status: str) -> None:
        self.status = status
        self.transitions.append((status, now()))
        self._changed.set()
        self._changed = asyncio.Event()

    async def reached(self, *statuses: str) -> str:
        """Waits until it has one of these statuses, and says which. RuntimeError: it ended with another one."""
        while self.status not in statuses:
            if self.ended.is_set():
                raise RuntimeError(f"{self.id} ended as {self.status}, awaited {' or '.join(statuses)}")
            await self._changed.wait()
        return self.status

    def when(self, status: str) -> float | None:
        """The moment it first had that status."""
        return next((at for was, at in self.transitions if was == status), None)

    @property
    def ended_at(self) -> float | None:
        return self.transitions[-1][1] if self.ended.is_set() else None

    def request_cancel(self) -> None:
        """The work stops with this call; the status follows after the wind-down."""
        self.cancelling = True
        if self._work is not None:
            self._work.cancel()

    async def queue(self) -> None:
        await asyncio.sleep(self.config.queue_seconds)
        if self.frozen or self.plan.outcome is Outcome.STUCK:
            await asyncio.Event().wait()

    async def perform(self) -> None:
        """The last step: says the reply piece by piece over the work's seconds, then ends as planned."""
        plan, chunks = self.plan, self.plan.chunks
        seconds = self.pause_seconds
        if plan.outcome in {Outcome.FAIL, Outcome.EXPIRE}:
            await asyncio.sleep(seconds)
            self.finish("failed" if plan.outcome is Outcome.FAIL else "expired")
            return
        messages = [chunks if plan.text else (), *map(in_pieces, plan.more)]
        if plan.outcome is not Outcome.COMPLETE:
            messages = [chunks[: max(1, len(chunks) // 2)]]
        await self._speak(messages, seconds, len(chunks))
        if plan.outcome is Outcome.NEVER:
            await asyncio.Event().wait()
        self.finish("completed" if plan.outcome is Outcome.COMPLETE else "incomplete")

    async def prelude(self) -> None:
        """What a step says before its calls, over the work's seconds."""
        if not self.plan.text:
            await asyncio.sleep(self.pause_seconds)
            return
        await self._speak([self.plan.chunks], self.pause_seconds, len(self.plan.chunks))
        self.end_message()

    async def _speak(self, messages: list[tuple[str, ...]], seconds: float, pieces: int) -> None:
        for at, chunks in enumerate(messages):
            if at and chunks:
                self.end_message()
            for chunk in chunks:
                await asyncio.sleep(seconds / pieces)
                self.say(chunk)

    @property
    def pause_seconds(self) -> float:
        return self.config.work_seconds if self.plan.work_seconds is None else self.plan.work_seconds

    async def _live(self, work: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait({work}, timeout=self.config.expiry_seconds)
            if self.cancelling:
                await self._wind_down()
            elif not work.done():
                work.cancel()
                self.finish("expired")
            else:
                work.result()
        finally:
            self.ended.set()

    async def _wind_down(self) -> None:
        wanted = self.plan.ignore_cancel_seconds or self.wind_down_seconds
        left = self.born + self.config.expiry_seconds - now()
        await asyncio.sleep(min(wanted, left))
        self.finish("cancelled" if wanted <= left else "expired")

    @property
    @abstractmethod
    def wind_down_seconds(self) -> float:
        """How long an obedient cancel takes."""

    @abstractmethod
    async def work(self) -> None:
        """From the queue to `finish`; cancelled from outside on cancel and expiry."""

    @abstractmethod
    def say(self, chunk: str) -> None:
        """Take the next piece of the reply."""

    @abstractmethod
    def end_message(self) -> None:
        """The next piece begins another message."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """Take a terminal status, tell the streams, and set `ended`."""

    def report(self) -> Json:
        """What `/_emulator/state` shows."""
        return {
            "id": self.id,
            "status": self.status,
            "created_at": self.born,
            "started_at": self.when("in_progress"),
            "ended_at": self.ended_at,
            "metadata": self.metadata,
            "foreign": self.foreign,
            "transitions": [{"status": status, "at": at} for status, at in self.transitions],
        }


@dataclass(slots=True)
class Overlap:
    """Two or more jobs were active at once in one place: what the real servers refuse."""

    place: str
    at: float
    active: list[str]


@dataclass(slots=True)
class Place:
    """A thread or a conversation: what one job at a time may hold."""

    id: str
    metadata: dict[str, str]
    born: float = field(default_factory=now)
    jobs: list[str] = field(default_factory=list)
    """Every job ever admitted, in order."""
    active: dict[str, Job] = field(default_factory=dict)
    max_active: int = 0
    conflicts: int = 0
    """How often this place has refused because it was held."""

    @property
    def active_run(self) -> Job | None:
        """The newest job that has not ended."""
        for job_id in [each for each, job in self.active.items() if job.ended.is_set()]:
            del self.active[job_id]
        return next(reversed(self.active.values()), None)

    def admit(self, job: Job) -> Overlap | None:
        held = self.active_run is not None
        self.jobs.append(job.id)
        self.active[job.id] = job
        self.max_active = max(self.max_active, len(self.active))
        return Overlap(self.id, now(), list(self.active)) if held else None

    def report(self) -> Json:
        held = self.active_run is not None
        return {
            "id": self.id,
            "created_at": self.born,
            "metadata": self.metadata,
            "jobs": self.jobs,
            "active": list(self.active) if held else [],
            "max_active": self.max_active,
            "conflicts": self.conflicts,
        }
