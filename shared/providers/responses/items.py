"""Responses and conversation items, as our values. Nothing here trusts a field to be there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.model import Message
from shared.core.runs import RunState, Step, ToolCall, ToolOutput
from shared.core.turns import Displaced, RunStart
from shared.providers import fields
from shared.providers.calls import read_calls, wire_call_id
from shared.providers.failures import failure_of
from shared.providers.retry_after import poll_after
from shared.providers.text import clean

Item = Mapping[str, Any]

_UNSHOWN_ITEMS = frozenset({"image_generation_call", "audio", "image"})
"""Items of an output that are an answer by themselves and hold no text."""


def response_state(response: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RunState:
    """One response object. A completed one that asks for functions is in `requires_action`: it waits for their outputs.

    A response without a status counts as ended where it has output, as servers without background answer.
    """
    output = fields.objects(response, "output")
    calls = tool_calls(output)
    status = fields.status(response, "completed" if output else "unknown")
    return RunState(
        run_id=fields.identifier(response),
        status="requires_action" if status == "completed" and calls else status,
        text=items_text(output) or fields.text(response, "output_text"),
        tool_calls=calls,
        usage=fields.usage(response),
        **failure_of(response, "error", status),
        unshown=_unshown(output),
        poll_after_seconds=poll_after(headers or {}),
        cursor=_last_id(output),
        thread_id=fields.named(response, "conversation"),
        turn_id=fields.text(fields.inner(response, "metadata"), "turn_id") or None,
    )


def _unshown(output: Sequence[Item]) -> str | None:
    """The kind of the first thing in the output that answers and is no text."""
    for item in output:
        if _kind(item) in _UNSHOWN_ITEMS:
            return _kind(item)
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
    return role == "assistant" or (not role and _kind(item) == "message")


def item_text(item: Item) -> str:
    """The text of a message, whether it is given as a string or in parts."""
    if plain := fields.text(item, "content"):
        return plain
    parts = fields.objects(item, "content")
    shown = (part for part in parts if not fields.text(part, "type").startswith(("reasoning", "summary")))
    return "".join(fields.text(part, "text") or fields.text(part, "refusal") for part in shown)


def tool_calls(items: Sequence[Item]) -> tuple[ToolCall, ...]:
    """The function calls that no output among the same items answers."""
    answered = [fields.identifier(item, "call_id") for item in items if _kind(item) == "function_call_output"]
    calls = []
    for item in items:
        if _kind(item) != "function_call":
            continue
        call_id = fields.identifier(item, "call_id") or fields.identifier(item)
        if call_id in answered:
            answered.remove(call_id)  # each output answers one call
        else:
            calls.append((call_id, fields.text(item, "name"), item.get("arguments")))
    return read_calls(calls)


def message_item(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": clean(text)}


def whole_item(item: dict[str, Any]) -> dict[str, Any]:
    """A message as outputs have it, for servers that take no short form: with its parts, a status and an id."""
    if item.get("type") != "message" or not isinstance(text := item.get("content"), str):
        return item
    if item.get("role") != "assistant":
        return {**item, "content": [{"type": "input_text", "text": text}]}
    mark = hashlib.sha256(text.encode()).hexdigest()[:24]
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {**item, "id": f"msg_{mark}", "status": "completed", "content": content}


def seeds(history: Sequence[Message]) -> list[dict[str, Any]]:
    """The transcript as items. An empty line is left out: servers refuse it."""
    return [message_item(line.role, line.text) for line in history if line.text.strip()]


def input_items(start: RunStart) -> list[dict[str, Any]]:
    """What this run adds: outputs to calls in the thread, the user's message, the steps the thread knows nothing of."""
    items = [_output_item(wire_call_id(given.call_id), given) for given in start.tool_outputs]
    for one in start.displaced:
        items += [message_item(role, text) for role, text in (("user", one.text), ("assistant", one.partial)) if text]
    if start.text is not None:
        items.append(message_item("user", start.text))
    for step in start.steps:
        items += _told(step)
    return items


def _told(step: Step) -> list[dict[str, Any]]:
    """A step in full. A call without its output is left out: no server goes on from there."""
    answered = {given.call_id for given in step.outputs}
    said = [message_item("assistant", step.text)] if step.text.strip() else []
    calls = [_call_item(call) for call in step.calls if call.call_id in answered]
    return [*said, *calls, *(_output_item(given.call_id, given) for given in step.outputs)]


