"""A turn and what belongs to it, as frozen values: its states, its runs, the claim on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shared.core.images import Image
from shared.core.model import Agent, JsonObject
from shared.core.person_calls import PersonCall
from shared.core.runs import Handoff, Source, Step, Thread, ToolOutput, Usage


class TurnStatus(StrEnum):
    """Where one user message stands. The last three are final: the database refuses to change them."""

    QUEUED = "queued"
    STARTING = "starting"  # the intent to start a run is committed; whether the provider has it may be unknown
    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    WAITING = "waiting"  # for a person: no instance holds it
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (TurnStatus.COMPLETED, TurnStatus.FAILED, TurnStatus.CANCELLED)


class MultitaskStrategy(StrEnum):
    """What to do with a message that finds its conversation busy."""

    ENQUEUE = "enqueue"  # wait in order
    REJECT = "reject"  # 409 at once, nothing stored
    INTERRUPT = "interrupt"  # end the turn in the way, keep what was asked and said
    ROLLBACK = "rollback"  # end the turn in the way, as if it had not been asked
    STEER = "steer"  # join the turn that is being answered, at its next step
    COALESCE = "coalesce"  # join with others that wait into one turn

    @property
    def displaces(self) -> bool:
        return self in (MultitaskStrategy.INTERRUPT, MultitaskStrategy.ROLLBACK)


class Displacement(StrEnum):
    """What took a turn's place: a message with one of two strategies, or one that was sent instead of it."""

    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"
    EDIT = "edit"  # an edited message, or the same one to be answered once more


@dataclass(frozen=True, slots=True)
class Displaced:
    """An interrupted turn: what was asked, and said until then. A provider may have dropped it from its thread."""

    turn_id: str
    text: str
    partial: str  # empty where nothing had been said


@dataclass(frozen=True, slots=True)
class Joined:
    """One of the messages that share a run."""

    turn_id: str
    text: str
    status: TurnStatus


