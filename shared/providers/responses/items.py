"""Responses and conversation items, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.runs import RunState, ToolCall
from shared.providers import fields
from shared.providers.calls import read_calls
from shared.providers.failures import failure_of
from shared.providers.retry_after import poll_after

Item = Mapping[str, Any]

_UNSHOWN_ITEMS = frozenset({"image_generation_call", "audio", "image"})
"""Items of an output that are an answer by themselves and hold no text."""


def response_state(response: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One response object. A completed one that asks for functions is in `requires_action`: it waits for their outputs.

    A response without a status counts as ended where it has output, as servers without background answer, and no item
    of it says that it is under way.
    """
    output = fields.objects(response, "output")
    calls = tool_calls(output)
    whole = all(item.get("status") in (None, "completed") for item in output)
    status = fields.status(response, "completed" if output and whole else "unknown")
    return RunState(
        run_id=fields.identifier(response),
        status="requires_action" if status == "completed" and calls else status,
        text=items_text(output) or fields.text(response, "output_text"),
        tool_calls=calls,
        usage=fields.usage(response),
        **failure_of(response, "error", status),
        unshown=_unshown(output),
        poll_after_seconds=poll_after(headers or {}),
        cursor=last_id(output),
        thread_id=fields.named(response, "conversation"),
        turn_id=fields.text(fields.inner(response, "metadata"), "turn_id") or None,
    )


def _unshown(output: Sequence[Item]) -> str | None:
    """The kind of the first thing in the output that answers and is no text."""
    for item in output:
        if item_kind(item) in _UNSHOWN_ITEMS:
            return item_kind(item)
        for part in fields.objects(item, "content") if may_speak(item) else ():
            kind = fields.text(part, "type")
            if kind and not kind.endswith("text") and kind != "refusal":
                return kind[:64]
    return None


def in_background(response: Mapping[str, Any]) -> bool:
    """Whether the response outlives the connection it was made on, as far as it says."""
    told = response.get("background")
    return told is True or (told is None and response.get("status") == "queued")


def items_text(items: Sequence[Item]) -> str:
    """What the assistant says in these items, in order; a refusal is said as well."""
    return "\n\n".join(text for item in items if may_speak(item) and (text := item_text(item)))


def may_speak(item: Item) -> bool:
    """Whether this is a message of the assistant's. Some servers leave the role out of their own messages."""
    role = fields.text(item, "role")
    return role == "assistant" or (not role and item_kind(item) == "message")


def item_text(item: Item) -> str:
    """The text of a message, whether it is given as a string or in parts."""
    if plain := fields.text(item, "content"):
        return plain
    parts = fields.objects(item, "content")
    shown = (part for part in parts if not fields.text(part, "type").startswith(("reasoning", "summary")))
    return "".join(fields.text(part, "text") or fields.text(part, "refusal") for part in shown)


def tool_calls(items: Sequence[Item]) -> tuple[ToolCall, ...]:
    """The function calls that no output among the same items answers."""
    answered = [fields.identifier(item, "call_id") for item in items if item_kind(item) == "function_call_output"]
    calls = []
    for item in items:
        if item_kind(item) != "function_call":
            continue
        call_id = fields.identifier(item, "call_id") or fields.identifier(item)
        if call_id in answered:
            answered.remove(call_id)  # each output answers one call
        else:
            calls.append((call_id, fields.text(item, "name"), item.get("arguments")))
    return read_calls(calls)


def last_id(items: Sequence[Item]) -> str | None:
    return next((item_id for item in reversed(items) if (item_id := fields.identifier(item))), None)


def item_kind(item: Item) -> str:
    return fields.text(item, "type")
