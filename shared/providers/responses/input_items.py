"""What a create of a response brings along, as items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from shared.core.images import told_in_words
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import Step, ToolCall, ToolOutput
from shared.providers.calls import wire_call_id
from shared.providers.text import clean


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
    lines = ((line.role, told_in_words(line.text, line.images)) for line in history)
    return [message_item(role, text) for role, text in lines if text.strip()]


def input_items(start: RunStart) -> list[dict[str, Any]]:
    """What this run adds: outputs to calls in the thread, the user's message, the steps the thread knows nothing of.

    What was steered stands behind the step that it came with.
    """
    items = [_output_item(wire_call_id(given.call_id), given) for given in start.tool_outputs]
    for one in start.displaced:
        items += [message_item(role, text) for role, text in (("user", one.text), ("assistant", one.partial)) if text]
    if start.text is not None:
        items.append(message_item("user", start.text))
    items += _steered(start, 0)
    for number, step in enumerate(start.steps, start=1):
        items += [*_told(step, newest=number == len(start.steps)), *_steered(start, number)]
    return items


def _steered(start: RunStart, after: int) -> list[dict[str, Any]]:
    return [message_item("user", one.text) for one in start.steered if one.after == after]


def _told(step: Step, *, newest: bool) -> list[dict[str, Any]]:
    """A step in full. A call without its output is left out: no server goes on from there.

    A word on a call of an MCP server has been acted upon where a run came after it: then it is told in words alone, for
    the provider would make the call again.
    """
    outputs = {given.call_id: given for given in step.outputs}
    calls = [call for call in step.calls if call.call_id in outputs]
    over = [] if newest else [call for call in calls if call.server is not None]
    lines = [step.text, *(f"Called {one.name} with {one.arguments}: {outputs[one.call_id].output}" for one in over)]
    calls = [call for call in calls if call not in over]
    return [
        *(message_item("assistant", line) for line in lines if line.strip()),
        *(_call_item(call) for call in calls),
        *(
            _output_item(given.call_id, given)
            for given in step.outputs
            if given.call_id not in {c.call_id for c in over}
        ),
    ]


def _call_item(call: ToolCall) -> dict[str, Any]:
    if call.server is not None:
        asked = {"id": call.call_id, "server_label": call.server, "name": call.name.removeprefix(f"{call.server}.")}
        return {"type": "mcp_approval_request", **asked, "arguments": clean(call.arguments)}
    # Without an id: those of another conversation mean nothing here.
    return {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": clean(call.arguments)}


def _output_item(call_id: str, given: ToolOutput) -> dict[str, Any]:
    if given.allowed is not None:
        said = {"approval_request_id": given.call_id, "approve": given.allowed}
        # the reason is for the model: what the user has said, or that the time was over
        return {"type": "mcp_approval_response", **said} | ({} if given.allowed else {"reason": clean(given.output)})
    return {"type": "function_call_output", "call_id": call_id, "output": clean(given.output)}
