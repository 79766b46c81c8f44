"""Conversations and lines of their transcripts as the JSON people get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from functions.multi_agent_chat import render, tool_values
from shared.core.conversation import Conversation
from shared.core.model import Message, PlacedCall
from shared.core.redaction import redacted, shown_id
from shared.core.tool_messages import is_error


def conversation(value: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": value.conversation_id,
        "title": value.title,
        "scope": None if value.scope is None else {"kind": value.scope.kind.value, "key": value.scope.key},
        "agent": value.agent,
        "status": value.status,
        "turns": value.turns,
        "messages": value.messages,
        "preview": value.preview,
        "read_seq": value.read_seq,
        "unread": value.unread,
        "archived": value.archived,
        "last_message_at": value.last_message_at,
        "created_at": value.created_at,
        "updated_at": value.updated_at,
    }


def conversation_detail(value: Conversation) -> dict[str, Any]:
    return conversation(value) | {
        "open_turns": [render.turn_state(turn) for turn in value.open_turns],
        "active_run": None if value.active_run is None else redacted(dict(value.active_run)),
        "thread": None
        if value.thread is None
        else {"provider": value.thread.provider, "thread_id": shown_id(value.thread.thread_id)},
        "stats": dict(value.stats),
    }


def conversation_list(values: Sequence[Conversation], limit: int) -> dict[str, Any]:
    """`before` of the next page is the last id of a full one."""
    following = values[-1].conversation_id if len(values) >= limit else None
    return {"conversations": [conversation(value) for value in values], "next_before": following}


def transcript_line(value: Message) -> dict[str, Any]:
    """A line of the transcript, with its calls as a stream tells of them."""
    shown = {
        "calls": [placed_call(call) for call in value.calls],
        "sources": [render.source(one) for one in value.sources],
        "images": [render.image(one) for one in value.images],
    }
    return asdict(value) | shown


def placed_call(call: PlacedCall) -> dict[str, Any]:
    failed = call.output is not None and is_error(call.output)
    return {
        "call_id": call.call_id,
        "name": call.name,
        "state": "open" if call.output is None else "failed" if failed else "done",
        "input": tool_values.given(call.arguments),
        "output": None if call.output is None else call.output if failed else tool_values.came_of_it(call.output),
        "at": call.at,
    }


def message_list(values: Sequence[Message], limit: int, *, backwards: bool) -> dict[str, Any]:
    """Where a full page may have another one behind it, its last number is the next `after_seq` or `before_seq`."""
    full = len(values) >= limit
    return {
        "messages": [transcript_line(value) for value in values],
        "next_after_seq": values[-1].seq if full and not backwards else None,
        "next_before_seq": values[0].seq if full and backwards and values[0].seq > 1 else None,
    }