def _call_item(call: ToolCall) -> dict[str, Any]:
    # Without an id: those of another conversation mean nothing here.
    return {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": clean(call.arguments)}


def _output_item(call_id: str, given: ToolOutput) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": clean(given.output)}


def missing(newest_first: Sequence[Item], displaced: Sequence[Displaced]) -> tuple[Displaced, ...]:
    """Of the interrupted turns, those whose question does not stand among these items."""
    asked = {item_text(item) for item in newest_first if fields.text(item, "role") == "user"}
    return tuple(one for one in displaced if clean(one.text) not in asked)


def traces(newest_first: Sequence[Item], start: RunStart) -> list[str]:
    """Ids of the turn's message and of all that followed it: what was said, called and given."""
    asked, calls = start.text and clean(start.text), call_ids(start)
    found: list[str] = []
    after: list[Item] = []
    for item in newest_first:
        after.append(item)
        if fields.text(item, "role") != "user":
            continue
        if item_text(item) == asked or _concerns(after, calls):
            found += _ids(after)
        after = []
    return found + (_ids(after) if _concerns(after, calls) else [])


def call_ids(start: RunStart) -> frozenset[str]:
    """The function calls that this turn is known to have made: they tell its items from those of any other turn."""
    told = [call.call_id for step in start.steps for call in step.calls]
    known = [*told, *(given.call_id for given in start.tool_outputs)]
    return frozenset([*known, *map(wire_call_id, known)])


def _concerns(items: Sequence[Item], calls: frozenset[str]) -> bool:
    return any(
        _kind(item).startswith("function_call") and fields.identifier(item, "call_id") in calls for item in items
    )


def _ids(items: Sequence[Item]) -> list[str]:
    return [item_id for item in items if (item_id := fields.identifier(item))]


def _same(item: Item, own: Item) -> bool:
    """Whether an item of a conversation is what an item of our input has become."""
    if _kind(own) == "message":
        return fields.text(item, "role") == fields.text(own, "role") and item_text(item) == item_text(own)
    return _kind(item) == _kind(own) and fields.identifier(item, "call_id") == fields.identifier(own, "call_id")


def has_input(items: Sequence[Item], start: RunStart) -> bool:
    """Whether the last item of our input stands among these."""
    own = input_items(start)
    return bool(own) and any(_same(item, own[-1]) for item in items)


def found_run(newest_first: Sequence[Item], start: RunStart) -> RunState | None:
    """The run that answered our input, by what it left in the conversation after the last item known.

    Input and output enter a conversation only when a response completes, as the vendor documents.
    """
    own = input_items(start)
    for index, item in enumerate(newest_first):
        # What was told before the last item may look like an answer, and is none.
        if own and _same(item, own[-1]) and (state := _answer(list(newest_first[:index])[::-1], start)):
            return state
    return None


def _answer(after: Sequence[Item], start: RunStart) -> RunState | None:
    """What was said to our input, given the items after it in order."""
    end = next((index for index, item in enumerate(after) if fields.text(item, "role") == "user"), len(after))
    answer = after[:end]
    calls = tool_calls(answer)
    text = items_text(answer)
    run_id = next((made for item in answer if (made := _made_by(item))), None)
    if not (text or calls) or {run_id, _last_id(answer)} & set(start.known_run_ids):
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
    """Ids of copies of our input, or of parts of it, that stand at the end of the conversation without an answer."""
    own = [item for item in reversed(input_items(start)) if not _restored(item, start)]
    left: list[str] = []
    at = 0  # the newest of our items that may come next
    for item in newest_first:
        found = _place(item, own, at) if left else None
        if found is None:  # the end of a copy
            found = _place(item, own, 0)
            # A reply may read as something that we told: only what stands before an item of ours is ours as well.
            if found is None or (found > 0 and fields.text(item, "role") != "user"):
                break
        at = found + 1
        left += _ids([item])
    return left


def _place(item: Item, own: Sequence[Item], at: int) -> int | None:
    return next((index for index in range(at, len(own)) if _same(item, own[index])), None)


def _restored(own: Item, start: RunStart) -> bool:
    """Whether this is part of an interrupted turn: what stands of those is left standing."""
    texts = {clean(text) for one in start.displaced for text in (one.text, one.partial)}
    return _kind(own) == "message" and own["content"] in texts and own["content"] != (start.text and clean(start.text))


def _last_id(items: Sequence[Item]) -> str | None:
    return next((item_id for item in reversed(items) if (item_id := fields.identifier(item))), None)


def _kind(item: Item) -> str:
    return fields.text(item, "type")


def _made_by(item: Item) -> str | None:
    """The response that made an item, where the server says so."""
    return fields.named(item, "response_id") or fields.named(item, "response")
