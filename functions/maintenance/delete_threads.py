"""Deletes threads at their provider: those of asked agents whose turn is over, and those that conversations gave up."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.core.runs import Thread
from shared.ports import Clock

LISTED = 200  # threads in one call; more of them are the next one's
SIDE_BY_SIDE = 10


class EndedThreads(Protocol):
    """What the deletion of threads needs of the Store."""

    async def list_ended_threads(self, limit: int) -> Sequence[Thread]: ...
    async def drop_thread(self, thread: Thread) -> None: ...
    async def defer_thread(self, thread: Thread) -> None: ...


class Deleting(Protocol):
    """What tidying needs of shared.chat.ChatService."""

    async def delete_thread(self, thread: Thread) -> bool: ...


class ThreadDeletion:
    """A thread whose deletion fails stays on record, put off for longer each time.

    Two at once delete some of them twice, which does no harm.
    """

    def __init__(self, store: EndedThreads, service: Deleting, clock: Clock) -> None:
        self._store, self._service, self._clock = store, service, clock

    async def run(self, deadline: float) -> int:
        """How many are gone by `deadline`, which is on the clock of the service. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout_at(deadline):
                queue = deque(await self._store.list_ended_threads(LISTED))
                return sum(await asyncio.gather(*(self._work(queue) for _ in range(min(len(queue), SIDE_BY_SIDE)))))
        except TimeoutError:
            return 0

    async def _work(self, queue: deque[Thread]) -> int:
        deleted = 0
        while queue:
            thread = queue.popleft()
            try:
                if await self._service.delete_thread(thread):
                    await self._store.drop_thread(thread)
                    deleted += 1
                else:
                    await self._store.defer_thread(thread)
            except ChatError as error:
                logs.event(EventName.DELETION_STUMBLED, level=logging.WARNING, exception=error)
        return deleted
