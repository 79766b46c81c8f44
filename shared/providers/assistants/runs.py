"""Runs and messages of the Assistants wire, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from shared.core.images import told_in_words
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import Handoff, RunState, Step, ToolCall, ToolSpec
from shared.providers import fields
from shared.providers.agent_parameters import run_parameters
from shared.providers.calls import read_calls
from shared.providers.failures import failure_of
from shared.providers.retry_after import poll_after
from shared.providers.text import clean

IMAGE_FILE = "image_file"
METADATA_CHARS = 512
"""What the vendor documents as the most a metadata value may hold."""


def run_state(run: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One run object. Its text is not in it; a run without a status counts as one that has not ended."""
    status, calls = fields.status(run, "unknown"), _tool_calls(run)
    return RunState(
        run_id=fields.identifier(run),
        # What it asks for was seen to show a moment after the status did.
        status="in_progress" if status == "requires_action" and not calls else status,
        tool_calls=calls,
        usage=fields.usage(run),
        **failure_of(run, "last_error", status),
        poll_after_seconds=poll_after(headers or {}),
        thread_id=fields.identifier(run, "thread_id"),
        turn_id=fields.text(fields.inner(run, "metadata"), "turn_id") or None,
    )


Mark = tuple[str, ...]
"""What tells one message of ours from another: role, turn, and which of the turn's additions it is."""


