"""A message as its sender means it, before it is a turn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any

from shared.core.model import Scope
from shared.core.turns import MultitaskStrategy


class Trigger(StrEnum):
    """Why a chat of the AI SDK sends, in its own words."""

    SUBMIT = "submit-message"
    REGENERATE = "regenerate-message"


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a chat of the AI SDK says beside its message. Its ids are its own; which turns they mean the store knows."""

    trigger: Trigger
    names: str | None  # the message that is edited, or whose answer is asked for once more
    message_id: str | None  # of the message itself

    def as_first_sent(self) -> ChatRequest:
        """What sends a message once more that may never have arrived means what its first attempt meant."""
        once_more = self.trigger is Trigger.REGENERATE and self.names in (None, self.message_id)
        return ChatRequest(Trigger.SUBMIT, None, self.message_id) if once_more else self


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message as its sender means it. How long the sender wants to wait is not part of it."""

    text: str | None  # None: what was asked in the turn that this one replaces
    conversation_id: str | None = None
    scope: Scope | None = None
    agent: str | None = None
    strategy: MultitaskStrategy = MultitaskStrategy.ENQUEUE
    metadata: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    replaces: str | None = None  # the turn in whose place it is sent
    chat: ChatRequest | None = None  # how a chat of the AI SDK says the same

    def digest(self) -> str:
        """64 hex digits that are equal exactly where two messages mean the same turn."""
        meaning: dict[str, Any] = {
            "text": self.text,
            "conversation_id": self.conversation_id,
            "scope": None if self.scope is None else [one for one in astuple(self.scope) if one is not None],
            "agent": self.agent,
            "strategy": self.strategy,
            "metadata": dict(self.metadata or {}),
        }
        if self.replaces is not None:
            meaning["replaces"] = self.replaces
        if self.chat is not None:
            meaning["chat"] = astuple(self.chat.as_first_sent())
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
