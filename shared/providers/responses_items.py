"""Responses and conversation items, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.model import Displaced, Message, RunStart, RunState, ToolCall
from shared.providers import fields
from shared.providers.retry_after import poll_after
from shared.providers.text import clean, clean_json

Item = Mapping[str, Any]


def run_state(response: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One response object. A completed one that asks for functions is in `requires_action`: it waits for their outputs.

    A response without a status counts as ended where it has output, as servers without background answer.
    """
    output = fields.objects(response, "output")
    calls = tool_calls(output)
    status = fields.status(response, "completed" if output else "unknown")
    code, message = fields.failure(response, "error")
    return RunState(
        run_id=fields.identifier(response),
        status="requires_action" if status == "completed" and calls else status,
        text=said(output) or fields.text(response, "output_text"),
        tool_calls=calls,
        usage=fields.usage(response),
        error_code=code,
        error_message=message,
        poll_after_seconds=poll_after(headers or {}),
        cursor=_last_id(output),
        thread_id=fields.named(response, "conversation"),
        turn_id=fields.text(fields.inner(response, "metadata"), "turn_id") or None,
    )


def said(items: Sequence[Item]) -> str:
    """What the assistant says in these items, in order; a refusal is said as well."""
    texts = [text for item in items if fields.text(item, "role") == "assistant" and (text := content(item))]
    return "\n\n".join(texts)


def content(item: Item) -> str:
    """The text of a message, whether it is given as a string or in parts."""
    if plain := fields.text(item, "content"):
        return plain
    parts = fields.objects(item, "content")
    return "".join(fields.text(part, "text") or fields.text(part, "refusal") for part in parts)


def tool_calls(items: Sequence[Item]) -> tuple[ToolCall, ...]:
    """The function calls that no output among the same items answers."""
    answered = {fields.identifier(item, "call_id") for item in items if _kind(item) == "function_call_output"}
    calls = []
    for item in items:
        call_id = fields.identifier(item, "call_id")
        name = fields.text(item, "name")
        if _kind(item) == "function_call" and call_id and name and call_id not in answered:
            calls.append(ToolCall(call_id, name, clean_json(fields.text(item, "arguments"))))
    return tuple(calls)


def message_item(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": clean(text)}


def seeds(history: Sequence[Message]) -> list[dict[str, Any]]:
    """The transcript as items. An empty line is left out: servers refuse it."""
    return [message_item(line.role, line.text) for line in history if line.text.strip()]


def input_items(start: RunStart) -> list[dict[str, Any]]:
    """What this run adds: the outputs of its functions, the user's message."""
    items: list[dict[str, Any]] = [
        {"type": "function_call_output", "call_id": given.call_id, "output": clean(given.output)}
        for given in start.tool_outputs
    ]
    for one in start.displaced:
        items += [message_item(role, text) for role, text in (("user", one.text), ("assistant", one.partial)) if text]
    if start.text is not None:
        items.append(message_item("user", start.text))
    return items


def missing(newest_first: Sequence[Item], displaced: Sequence[Displaced]) -> tuple[Displaced, ...]:
    """Of the interrupted turns, those whose question does not stand among these items."""
    asked = {content(item) for item in newest_first if fields.text(item, "role") == "user"}
    return tuple(one for one in displaced if clean(one.text) not in asked)


def traces(newest_first: Sequence[Item], start: RunStart) -> list[str]:
    """Ids of the turn's message and of what was said to it."""
    found: list[str] = []
    after: list[str] = []
    for item in newest_first:
        item_id = fields.identifier(item)
        if item_id is None:
            continue
        if is_input(item, start):
            found += [*after, item_id]
        after = [] if fields.text(item, "role") == "user" else [*after, item_id]
    return found


def is_input(item: Item, start: RunStart) -> bool:
    """Whether this item of a conversation is what the run was to add."""
    if start.text is not None:
        return fields.text(item, "role") == "user" and content(item) == clean(start.text)
    asked = {given.call_id for given in start.tool_outputs}
    return _kind(item) == "function_call_output" and fields.identifier(item, "call_id") in asked


def found_run(newest_first: Sequence[Item], start: RunStart) -> RunState | None:
    """The run that answered our input, by what it left in the conversation after the last item known.

    Input and output enter a conversation only when a response completes, as the vendor documents.
    """
    for index, item in enumerate(newest_first):
        if is_input(item, start) and (state := _answer(list(newest_first[:index])[::-1], start)):
            return state
    return None


def _answer(after: Sequence[Item], start: RunStart) -> RunState | None:
    """What was said to our input, given the items after it in order."""
    end = next((index for index, item in enumerate(after) if fields.text(item, "role") == "user"), len(after))
    answer = after[:end]
    calls = tool_calls(answer)
    text = said(answer)
    run_id = next((made for item in answer if (made := _made_by(item))), None)
    if not (text or calls) or (run_id is not None and run_id in start.known_run_ids):
        return None
    cut_off = any(fields.status(item, "") == "incomplete" for item in answer)
    return RunState(
        run_id=run_id,
        status="requires_action" if calls else "incomplete" if cut_off else "completed",
        text=text,
        tool_calls=calls,
        cursor=_last_id(answer),
        thread_id=start.thread.thread_id,
    )


def leftovers(newest_first: Sequence[Item], start: RunStart) -> list[str]:
    """Ids of copies of our message that stand at the end of the conversation without an answer."""
    left = []
    for item in newest_first:
        if not is_input(item, start) or start.text is None:
            break
        if item_id := fields.identifier(item):
            left.append(item_id)
    return left


def _last_id(items: Sequence[Item]) -> str | None:
    return next((item_id for item in reversed(items) if (item_id := fields.identifier(item))), None)


def _kind(item: Item) -> str:
    return fields.text(item, "type")


def _made_by(item: Item) -> str | None:
    """The response that made an item, where the server says so."""
    return fields.named(item, "response_id") or fields.named(item, "response")
