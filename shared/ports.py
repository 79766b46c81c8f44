"""What the core needs of the world: Protocols and the values they exchange, nothing else.

Every method that goes outside keeps its own deadline and raises only errors of `shared.core.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.model import (
    Agent,
    Claim,
    Conversation,
    JsonObject,
    Message,
    MultitaskStrategy,
    RunRecord,
    RunStart,
    Scope,
    Turn,
    TurnStatus,
)
from shared.core.runs import Handoff, RunState, Step, Thread, ToolOutput, Usage


class Clock(Protocol):
    """Monotonic seconds and a way to let them pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Wakeups(Protocol):
    """In-process "something changed in this conversation" signals: a hint, never the truth."""

    def notify(self, conversation_id: str) -> None: ...

    async def wait(self, conversation_id: str, seconds: float) -> None:
        """Return when notified or after `seconds`, whichever comes first."""
        ...


@dataclass(frozen=True, slots=True)
class TextHeard:
    """The next words of a run: `text` stands at `at` in all that it says, counted in characters."""

    at: int
    text: str


class Provider(Protocol):
    """One wire of one OpenAI-compatible server."""

    @property
    def name(self) -> str:
        """`responses` or `assistants`."""
        ...

    @property
    def keeps_threads(self) -> bool:
        """Whether the server keeps the thread. May turn False once a server has shown that it does not."""
        ...

    @property
    def outputs_start_run(self) -> bool:
        """Whether tool outputs start a new run (Responses) or continue the same one (Assistants)."""
        ...

    @property
    def attachable(self) -> bool:
        """Whether another process can listen to a run that was started with `stream`. May turn False, as above."""
        ...

    @property
    def create_seconds(self) -> float:
        """How long after it was sent a create may be at work, unseen and without the server refusing another one."""
        ...

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        """Make a thread, seeded with `history`. A duplicate left behind by a lost answer is empty and harmless."""
        ...

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        """Message and run in one create call, sent once, never retried.

        With `stream` the run is to be listened to: the create returns as soon as the run is named. A server that does
        not stream answers as it always does; one that refuses to is asked again without.

        Raises ActiveRun, RateLimited, ThreadGone, UnansweredCalls, ConversationIgnored, ProviderRefused, NotSent:
        definite, nothing was started; OutcomeUnknown: look with `find_run` before repeating.
        Only `shared.starting` calls this.
        """
        ...

    async def find_run(self, start: RunStart) -> RunState | None:
        """The run that an attempt of this turn left at the provider, if its thread shows one."""
        ...

    async def find_holder(self, thread: Thread) -> RunState | None:
        """The newest run that still blocks the thread; None where there is none or the wire cannot tell."""
        ...

    async def get_run(self, thread: Thread, run_id: str, *, with_text: bool = True) -> RunState:
        """Raises NotFoundAtProvider, ThreadGone, RateLimited, NotSent, OutcomeUnknown, ProviderRefused."""
        ...

    def listen(self, thread: Thread, run_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        """What the run says, from its beginning (from `said`, where outputs were submitted with it).

        Offsets are continuous, and the words together are a prefix of the text that `get_run` gives at the end. A last
        item is the run's state where the stream has told it: ended, or waiting for outputs, as `get_run` would give it.
        Ends without one when the stream broke off, fell silent or never was: ask with `get_run` then. Raises nothing.
        A listener that stops, in whatever way, lets the stream go.
        """
        ...

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        """Ask for the run's end: a request, not a fact.

        Raises NotCancellable; with code `runs_in_foreground` where no cancel can ever end this run.
        """
        ...

    async def erase_turn(self, start: RunStart) -> bool:
        """Take the turn's message and whatever its runs said out of the thread; False where that cannot be done.

        Without a text, where a cursor tells: only what they left behind it.
        """
        ...

    async def delete_thread(self, thread: Thread) -> bool:
        """Delete the thread and all in it; True where it is gone, False where it may still be there. Raises nothing."""
        ...

    async def submit_tool_outputs(
        self, thread: Thread, run_id: str, outputs: Sequence[ToolOutput], *, stream: bool = False, said: str = ""
    ) -> RunState:
        """Continue a run in requires_action, where `outputs_start_run` is False.

        With `stream` the rest of the run can be listened to; `said` is its text so far, from which offsets go on.
        Raises ProviderRefused when the run no longer waits for outputs.
        """
        ...

    async def ping(self) -> bool:
        """Whether the server answers at all."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
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
    text: str
    agent: str | None
    strategy: MultitaskStrategy
    metadata: Mapping[str, str]
    idempotency_key: str | None
    request_hash: str  # 64 hex digits over what the turn means
    ttl_seconds: float  # to the turn's deadline
    limits: Limits
    gather_seconds: float = 0.0  # with coalesce: the pause in which quick messages gather


@dataclass(frozen=True, slots=True)
class Submitted:
    turn: Turn
    replayed: bool
    claim: Claim | None  # held already where the turn is at the head of a free queue


@dataclass(frozen=True, slots=True)
class Peek:
    """A turn as it stands, and whether serving its conversation's head is worth a claim now."""

    turn: Turn
    claimable: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """Nothing to claim now: another holder's lease, or a head that must not start yet."""

    retry_seconds: float
    idle: bool = False  # no open turn at all


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
class Advance:
    """One fenced step of a turn. Fields left None change nothing."""

    to: TurnStatus | None = None  # None: a heartbeat
    run: RunRecord | None = None  # the run as it stands now; added to the turn's record or replaced there by its id
    thread: Thread | None = None
    forget_thread: bool = False  # rotation: the next start seeds a new thread
    reply: str | None = None
    error: JsonObject | None = None
    partial: str | None = None  # with CANCELLED: what a displaced turn had said
    undisturbed: bool = False  # nothing can displace the turn after all: it goes on
    usage: Usage | None = None  # added to the turn's
    conflict: bool = False  # counts one conflict
    count_failure: bool = False
    delay_seconds: float = 0.0  # with QUEUED: not to be started before
    step: Step | None = None  # with REQUIRES_ACTION: the run that asks for tools
    handoff: Handoff | None = None  # the turn moves on to another agent, `said` being the last words of this one
    said: str = ""
    asked: tuple[RunRecord, ...] = ()  # runs of agents that were asked as tools
    draft: str | None = None


@dataclass(frozen=True, slots=True)
class Scratch:
    """The thread of an agent that is asked as a tool, and the newest run on it."""

    thread: Thread
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolTicket:
    """What the ledger says of a tool call: run it, take the recorded output, or report it as unknown."""

    outcome: str  # "run", "done" or "in_doubt"
    output: str | None = None
    scratch: Scratch | None = None  # of an earlier holder, who asked an agent


@dataclass(frozen=True, slots=True)
class Orphan:
    """A conversation with open turns that nobody serves now."""

    user_id: str
    conversation_id: str
    newest_turn_id: str  # of its open turns: when this one is final, all of them are


class Store(Protocol):
    """The queue, which is the transcript. Raises StoreUnavailable beside what each method names.

    Every call is safe to repeat when its answer was lost, and the adapter does so a bounded number of times.
    Times are the database's own; what returns is relative (milliseconds), never to be compared with a local clock.
    """

    async def submit_turn(self, submission: Submission, lessee: Lessee | None) -> Submitted:
        """Accept the message; with a lessee, claim it at once where it is the head of a free queue.

        Raises Conflict (`run_in_progress`: strategy reject and the queue is not empty), InvalidRequest
        (`idempotency_key_reused`, `unknown_agent`), TooMany (`queue_full`, `too_many_open`, `rate_limited`).
        """
        ...

    async def claim_turn(self, user_id: str, conversation_id: str, lessee: Lessee) -> Claim | Busy:
        """Take the lease and the head of the queue; a queued head is moved to `starting` in the same step.

        Raises NotFound.
        """
        ...

    async def advance_turn(self, lease: Lease, turn_id: str, step: Advance, lease_seconds: float) -> Turn:
        """The only writer of turn state: fenced, compare-and-set; extends the lease (0 gives it up).

        Returns the turn as it stands afterwards: unchanged where it was final already. Raises Fenced.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease up so that the next request may claim at once. A stale lease changes nothing."""
        ...

    async def withdraw_turn(self, lease: Lease, turn_id: str) -> None:
        """Take back a turn that was never started, as if it had not been sent. Raises Fenced."""
        ...

    async def begin_tool_call(self, lease: Lease, turn_id: str, call_id: str, name: str, op: str) -> ToolTicket:
        """Raises Fenced."""
        ...

    async def finish_tool_call(self, lease: Lease, turn_id: str, call_id: str, output: str) -> str:
        """Record an output; returns the one on record, the first to arrive. Raises Fenced."""
        ...

    async def keep_scratch(self, lease: Lease, turn_id: str, call_id: str, scratch: Scratch) -> None:
        """Record the thread of an asked agent, and its newest run. Raises Fenced: the record is kept all the same."""
        ...

    async def list_scratch(self, limit: int) -> Sequence[Thread]:
        """Threads of asked agents whose turn is over, the oldest first."""
        ...

    async def drop_scratch(self, thread: Thread) -> None:
        """It is deleted at the provider."""
        ...

    async def get_turn(self, user_id: str, turn_id: str) -> Peek:
        """Raises NotFound."""
        ...

    async def cancel_turn(self, user_id: str, turn_id: str) -> Turn:
        """Queued: cancelled at once. Under way: the request is recorded for its holder. Final: as it is."""
        ...

    async def edit_turn(self, user_id: str, turn_id: str, text: str) -> Turn:
        """Raises NotFound, Conflict (`already_started`)."""
        ...

    async def list_conversations(self, user_id: str, limit: int, before: str | None) -> Sequence[Conversation]:
        """Newest first; `before` is a conversation id of an earlier page."""
        ...

    async def get_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        """Raises NotFound."""
        ...

    async def list_messages(
        self, user_id: str, conversation_id: str, *, after_seq: int, limit: int, newest: bool = False
    ) -> Sequence[Message]:
        """In order of `seq`; with `newest` the last `limit` ones. Raises NotFound."""
        ...

    async def list_agents(self, user_id: str) -> Sequence[Agent]: ...

    async def get_agent(self, user_id: str, slug: str) -> Agent:
        """One that this user may address, with its peers. Raises NotFound."""
        ...

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        """The conversation's project record: title, script, scenes; empty where nothing was written."""
        ...

    async def write_project(self, user_id: str, conversation_id: str, fields: JsonObject) -> JsonObject:
        """Change the fields given; the record afterwards. Raises NotFound."""
        ...

    async def remember_assistant(self, agent_id: str, assistant_id: str, instead_of: str | None = None) -> str:
        """Record the assistant made for an agent that named none, or `instead_of` one of ours that was deleted.

        Returns the one on record, the first to arrive.

        Raises NotFound.
        """
        ...

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        """Of all users, the longest unattended first; those that must not start yet are not among them."""
        ...

    async def ping(self) -> bool: ...
