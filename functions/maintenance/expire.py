"""Closes and deletes conversations that are old by the settings."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.ports import Expiry

AT_ONCE = 100  # conversations of each kind in one transaction


class Expiring(Protocol):
    """What it needs of shared.chat.ChatService."""

    async def expire_conversations(self, limit: int) -> Expiry: ...


class OldConversations:
    """Two at once do no harm: each leaves alone what the other one has in its hands."""

    def __init__(self, service: Expiring) -> None:
        self._service = service

    async def run(self, deadline: float) -> Expiry:
        """How many were closed and deleted by `deadline`. Raises nothing: the next call goes on."""
        archived = deleted = 0
        try:
            async with asyncio.timeout_at(deadline):
                found = Expiry(AT_ONCE, AT_ONCE)
                while AT_ONCE in (found.archived, found.deleted):
                    found = await self._service.expire_conversations(AT_ONCE)
                    archived, deleted = archived + found.archived, deleted + found.deleted
        except TimeoutError:
            pass
        except ChatError as error:
            logs.event(EventName.DELETION_STUMBLED, level=logging.WARNING, exception=error)
        return Expiry(archived, deleted)
