"""What is told to the store, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.core.breaker import FailedChoice, ProvenChoice
from shared.core.error_codes import ErrorCode
from shared.core.model import JsonObject, Scope
from shared.core.new_message import ChatRequest
from shared.core.person_calls import PersonCall
from shared.core.runs import Handoff, Step, Thread, Usage
from shared.core.turns import Claim, MultitaskStrategy, RunRecord, Turn, TurnStatus


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What one user may have under way, checked where the turn is stored."""

    open_per_conversation: int
    open_per_user: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One message to be accepted. Safe to repeat: `turn_id` is chosen by the caller, once."""

    user_id: str
    turn_id: str
    conversation_id: str | None  # None: the scope's open conversation, or a new one
    new_conversation_id: str  # the id to give a conversation that has to be made without one being named
    scope: Scope | None
    text: str | None  # None: what was asked in the turn that this one replaces
    agent: str | None
    strategy: MultitaskStrategy
    metadata: Mapping[str, str]
    idempotency_key: str | None
    request_hash: str  # 64 hex digits over what the turn means
    ttl_seconds: float  # to the turn's deadline
    limits: QueueLimits
    gather_seconds: float = 0.0  # with coalesce: the pause in which quick messages gather
    conversation_ttl_seconds: float = 0.0  # without a message it is closed then; 0: never
    replaces: str | None = None  # the turn that is displaced, with all behind it
    webhook: bool = False  # its end is told to another service
    chat: ChatRequest | None = None  # which may name that turn by other ids


@dataclass(frozen=True, slots=True)
class HeadRun:
    """The run that answers the head of a queue now, as its row names it: its end can be heard, and asked for."""

    turn_id: str
    run_id: str
    thread: Thread | None  # None: the server keeps none


@dataclass(frozen=True, slots=True)
class Accepted:
    turn: Turn
    replayed: bool
    claim: Claim | None  # held already where the turn is at the head of a free queue
    head_run: HeadRun | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """A turn whose end was asked for, and its run where that has to be ended first."""

    turn: Turn
    head_run: HeadRun | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A turn as its last write left it, and the claim on the next one, where there is one to be handed over."""

    turn: Turn
    next: Claim | None


@dataclass(frozen=True, slots=True)
class Peek:
    """A turn as it stands, and whether serving its conversation's head is worth a claim now."""

    turn: Turn
    claimable: bool
    head_run: HeadRun | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Nothing to claim now: no open turn, another holder's lease, or a head that must not start yet."""


@dataclass(frozen=True, slots=True)
class Lessee:
    """Who claims, and for how long without a heartbeat."""

    owner: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Lease:
    """What a fenced write has to show."""

    user_id: str
    conversation_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """One fenced step of a turn. Fields left None change nothing."""

    to: TurnStatus | None = None  # None: a heartbeat
    run: RunRecord | None = None  # the run as it stands now; added to the turn's record or replaced there by its id
    thread: Thread | None = None
    forget_thread: bool = False  # rotation: the next start seeds a new thread
    reply: str | None = None
    structured_at: int | None = None  # with COMPLETED: where the JSON begins that was asked for under a schema
    error: JsonObject | None = None
    partial: str | None = None  # with CANCELLED: what had been said until then
    undisturbed: bool = False  # nothing can displace the turn after all: it goes on
    usage: Usage | None = None  # added to the turn's
    conflict: bool = False  # counts one conflict
    blocked_by: str | None = None  # with it: the run in the way
    held_up_by: ErrorCode | None = None  # with QUEUED: why the attempt came to nothing
    count_failure: bool = False
    fallback: int | None = None  # with QUEUED: which of its agent's fallbacks goes on
    failed_choice: FailedChoice | None = None  # counted by its breaker
    proven_choice: ProvenChoice | None = None  # it has answered, for which its breaker is closed
    delay_seconds: float = 0.0  # with QUEUED: not to be started before
    step: Step | None = None  # with REQUIRES_ACTION: the run that asks for tools
    handoff: Handoff | None = None  # the turn moves on to another agent
    next_run: bool = False  # with STARTING: a run behind a step; messages that wait to steer are told with it
    said: str = ""  # with these two: what the agent has said since its last line of the transcript
    asked: tuple[RunRecord, ...] = ()  # runs of agents that were asked as tools
    draft: str | None = None
    person: tuple[PersonCall, ...] = ()  # with WAITING: the calls that are put before the user
    person_seconds: float = 0.0  # and how long they may wait


@dataclass(frozen=True, slots=True)
class Scratch:
    """The thread of an agent that is asked as a tool, and the newest run on it."""

    thread: Thread
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImagePiece:
    """Some of an image's bytes, in base64: of all but the last piece so many that pieces can be put together."""

    media_type: str
    size: int  # bytes of the whole image
    start: int  # of this piece in it
    data: str = field(repr=False)

    @property
    def end(self) -> int:
        """Where the next piece begins; `size` where there is none."""
        return self.start + len(self.data) * 3 // 4 - self.data.count("=", -2)


@dataclass(frozen=True, slots=True)
class ToolTicket:
    """What the ledger says of a tool call: run it, take the recorded output, or report it as unknown."""

    outcome: str  # "run", "done" or "in_doubt"
    output: str | None = None
    scratch: Scratch | None = None  # of an earlier holder, who asked an agent


@dataclass(frozen=True, slots=True)
class LeftRun:
    """A run that was under way when its conversation was deleted."""

    record_id: str
    run_id: str
    turn_id: str
    thread: Thread | None  # None: the server keeps none


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """What a provider keeps for us beside threads, and need not keep any longer."""

    record_id: str
    kind: str  # "assistant" or "response"
    provider: str | None  # None: what the settings say
    object_id: str | None  # None: an assistant of which it is not known whether it was made; it carries `record_id`


@dataclass(frozen=True, slots=True)
class Deletion:
    """The runs that were under way in what was deleted, and how many conversations its user still has."""

    runs: tuple[LeftRun, ...]
    left: int


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many conversations were closed and deleted because they were old."""

    archived: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """A conversation with open turns that no instance serves now."""

    user_id: str
    conversation_id: str
    newest_turn_id: str  # of its open turns: when this one is final, all of them are