@dataclass(frozen=True, slots=True)
class Steered:
    """A message that was steered into a turn under way."""

    turn_id: str
    text: str
    status: TurnStatus
    after: int  # it stands behind so many of the turn's steps
    runs: int  # and so many of its agents' runs


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run in a turn's record, as answers show it."""

    run_id: str | None
    agent: str
    status: str
    text: str | None = None  # what it said, where that is not the reply
    asked_by: str | None = None  # the agent that called this one as a tool
    version: int | None = None  # of the agent's row, as the run was started with it
    model: str | None = None
    sources: tuple[Source, ...] = ()  # what its words cite
    server_outputs: tuple[ToolOutput, ...] = ()  # of the calls of MCP servers that it was allowed to make
    fallback: int | None = None  # which of the agent's fallbacks it was, counted from one
    images: tuple[Image, ...] = ()  # that it has made


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """Names one conversation. A conversation's id is unique among those of its user only."""

    user_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One user message and everything done to answer it, as the database sees it now."""

    turn_id: str
    conversation_id: str
    user_id: str
    seq: int
    status: TurnStatus
    text: str
    agent: str
    strategy: MultitaskStrategy
    attempt: int  # counts creates: each has its own run key
    failures: int  # counted failures; refusals and rate limits are not
    run_key: str | None
    run_id: str | None
    cancel_requested: bool
    conflicts: int
    waited_ms: int  # from acceptance to the start of its first run, or to now
    starting_ms: int | None  # since the last intent to start was committed, on the database's clock
    running_ms: int | None  # since the present run was recorded, on the database's clock
    working_ms: int | None  # since its first run was started, on the database's clock
    remaining_ms: int  # to the turn's deadline, on the database's clock; not below 0
    position: int  # open turns before this one; 0 at the head or when final
    reply: str | None
    error: JsonObject | None
    draft: str | None  # what the present run has said so far, where only its holder can hear it
    runs: tuple[RunRecord, ...]
    handoffs: tuple[Handoff, ...]
    usage: Usage
    metadata: Mapping[str, str] = field(default_factory=dict)
    superseded_by: str | None = None  # the turn that displaces, or displaced, this one
    superseded_how: Displacement | None = None
    replaced: str | None = None  # the turn in whose place this one was sent
    client_message_id: str | None = None  # what its sender's chat calls its message
    calls: tuple[PersonCall, ...] = ()  # that it waits for
    joined: tuple[Joined, ...] = ()  # the messages one run answers, this one included; empty where it is alone
    steered: tuple[Steered, ...] = ()  # into this turn, in order
    steered_into: str | None = None  # the turn that this one has joined on its way
    created_at: str = ""
    finished_at: str | None = None
    # since its cancel was asked for, or since it was displaced; None: neither, or over
    cancelling_ms: int | None = None
    structured_at: int | None = None  # where in the reply the JSON begins that was asked for under a schema
    fallback: int = 0  # which of its agent's fallbacks is at work, counted from one; 0: the row itself
    choices: tuple[int, ...] = ()  # in which order its agent's row (0) and fallbacks are tried; empty: as they stand
    breaker: str | None = None  # "opened" or "closed" where the write that this answers has done so to one
    stream_broken: bool = False  # a stream of it broke off, and none is known to have been written to its end

    @property
    def conversation(self) -> ConversationKey:
        return ConversationKey(self.user_id, self.conversation_id)

    @property
    def own_runs(self) -> tuple[RunRecord, ...]:
        """The runs of the agents that have answered the user, without those of agents that were asked as tools."""
        return tuple(run for run in self.runs if run.asked_by is None)

    @property
    def named_runs(self) -> tuple[tuple[str, RunRecord], ...]:
        """The same, each with what streams call it: by its place in the turn where its id never arrived."""
        return tuple((run.run_id or self._place_name(at), run) for at, run in enumerate(self.own_runs, start=1))

    @property
    def next_run_name(self) -> str:
        """What streams call the run behind those on record, where its id does not arrive."""
        return self._place_name(len(self.own_runs) + 1)

    def _place_name(self, number: int) -> str:
        return f"{self.turn_id}.{number}"

    @property
    def images(self) -> tuple[Image, ...]:
        """What its runs have drawn, those of agents that were asked as tools included."""
        return tuple(image for run in self.runs for image in run.images)

    @property
    def leading_id(self) -> str:
        """The turn whose run answers this one: the first of those that were joined, or what it was steered into."""
        return self.joined[0].turn_id if self.joined else self.steered_into or self.turn_id

    @property
    def whole_text(self) -> str:
        """What is asked in this turn's run: its own message, or all that were joined, in order."""
        return "\n\n".join(one.text for one in self.joined) or self.text

    @property
    def covers(self) -> tuple[str, ...]:
        """The turns that this turn's outcome is the outcome of."""
        joined = self._sharing(self.joined) or (self.turn_id,)
        return (*joined, *self._sharing(self.steered))

    def _sharing(self, others: Sequence[Joined | Steered]) -> tuple[str, ...]:
        return tuple(one.turn_id for one in others if one.status == self.status or not self.status.final)

    @property
    def last_steered(self) -> int:
        """Behind how many steps the last message was told that this turn was steered by; 0: there is none."""
        return max((one.after for one in self.steered), default=0)


@dataclass(frozen=True, slots=True)
class Claim:
    """The time-bounded right to serve the head of a conversation's queue."""

    epoch: int  # the fencing token: every write carries it, a stale one is refused
    turn: Turn
    agent: Agent
    thread: Thread | None  # None: no thread is remembered
    fresh: bool  # this very claim committed the intent to start: no create can have been sent yet
    last_run_id: str | None  # the newest run on record in this conversation, of any of its turns
    message_count: int  # transcript lines of other turns
    displaced: tuple[Displaced, ...] = ()  # interrupted since the last answer
    steps: tuple[Step, ...] = ()  # of this turn, until now
    thread_lines: int = 0  # lines of other turns since the thread was made
    # On the clock of the process that claimed, before it did: the lease is never thought longer than it is. The store
    # knows no such clock; a claim without this moment is taken for one that has lapsed.
    claimed_at: float = float("-inf")

    def sent(self, at: float) -> Claim:
        """The same claim, with the moment before it was sent."""
        return replace(self, claimed_at=at)
