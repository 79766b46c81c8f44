"""Runs and messages of the Assistants wire, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.core.model import Message, RunStart, RunState, ToolCall
from shared.providers import fields
from shared.providers.retry_after import poll_after
from shared.providers.text import clean, clean_json

METADATA_CHARS = 512
"""What the vendor documents as the most a metadata value may hold."""


def run_state(run: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One run object. Its text is not in it; a run without a status counts as one that has not ended."""
    code, message = fields.failure(run, "last_error")
    return RunState(
        run_id=fields.identifier(run),
        status=fields.status(run, "unknown"),
        tool_calls=_tool_calls(run),
        usage=fields.usage(run),
        error_code=code,
        error_message=message,
        poll_after_seconds=poll_after(headers or {}),
        thread_id=fields.identifier(run, "thread_id"),
        turn_id=fields.text(fields.inner(run, "metadata"), "turn_id") or None,
    )


def run_body(start: RunStart, assistant_id: str, present: Collection[str]) -> dict[str, Any]:
    """The create call: messages and run in one. The agent's row overrides what the assistant was made with.

    `present` are the turns whose messages the thread has already.
    """
    marks = {"turn_id": start.turn_id[:METADATA_CHARS], "run_key": start.run_key[:METADATA_CHARS]}
    body: dict[str, Any] = {"assistant_id": assistant_id, "metadata": marks}
    if start.agent.model:
        body["model"] = start.agent.model
    if start.agent.instructions:
        body["instructions"] = start.agent.instructions
    asked = [(one.turn_id, "user", one.text) for one in start.displaced]
    said = [(one.turn_id, "assistant", one.partial) for one in start.displaced]
    lines = [line for pair in zip(asked, said, strict=True) for line in pair]
    if start.text is not None:
        lines.append((start.turn_id, "user", start.text))
    added = [_message(*line) for line in lines if line[0] not in present and line[2].strip()]
    if added:
        body["additional_messages"] = added
    return body


def _message(turn_id: str, role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": clean(text), "metadata": {"turn_id": turn_id[:METADATA_CHARS]}}


def seed(message: Message) -> dict[str, Any]:
    """A transcript line as a message of a new thread."""
    return _message(message.turn_id, message.role, message.text)


def made_by(message: Mapping[str, Any], start: RunStart) -> bool:
    """Whether this message is the turn's question or something that its runs said."""
    return belongs(message, start.turn_id) or fields.identifier(message, "run_id") in start.known_run_ids


def belongs(thing: Mapping[str, Any], turn_id: str) -> bool:
    """Whether a run or message carries this turn's mark."""
    return fields.text(fields.inner(thing, "metadata"), "turn_id") == turn_id[:METADATA_CHARS]


def own_run(runs: Sequence[Mapping[str, Any]], start: RunStart) -> Mapping[str, Any] | None:
    """Of the runs, newest first, the one this turn left behind: one that may still answer before one that cannot."""
    own = [run for run in runs if belongs(run, start.turn_id) and fields.identifier(run) not in start.known_run_ids]
    lost = ("failed", "cancelled", "expired", "cancelling", "incomplete")
    return next((run for run in own if fields.status(run, "") not in lost), own[0] if own else None)


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
    said = [message for message in said if fields.text(message, "role") == "assistant"]
    texts = [text for message in reversed(said) if (text := _content(message))]
    return "\n\n".join(texts)


def _content(message: Mapping[str, Any]) -> str:
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
        call_id = fields.identifier(call)
        if call_id and (name := fields.text(function, "name")):
            calls.append(ToolCall(call_id, name, clean_json(fields.text(function, "arguments"))))
    return tuple(calls)
