"""The transcript as the AI SDK's messages, for `useChat({messages})`: the ids are those that its requests may name."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from functions.multi_agent_chat import render, tool_values
from shared.core.images import Image
from shared.core.model import Message, PlacedCall
from shared.core.runs import Source
from shared.core.tool_messages import is_error


def ui_message_list(
    values: Sequence[Message], limit: int, *, backwards: bool, approvals: bool = False
) -> dict[str, Any]:
    """Whole messages: what a full page has of one that goes on behind it is left to the next page.

    `approvals`: the reader knows the parts of calls that needed a person's word.
    """
    full = len(values) >= limit
    groups = [list(lines) for _, lines in groupby(values, key=lambda line: (line.turn_id, line.role))]
    if full and len(groups) > 1:
        cut = groups[0] if backwards else groups[-1]
        if cut[0].role == "assistant":
            groups.remove(cut)
    return {
        "messages": [_message(lines, approvals) for lines in groups],
        "next_after_seq": groups[-1][-1].seq if full and not backwards else None,
        "next_before_seq": groups[0][0].seq if full and backwards and groups[0][0].seq > 1 else None,
    }


def _message(lines: Sequence[Message], approvals: bool) -> dict[str, Any]:
    first, last = lines[0], lines[-1]
    metadata: dict[str, Any] = {"turn_id": first.turn_id, "seq": first.turn_seq, "created_at": first.created_at}
    if first.role == "user":
        message_id = first.client_message_id or f"{first.turn_id}:user"
    else:
        message_id = first.answers_turn_id or first.turn_id  # as the stream of that message's own turn names it
        metadata |= {"agent": last.agent, "partial": last.partial}
    return {
        "id": message_id,
        "role": first.role,
        "metadata": metadata,
        "parts": [part for line in lines for part in _parts(line, approvals)],
    }


def _parts(line: Message, approvals: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    said = 0
    for call in line.calls:
        parts += _words(line.text[said : call.at])
        said = max(said, call.at)
        parts.append(_tool(line, call, approvals))
    parts += _words(line.text[said:])
    parts += [image_part(image) for image in line.images]
    parts += [source_part(source) for source in line.sources]
    if line.handoff_to is not None:
        parts.append({"type": "data-handoff", "data": {"from": line.agent, "to": line.handoff_to}})
    return parts


PROVIDER = "multi-agent-chat"  # whose metadata a part carries, in the AI SDK's words


def image_part(image: Image) -> dict[str, Any]:
    """As the AI SDK has a file, in messages and in streams; as data of our own where there is nothing to be fetched."""
    shown = render.image(image)
    if image.fault is not None:
        return {"type": "data-image", "id": image.image_id, "data": shown}
    address = {"mediaType": shown.pop("media_type"), "url": shown.pop("url")}
    return {"type": "file", **address, "providerMetadata": {PROVIDER: shown}}


def source_part(source: Source) -> dict[str, Any]:
    """As the AI SDK has what is cited, in messages and in streams. The same source has the same id in both."""
    named = source.url or source.file_id or ""
    part = {"sourceId": f"source-{hashlib.sha256(named.encode()).hexdigest()[:16]}"}
    if source.url is not None:
        return {
            "type": "source-url",
            **part,
            "url": source.url,
            **({} if source.title is None else {"title": source.title}),
        }
    name = source.title or "file"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {"type": "source-document", **part, "mediaType": kind, "title": name, "filename": name}


def _words(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text.strip("\n"), "state": "done"}] if text.strip("\n") else []


def _tool(line: Message, call: PlacedCall, approvals: bool) -> dict[str, Any]:
    """As the AI SDK keeps a tool that its page does not define. One that was never answered counts as failed there."""
    part: dict[str, Any] = {"type": "dynamic-tool", "toolName": call.name, "toolCallId": f"{line.id}:{call.call_id}"}
    part |= {"providerExecuted": True, "input": tool_values.given(call.arguments)}
    if approvals and call.approved is not None and call.output is not None:
        part["approval"] = {"id": call.call_id, "approved": call.approved}
        if not call.approved:
            part["approval"]["reason"] = tool_values.error_message(call.output)
            return part | {"state": "output-denied"}
    if call.output is None or is_error(call.output):
        return part | {"state": "output-error", "errorText": call.output or "It was not answered."}
    return part | {"state": "output-available", "output": tool_values.came_of_it(call.output)}
