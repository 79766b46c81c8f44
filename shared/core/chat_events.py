"""What happens to a turn, by name: one vocabulary for logs, metrics and streams. Dotted, past tense.

The classes below are what a stream can say of a turn while it is answered; each knows its name. They quote people and
models, so they go to the turn's own user and never into a log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from shared.core.images import Image
from shared.core.person_calls import PersonCall, PersonCallKind


class EventName(StrEnum):
    TURN_ACCEPTED = "turn.accepted"
    TURN_REPLAYED = "turn.replayed"
    TURN_QUEUED = "turn.queued"
    TURN_CLAIMED = "turn.claimed"
    TURN_JOINED = "turn.joined"
    TURN_STEERED = "turn.steered"
    TURN_DISPLACED = "turn.displaced"
    TURN_DETACHED = "turn.detached"
    TURN_WAITING = "turn.waiting"
    TURN_WITHDRAWN = "turn.withdrawn"
    TURN_COMPLETED = "turn.completed"
    TURN_FAILED = "turn.failed"
    TURN_CANCELLED = "turn.cancelled"
    TURN_FENCED = "turn.fenced"
    RUN_STARTED = "run.started"
    CANCEL_REQUESTED = "cancel.requested"
    RUN_CONFLICTED = "run.conflicted"
    RUN_DEFERRED = "run.deferred"
    RUN_LOST = "run.lost"
    RUN_FOUND = "run.found"
    RUN_ENDED = "run.ended"
    RUN_CANCELLED = "run.cancelled"
    RUN_DROPPED = "run.dropped"  # the turn had its answer already
    MESSAGE_DELTA = "message.delta"
    IMAGE_MADE = "image.made"
    TOOL_CALLED = "tool.called"
    TOOL_ANSWERED = "tool.answered"
    PERSON_ASKED = "person.asked"
    PERSON_ANSWERED = "person.answered"
    AGENT_NOT_SUPPORTED = "agent.not_supported"  # its row asks for what cannot be sent: a turn fails
    AGENT_FELL_BACK = "agent.fell_back"  # to another model or provider
    BREAKER_OPENED = "breaker.opened"
    BREAKER_CLOSED = "breaker.closed"
    HANDOFF_MADE = "handoff.made"
    THREAD_CREATED = "thread.created"
    THREAD_ROTATED = "thread.rotated"
    THREAD_REPAIRED = "thread.repaired"
    # of conversations, requests and processes, in logs alone
    CONVERSATION_DELETED = "conversation.deleted"
    USER_DELETED = "user.conversations_deleted"
    REQUEST_ANSWERED = "request.answered"
    REQUEST_FAILED = "request.failed"
    TOKEN_REFUSED = "token.refused"  # noqa: S105 (a name)
    KEYS_MISSED = "keys.unavailable"
    STORE_FAILED = "store.failed"
    PROVIDER_STREAM_FAILED = "provider.stream_failed"
    PROVIDER_CONVERSATIONS_MISSED = "provider.conversations_missed"
    TOOL_FAILED = "tool.failed"
    WEBHOOK_FAILED = "webhook.failed"
    SHUTDOWN_BEGUN = "instance.shutdown_begun"
    SETTINGS_REFUSED = "settings.refused"
    SWEEP_ENDED = "sweep.ended"
    SWEEP_STUMBLED = "sweep.stumbled"
    DELETION_STUMBLED = "tidy.stumbled"
    UPKEEP_STUMBLED = "upkeep.stumbled"


@dataclass(frozen=True, slots=True)
class TurnQueued:
    """It waits: `position` turns are before it."""

    name: ClassVar[EventName] = EventName.TURN_QUEUED
    position: int


@dataclass(frozen=True, slots=True)
class RunConflicted:
    """The provider refused: another run is active. `run_id` is its id where the refusal names it."""

    name: ClassVar[EventName] = EventName.RUN_CONFLICTED
    run_id: str | None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`agent` (a slug) is at work. A run may be told of more than once: by its id it is known again."""

    name: ClassVar[EventName] = EventName.RUN_STARTED
    run_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class MessageDelta:
    """The next words of what `agent` says in this run."""

    name: ClassVar[EventName] = EventName.MESSAGE_DELTA
    run_id: str
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class ImageMade:
    """A run of `agent` has made an image, which is on record."""

    name: ClassVar[EventName] = EventName.IMAGE_MADE
    agent: str
    image: Image


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The agent calls a function, or asks another agent (`ask_<slug>`). `arguments` is the model's own text."""

    name: ClassVar[EventName] = EventName.TOOL_CALLED
    call_id: str
    tool: str
    arguments: str
    agent: str
    kind: PersonCallKind | None = None  # what it waits for; None where it waits for no person


@dataclass(frozen=True, slots=True)
class PersonAsked:
    """A call waits for the user; nothing goes on before it is answered."""

    name: ClassVar[EventName] = EventName.PERSON_ASKED
    call: PersonCall


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What came of a call; `failed` where its output is an error that the model is told of."""

    name: ClassVar[EventName] = EventName.TOOL_ANSWERED
    call_id: str
    tool: str
    output: str
    failed: bool
    approved: bool | None = None  # by the user, where it needed the user's word


@dataclass(frozen=True, slots=True)
class MessageSteered:
    """The message of `turn_id` has joined the turn `into`, and is read by its next run."""

    name: ClassVar[EventName] = EventName.TURN_STEERED
    turn_id: str
    into: str
    text: str


@dataclass(frozen=True, slots=True)
class HandoffMade:
    """The turn moves on to another agent."""

    name: ClassVar[EventName] = EventName.HANDOFF_MADE
    from_agent: str
    to_agent: str
    reason: str
    task: str


ChatEvent = (
    TurnQueued
    | RunConflicted
    | RunStarted
    | MessageDelta
    | ImageMade
    | ToolCalled
    | PersonAsked
    | ToolAnswered
    | HandoffMade
    | MessageSteered
)
