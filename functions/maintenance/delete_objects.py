"""Deletes what providers keep for us beside threads: responses of conversations that are gone, assistants in no use."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.ports import RemoteObject

LISTED = 200  # in one call; more of them are the next one's
SIDE_BY_SIDE = 10


class EndedObjects(Protocol):
    """What it needs of the Store."""

    async def list_ended_objects(self, limit: int) -> Sequence[RemoteObject]: ...
    async def drop_object(self, remote: RemoteObject) -> None: ...
    async def defer_object(self, remote: RemoteObject) -> None: ...


class DeletingObjects(Protocol):
    """What it needs of shared.chat.ChatService."""

    async def delete_object(self, remote: RemoteObject) -> bool: ...


class ObjectDeletion:
    """What was not deleted stays on record, put off for longer each time. Two at once do no harm."""

    def __init__(self, store: EndedObjects, service: DeletingObjects) -> None:
        self._store, self._service = store, service

    async def run(self, deadline: float) -> int:
        """How many are gone by `deadline`, which is on the event loop's clock. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout_at(deadline):
                queue = deque(await self._store.list_ended_objects(LISTED))
                return sum(await asyncio.gather(*(self._work(queue) for _ in range(min(len(queue), SIDE_BY_SIDE)))))
        except TimeoutError:
            return 0

    async def _work(self, queue: deque[RemoteObject]) -> int:
        deleted = 0
        while queue:
            remote = queue.popleft()
            try:
                if await self._service.delete_object(remote):
                    await self._store.drop_object(remote)
                    deleted += 1
                else:
                    await self._store.defer_object(remote)
            except ChatError as error:
                logs.event(EventName.DELETION_STUMBLED, level=logging.WARNING, exception=error)
        return deleted
