"""What a model decides: the plan of a run, what it was prompted with, and the pieces in which it speaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

MODELS: Final = ("emulated-model", "emulated-model-mini")
CHUNKS: Final = 8


class Outcome(StrEnum):
    """How the step of a run ends that is not a tool call."""

    COMPLETE = "complete"
    FAIL = "fail"
    INCOMPLETE = "incomplete"
    EXPIRE = "expire"
    NEVER = "never"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str
    server: str | None = None
    """The label of the MCP server that is called, which needs a word from the client."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something that an assistant has said."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call in the history."""

    name: str
    arguments: str
    output: str | None
    """None: it has no output."""

    @property
    def failed(self) -> bool:
        """Whether its output is an error that the model is told of."""
        return self.output is None or "error" in read_object(self.output)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model sees."""

    text: str
    """The last user message."""
    user_messages: int
    """How many user messages the history holds, the last one included."""
    outputs: tuple[ToolOutput, ...] = ()
    """What tools have answered since that message."""
    called: bool = False
    """Whether tools were called since that message, by this run or by one before a handoff."""
    model: str = MODELS[0]
    instructions: str = ""
    tools: frozenset[str] = frozenset()
    since: tuple[Said | Called, ...] = ()
    """What was said and called since that message, by whichever agent, in order."""
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The parameters of the tools, by name."""
    hosted: frozenset[str] = frozenset()
    """The types of the tools that the server carries out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step will do: say its text, then make its calls. Without calls it is the run's last step."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    more: tuple[str, ...] = ()
    """Further messages of the same step."""
    outcome: Outcome = Outcome.COMPLETE
    work_seconds: float | None = None
    """None: what the server's latency says."""
    ignore_cancel_seconds: float = 0
    error_code: str = "server_error"
    citations: tuple[Mapping[str, Any], ...] = ()
    """Annotations of its first message."""
    images: tuple[str, ...] = ()
    """What it draws before it says its text, each in words."""

    @property
    def chunks(self) -> tuple[str, ...]:
        """The reply in the pieces it is streamed in; together they are the reply."""
        return in_pieces(self.text)


def in_pieces(text: str) -> tuple[str, ...]:
    words = text.split(" ")
    size = -(-len(words) // CHUNKS)
    pieces = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
    return tuple(piece if at == 0 else f" {piece}" for at, piece in enumerate(pieces))


def read_object(text: str) -> dict[str, Any]:
    """The JSON object that the text is; an empty one where it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


Brain = Callable[[Prompt], Plan]
