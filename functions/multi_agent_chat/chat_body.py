"""The AI SDK's own request, as its DefaultChatTransport sends it: `id`, `messages`, `trigger`, `messageId`.

Of `messages` only the last is read, or the user's last where another answer is wanted: what was said before is known
here, and a client's word for it is not taken.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from functions.multi_agent_chat import answer_fields, body_fields, request_schemas
from functions.multi_agent_chat.body_fields import is_uuid
from functions.multi_agent_chat.request_check import check
from functions.multi_agent_chat.stream.ui_messages import Known
from shared.core.errors import NotFound
from shared.core.model import User
from shared.core.new_message import ChatRequest, NewMessage, Trigger
from shared.core.person_calls import PersonAnswer
from shared.core.turns import MultitaskStrategy

STEP = "step-start"  # as a chat keeps the stream's `start-step`
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
    check(document, request_schemas.CHAT_BODY)
    trigger = Trigger(document["trigger"])
    last = _asked(document["messages"]) if trigger is Trigger.REGENERATE else document["messages"][-1]
    check(last, request_schemas.CHAT_MESSAGE, "messages")
    conversation_id, message_id = conversation_of(user, document["id"]), last.get("id")
    if key is None and message_id is not None:
        key = f"{conversation_id}/{message_id}"
    return NewMessage(
        text=body_fields.text_of(last, "messages"),
        conversation_id=conversation_id,
        agent=document.get("agent"),
        strategy=body_fields.strategy(document, default_strategy),
        metadata=document.get("metadata", {}),
        idempotency_key=None if trigger is Trigger.REGENERATE else key,
        chat=ChatRequest(trigger, document.get("messageId"), message_id),
    )


def _asked(messages: Sequence[Any]) -> Any:
    """The user's last message. A chat that sent two at once keeps the answer to the first behind both."""
    said = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    return said[-1] if said else messages[-1]


def carries_answers(document: Any) -> bool:
    """Whether the last message is the agent's: the chat sends it with what the user has said to its calls."""
    if not is_chat_body(document) or document.get("trigger") != Trigger.SUBMIT:
        return False
    messages = document.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and last.get("role") == "assistant"


def answers(document: Mapping[str, Any]) -> tuple[str, Sequence[PersonAnswer]]:
    """The turn, whose id the agent's message has, and what its parts answer. Raises NotFound where it has no turn's id.

    A chat repeats what it knows: only what its last step asks for is answered, and some of that was taken before.
    """
    check(document, request_schemas.CHAT_ANSWERS)
    last = document["messages"][-1]
    check(last, request_schemas.AGENT_MESSAGE, "messages")
    if not is_uuid(last["id"]):
        raise NotFound()
    parts = [part for part in last["parts"] if isinstance(part, dict)]
    begins = [at for at, part in enumerate(parts) if part.get("type") == STEP]
    step = parts[begins[-1] :] if begins else parts
    return last["id"], [answer for part in step if (answer := _answer(part)) is not None]


def known_of(document: Mapping[str, Any]) -> Known:
    """What the agent's message holds of its turn: the first run begins no step, each later one does."""
    kinds = [part.get("type") for part in document["messages"][-1]["parts"] if isinstance(part, dict)]
    return Known(runs=1 + kinds.count(STEP), handoffs=kinds.count("data-handoff"))


def _answer(part: Mapping[str, Any]) -> PersonAnswer | None:
    kind, state, approval = part.get("type"), part.get("state"), part.get("approval")
    if not isinstance(kind, str) or not (kind == "dynamic-tool" or kind.startswith("tool-")):
        return None
    if state == "approval-responded" and isinstance(approval, dict):
        given = {"call_id": approval.get("id"), "approve": approval.get("approved")}
        return answer_fields.answer(given | ({"reason": approval["reason"]} if approval.get("reason") else {}))
    if part.get("providerExecuted") is True or state not in ("output-available", "output-error"):
        return None
    if state == "output-available":
        return answer_fields.answer({"call_id": part.get("toolCallId"), "output": part.get("output")})
    reason = str(part.get("errorText", ""))[: request_schemas.MAX_REASON]
    return answer_fields.answer({"call_id": part.get("toolCallId"), "approve": False, "reason": reason})
