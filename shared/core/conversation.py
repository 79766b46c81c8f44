"""A conversation, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.model import JsonObject, Scope
from shared.core.runs import Thread
from shared.core.turns import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """A user's conversation as lists show it."""

    conversation_id: str
    scope: Scope | None
    agent: str
    status: str  # "idle" or "busy"
    turns: int
    created_at: str
    updated_at: str
    title: str  # the first line of its first message, until its user renames it
    messages: int  # lines of the transcript; the number of the last one
    preview: str | None  # the beginning of the last line; None before the first turn has started
    read_seq: int  # the line to which its user has read
    unread: int  # answers behind that line
    archived: bool  # closed for messages
    last_message_at: str
    # what only a conversation that is read alone has
    open_turns: tuple[Turn, ...] = ()
    stats: JsonObject = field(default_factory=dict)
    thread: Thread | None = None
    active_run: JsonObject | None = None
