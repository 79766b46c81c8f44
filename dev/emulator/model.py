"""The deterministic model: a pure function from what a run sees to what it will do.

Anything with the signature of `Brain` can take its place, a script for a whole team of agents for example.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dev.emulator.directives import Directive, read_directives

MODELS: Final = ("emulated-model", "emulated-model-mini")
CHUNKS: Final = 8
"""Most pieces a reply is streamed in."""


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


@dataclass(frozen=True, slots=True)
class ToolOutput:
    name: str
    output: str


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step will do. Without calls it is the run's last step."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    outcome: Outcome = Outcome.COMPLETE
    work_seconds: float | None = None
    """None: what the server's latency says."""
    ignore_cancel_seconds: float = 0
    error_code: str = "server_error"

    @property
    def chunks(self) -> tuple[str, ...]:
        """The reply in the pieces it is streamed in; together they are the reply."""
        words = self.text.split(" ")
        size = -(-len(words) // CHUNKS)
        pieces = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
        return tuple(piece if at == 0 else f" {piece}" for at, piece in enumerate(pieces))


Brain = Callable[[Prompt], Plan]


def follow_directives(prompt: Prompt) -> Plan:
    """The default brain: does what the last user message says in directives, else echoes it.

    Tool calls come first and once a message; the other directives say how the answer after them goes.
    """
    directives, said = read_directives(prompt.text)
    ignore_cancel = _seconds(directives, "ignore-cancel") or 0
    calls = tuple(ToolCall(each.argument, each.json_argument) for each in directives if each.name == "tool")
    if calls and not prompt.called:
        return Plan(calls=calls, ignore_cancel_seconds=ignore_cancel)
    failure = next((each.argument for each in directives if each.name == "fail"), "")
    return Plan(
        text=_reply(prompt, directives, said),
        outcome=_outcome(directives),
        work_seconds=_seconds(directives, "slow"),
        ignore_cancel_seconds=ignore_cancel,
        error_code={"": "server_error", "rate_limit": "rate_limit_exceeded"}.get(failure, failure),
    )


def _reply(prompt: Prompt, directives: tuple[Directive, ...], said: str) -> str:
    exact = next((each.argument for each in directives if each.name == "say"), None)
    if exact is not None:
        return exact
    reply = f"Emulated reply {prompt.user_messages} to: {said}"
    if prompt.outputs:
        reply += " (" + "; ".join(f"{each.name} -> {each.output}" for each in prompt.outputs) + ")"
    if any(each.name == "who" for each in directives):
        reply += (
            f" [model {prompt.model}; instructions: {prompt.instructions}; tools: {', '.join(sorted(prompt.tools))}]"
        )
    return reply


def _outcome(directives: tuple[Directive, ...]) -> Outcome:
    names = {each.name for each in directives}
    return next((each for each in Outcome if each.value in names), Outcome.COMPLETE)


def _seconds(directives: tuple[Directive, ...], name: str) -> float | None:
    argument = next((each.argument for each in directives if each.name == name), None)
    if argument is None:
        return None
    try:
        return max(0.0, float(argument))
    except ValueError:
        return 1.0