def run_body(
    start: RunStart, assistant_id: str, present: Collection[Mark], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """The create call: messages and run in one. The agent's row overrides what the assistant was made with.

    `present` are the marks of the messages that the thread has already; `without` are fields that the server does not
    take. Raises ProviderRefused where the agent asks for what this wire cannot do.
    """
    marks = {"turn_id": start.turn_id[:METADATA_CHARS], "run_key": start.run_key[:METADATA_CHARS]}
    asked = run_parameters(start, without)
    body: dict[str, Any] = {"assistant_id": assistant_id, "metadata": marks, **asked}
    if start.agent.model:
        body["model"] = start.agent.model
    if start.agent.instructions:
        body["instructions"] = start.agent.instructions
    if _has_own_tools(start):
        body["tools"] = [*(_function(tool) for tool in start.tools), *asked.get("tools", ())]
    if added := [message for message in _additions(start, present) if message["content"].strip()]:
        body["additional_messages"] = added
    return body


def _has_own_tools(start: RunStart) -> bool:
    """Whether the list of tools is ours to say, an empty one included. An assistant that was made elsewhere keeps its
    own (file search, for example) as long as the agent's row is silent on what it is and may do."""
    agent = start.agent
    named = agent.tools or agent.hosted_tools or agent.handoffs
    return bool(start.tools or named or agent.instructions or not agent.assistant_id)


def _function(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": clean(tool.description), "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _additions(start: RunStart, present: Collection[Mark]) -> Iterator[dict[str, Any]]:
    for one in start.displaced:
        asked = _message(one.turn_id, "user", one.text)
        if mark(asked) not in present:
            yield asked
            yield _message(one.turn_id, "assistant", one.partial)
    own: list[dict[str, Any]] = []
    if start.text is not None:
        own.append(_message(start.turn_id, "user", start.text))
    for number, step in enumerate(start.steps, start=1):
        own.append(_message(start.turn_id, "assistant", _told(step), step=_step_mark(step)))
        own += _steered(start, number) if number < len(start.steps) else ()
    if start.handoff is not None:
        # The same agent may be brought in again: the runs before it tell one time from another.
        marks = {"handoff": start.handoff.to_agent, "after": str(len(start.known_run_ids))}
        own.append(_message(start.turn_id, "assistant", _brought_in(start.handoff), **marks))
    if start.steps:
        own += _steered(start, len(start.steps))
    own += _steered(start, 0)
    yield from (message for message in own if mark(message) not in present)


def _steered(start: RunStart, after: int) -> list[dict[str, Any]]:
    """Behind a handoff where one comes with the last step."""
    return [_message(one.turn_id, "user", one.text) for one in start.steered if one.after == after]


def _step_mark(step: Step) -> str:
    """What tells a step from the turn's others, whichever of them are told: a run may have several."""
    return " ".join([step.run_id or "", *(call.call_id for call in step.calls[:1])])


def _told(step: Step) -> str:
    given = {one.call_id: one.output for one in step.outputs}
    lines = [f"Called {c.name} with {c.arguments}: {given.get(c.call_id, 'no answer')}" for c in step.calls]
    return "\n".join([step.text] * bool(step.text.strip()) + lines)


def _brought_in(handoff: Handoff) -> str:
    why = f": {handoff.reason}" if handoff.reason else "."
    task = f"\n\nTask: {handoff.task}" if handoff.task else ""
    return f"Handoff from {handoff.from_agent} to {handoff.to_agent}{why}{task}"


def _message(turn_id: str, role: str, text: str, **marks: str) -> dict[str, Any]:
    metadata = {"turn_id": turn_id, **marks}
    return {
        "role": role,
        "content": clean(text),
        "metadata": {key: value[:METADATA_CHARS] for key, value in metadata.items()},
    }


def mark(message: Mapping[str, Any]) -> Mark:
    metadata = fields.inner(message, "metadata")
    return (fields.text(message, "role"), *(fields.text(metadata, key) for key in ("turn_id", *_ADDED, "after")))


def asked_in(turn_id: str) -> Mark:
    """The mark of a turn's question."""
    return mark(_message(turn_id, "user", ""))


_ADDED = ("handoff", "step")


def seed(message: Message) -> dict[str, Any]:
    """A transcript line as a message of a new thread."""
    return _message(message.turn_id, message.role, told_in_words(message.text, message.images))


def made_by(message: Mapping[str, Any], start: RunStart) -> bool:
    """Whether this message is the turn's question or something that its runs said."""
    own = (start.turn_id, *(one.turn_id for one in start.steered))
    return any(belongs(message, one) for one in own) or fields.identifier(message, "run_id") in start.known_run_ids


def belongs(thing: Mapping[str, Any], turn_id: str) -> bool:
    """Whether a run or message carries this turn's mark."""
    return fields.text(fields.inner(thing, "metadata"), "turn_id") == turn_id[:METADATA_CHARS]


def own_run(runs: Sequence[Mapping[str, Any]], start: RunStart) -> Mapping[str, Any] | None:
    """Of the runs, newest first, the one this turn left behind: one that may still answer before one that cannot."""
    own = [run for run in runs if belongs(run, start.turn_id) and fields.identifier(run) not in start.known_run_ids]
    lost = ("failed", "cancelled", "expired", "cancelling", "incomplete")
    return next((run for run in own if fields.status(run, "") not in lost), own[0] if own else None)


def unshown(newest_first: Sequence[Mapping[str, Any]], run_id: str) -> str | None:
    """The kind of the first part of the run's answer that is neither text nor an image."""
    kinds = (fields.text(part, "type") for part in _parts(newest_first, run_id))
    return next((kind[:64] for kind in kinds if kind and kind not in ("text", "refusal", IMAGE_FILE)), None)


def image_files(newest_first: Sequence[Mapping[str, Any]], run_id: str) -> list[str]:
    """The files of the images in the run's answer, in order."""
    named = [part for part in _parts(newest_first[::-1], run_id) if fields.text(part, "type") == IMAGE_FILE]
    return [file for part in named if (file := fields.identifier(fields.inner(part, IMAGE_FILE), "file_id"))]


def _parts(messages: Sequence[Mapping[str, Any]], run_id: str) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        if fields.identifier(message, "run_id") in (None, run_id) and fields.text(message, "role") == "assistant":
            yield from fields.objects(message, "content")


def answer_text(newest_first: Sequence[Mapping[str, Any]], run_id: str) -> str:
    """What the assistant said in this run, in order.

    The filter `run_id` of the list is ignored by some servers, so it is applied again here; where a server leaves
    `run_id` out of its messages altogether, what follows the newest user message is the answer.
    """
    if any(fields.identifier(message, "run_id") for message in newest_first):
        said = [message for message in newest_first if fields.identifier(message, "run_id") == run_id]
    else:
        roles = [fields.text(message, "role") for message in newest_first]
        said = list(newest_first[: roles.index("user")] if "user" in roles else newest_first)
    said = [message for message in said if fields.text(message, "role") == "assistant" and not _is_added(message)]
    texts = [text for message in reversed(said) if (text := message_text(message))]
    return "\n\n".join(texts)


def _is_added(message: Mapping[str, Any]) -> bool:
    """Whether we have put it there ourselves, in the assistant's name."""
    return any(fields.text(fields.inner(message, "metadata"), key) for key in _ADDED)


def message_text(message: Mapping[str, Any]) -> str:
    if plain := fields.text(message, "content"):
        return plain
    parts = []
    for part in fields.objects(message, "content"):
        parts.append(fields.text(fields.inner(part, "text"), "value") or fields.text(part, "text"))
        parts.append(fields.text(part, "refusal"))
    return "".join(parts)


def _tool_calls(run: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    wanted = fields.inner(fields.inner(run, "required_action"), "submit_tool_outputs")
    calls = []
    for call in fields.objects(wanted, "tool_calls"):
        function = fields.inner(call, "function")
        if call_id := fields.identifier(call):  # without one no output can be given to it
            calls.append((call_id, fields.text(function, "name"), function.get("arguments")))
    return read_calls(calls)
