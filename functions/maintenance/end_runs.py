"""Ends runs at their provider whose conversation was deleted while they were under way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.ports import Clock, LeftRun

LISTED = 200  # runs in one call; more of them are the next one's
SIDE_BY_SIDE = 10
RUN_SECONDS = 5.0  # for the end of one of them


class LeftRuns(Protocol):
    """What the end of left runs needs of the Store."""

    async def list_left_runs(self, limit: int) -> Sequence[LeftRun]: ...
    async def drop_left_run(self, run: LeftRun) -> None: ...
    async def defer_left_run(self, run: LeftRun) -> None: ...


class Ending(Protocol):
    """What it needs of shared.chat.ChatService."""

    async def end_left_run(self, run: LeftRun, deadline: float) -> bool: ...


class LeftRunEnds:
    """A run that does not end stays on record, put off for longer each time. Two at once do no harm."""

    def __init__(self, store: LeftRuns, service: Ending, clock: Clock) -> None:
        self._store, self._service, self._clock = store, service, clock

    async def run(self, deadline: float) -> int:
        """How many have ended by `deadline`, which is on the clock of the service. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout_at(deadline):
                queue = deque(await self._store.list_left_runs(LISTED))
                return sum(await asyncio.gather(*(self._work(queue) for _ in range(min(len(queue), SIDE_BY_SIDE)))))
        except TimeoutError:
            return 0

    async def _work(self, queue: deque[LeftRun]) -> int:
        ended = 0
        while queue:
            run = queue.popleft()
            try:
                if await self._service.end_left_run(run, self._clock.now() + RUN_SECONDS):
                    await self._store.drop_left_run(run)
                    ended += 1
                else:
                    await self._store.defer_left_run(run)
            except ChatError as error:
                logs.event(EventName.DELETION_STUMBLED, level=logging.WARNING, exception=error)
        return ended
