"""What happens at a provider, as frozen values: threads, runs, and what runs ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.error_codes import ErrorCode
from shared.core.images import Image, MadeImage


class RunStatus:
    """The provider's words for where a run stands, as far as this project acts upon them.

    They are no enumeration: servers invent new ones, and a run in a status that is not listed here is followed until
    the deadline. Both wires' words are listed in the vendors' API references.
    """

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # our own word, for a run whose status was not told


TERMINAL_RUN_STATUSES = frozenset(
    {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.INCOMPLETE, RunStatus.EXPIRED}
)


SERVER_ERROR = "server_error"  # the code of a run that has failed through no fault of what it was asked


def is_terminal(run_status: str) -> bool:
    """Whether a run in this status has ended and no longer blocks its thread."""
    return run_status in TERMINAL_RUN_STATUSES


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asked for. The arguments are the model's text: data, never trusted."""

    call_id: str
    name: str
    arguments: str
    server: str | None = None  # of an MCP server: the provider makes the call, once the user has allowed it


@dataclass(frozen=True, slots=True)
class ToolOutput:
    call_id: str
    output: str
    allowed: bool | None = None  # for a call of an MCP server: whether the provider may make it


def allowed_by(call: ToolCall, approved: Collection[str]) -> bool | None:
    """Whether the provider may make this call, given those that the user has approved; None where it is not its own."""
    return None if call.server is None else call.call_id in approved


@dataclass(frozen=True, slots=True)
class Source:
    """What a run cites: a page (`url`), or else a file of the provider's (`file_id`)."""

    url: str | None = None
    file_id: str | None = None
    title: str | None = None  # the page's, or the file's name


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function that a model is offered."""

    name: str
    description: str
    parameters: Mapping[str, Any]  # JSON Schema of an object


@dataclass(frozen=True, slots=True)
class Handoff:
    """Control of a turn moves from one agent to another. Reason and task are the model's words: data."""

    from_agent: str
    to_agent: str
    reason: str
    task: str


@dataclass(frozen=True, slots=True)
class Step:
    """A run that asked for tools, and what it was given."""

    run_id: str | None
    agent: str
    text: str  # what it had said until then
    calls: tuple[ToolCall, ...]
    outputs: tuple[ToolOutput, ...] = ()
    thread_id: str | None = None  # where its calls stand
    handoff: Handoff | None = None  # what it asked for among them, found to be allowed
    waited: bool = False  # for a person: on a wire where outputs continue a run, this one was ended meanwhile
    approved: tuple[str, ...] = ()  # the calls that the person has allowed, by their ids


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the provider counts them; summed over a turn's runs."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True, slots=True)
class RunState:
    """What a provider says of one run at one moment."""

    run_id: str | None  # None: known to exist, but its id is not (a response found by what it left behind)
    status: str
    text: str = ""  # what the assistant has said; whole once the status is terminal
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    error_code: str | None = None  # the provider's word for why it failed or is incomplete
    refusal: ErrorCode | None = None  # what that means, where a create would have been refused for the same reason
    retry_after_seconds: float | None = None  # of one that failed: when to come back, where the provider says so
    sources: tuple[Source, ...] = ()  # what its words cite, each once
    images: tuple[MadeImage, ...] = ()  # that it has made and that are still to be kept
    kept_images: tuple[Image, ...] = ()  # those that are on record
    unshown: str | None = None  # what the answer holds that is neither text nor a whole image, such as audio
    server_outputs: tuple[ToolOutput, ...] = ()  # of the calls of MCP servers that it was allowed to make
    poll_after_seconds: float | None = None  # the provider's hint when to ask again
    cursor: str | None = None  # the last item this run added to its thread, where the wire has such a thing
    thread_id: str | None = None  # the thread the server says it used: not always the one it was given
    turn_id: str | None = None  # our mark in its metadata: the turn it was started for

    @property
    def terminal(self) -> bool:
        return is_terminal(self.status)

    @property
    def waits_for_outputs(self) -> bool:
        """Whether it has called functions and waits for what they return."""
        return self.status == RunStatus.REQUIRES_ACTION

    @property
    def settled(self) -> bool:
        """Whether it does not go on by itself."""
        return self.terminal or self.waits_for_outputs


@dataclass(frozen=True, slots=True)
class Thread:
    """The provider's object behind a conversation, as far as we remember it. A cache: it can be seeded again."""

    provider: str
    thread_id: str | None = None  # None: not made yet, or the server keeps none and is sent the transcript
    cursor: str | None = None  # the last item known to be in it
