"""The AI SDK's own request, as its DefaultChatTransport sends it: `id`, `messages`, `trigger`, `messageId`.

Of `messages` only the last is read: what was said before is known here, and a client's word for it is not taken.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from functions.multi_agent_chat import body_fields
from functions.multi_agent_chat.body_fields import MAX_CHAT_ID, invalid, is_uuid
from shared.chat import NewMessage
from shared.core.model import User
from shared.core.turns import ChatRequest, MultitaskStrategy, Trigger

FIELDS = ("id", "messages", "trigger", "messageId", "agent", "multitask_strategy", "wait_seconds", "metadata")

_CHATS = uuid.UUID("6f1a3c52-6a0e-5d7c-9a53-0f0b8f3a9c11")  # the namespace of the conversations that chats name


def is_chat_body(document: Any) -> bool:
    return isinstance(document, dict) and ("trigger" in document or "messages" in document)


def conversation_of(user: User, chat_id: str) -> str:
    """The conversation that a chat's id names: a UUID is the conversation's own, any other id is kept for each user."""
    return chat_id if is_uuid(chat_id) else str(uuid.uuid5(_CHATS, f"{user.id} {chat_id}"))


def new_message(
    user: User, document: Mapping[str, Any], key: str | None, default_strategy: MultitaskStrategy
) -> NewMessage:
    """Without an Idempotency-Key the message's id is the key, within its chat: some chats count theirs from one."""
    body_fields.known(document, FIELDS)
    trigger, last = _trigger(document), _last(document)
    conversation_id = conversation_of(user, _id(document, "id"))
    message_id = _id(last, "id", "messages.id") if "id" in last else None
    if key is None and message_id is not None:
        key = f"{conversation_id}/{message_id}"
    return NewMessage(
        text=body_fields.text_of(last, "messages"),
        conversation_id=conversation_id,
        agent=body_fields.agent(document),
        strategy=body_fields.strategy(document, default_strategy),
        metadata=body_fields.metadata(document),
        idempotency_key=None if trigger is Trigger.REGENERATE else key,
        chat=ChatRequest(trigger, _id(document, "messageId") if "messageId" in document else None, message_id),
    )


def _trigger(document: Mapping[str, Any]) -> Trigger:
    value = document.get("trigger")
    if value not in tuple(Trigger):
        raise invalid("trigger", f"trigger must be one of: {', '.join(Trigger)}.")
    return Trigger(value)


def _last(document: Mapping[str, Any]) -> Mapping[str, Any]:
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        raise invalid("messages", "messages must be a list whose last item is a message.")
    last: Mapping[str, Any] = messages[-1]
    return last


def _id(document: Mapping[str, Any], name: str, field: str = "") -> str:
    return body_fields.short_text(document.get(name), field or name, MAX_CHAT_ID)
