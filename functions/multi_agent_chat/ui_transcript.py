"""The transcript as the AI SDK's messages, for `useChat({messages})`: the ids are those that its requests may name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from shared.core.model import Message


def ui_message_list(values: Sequence[Message], limit: int, *, backwards: bool) -> dict[str, Any]:
    """Whole messages: what a full page has of one that goes on behind it is left to the next page."""
    full = len(values) >= limit
    groups = [list(lines) for _, lines in groupby(values, key=lambda line: (line.turn_id, line.role))]
    if full and len(groups) > 1:
        cut = groups[0] if backwards else groups[-1]
        if cut[0].role == "assistant":
            groups.remove(cut)
    return {
        "messages": [_message(lines) for lines in groups],
        "next_after_seq": groups[-1][-1].seq if full and not backwards else None,
        "next_before_seq": groups[0][0].seq if full and backwards and groups[0][0].seq > 1 else None,
    }


def _message(lines: Sequence[Message]) -> dict[str, Any]:
    first, last = lines[0], lines[-1]
    metadata: dict[str, Any] = {"turn_id": first.turn_id, "seq": first.turn_seq, "created_at": first.created_at}
    if first.role == "user":
        message_id = first.client_message_id or f"{first.turn_id}:user"
    else:
        message_id = first.turn_id
        metadata |= {"agent": last.agent, "partial": last.partial}
    return {
        "id": message_id,
        "role": first.role,
        "metadata": metadata,
        "parts": [part for line in lines for part in _parts(line)],
    }


def _parts(line: Message) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": line.text, "state": "done"}] if line.text else []
    if line.handoff_to is not None:
        parts.append({"type": "data-handoff", "data": {"from": line.agent, "to": line.handoff_to}})
    return parts
