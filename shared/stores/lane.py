"""The way to the database: so many calls at once and no more, the others in line by what they are for.

A burst that went straight through would time out as a whole: behind the Data API a call waits for a connection with its
deadline running. Here it waits before it is sent, and its deadline begins when it is.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError

SMOOTHING = 0.1  # of each new duration in the average
CROWD = 2  # times the width: so many messages that wait are more than a busy hour brings


class Rank(IntEnum):
    """Lower goes first."""

    HOLD = 0  # heartbeats and writes of who holds a lease: what waits too long here loses the lease
    ACCEPT = 1  # messages and what else users change
    CLAIM = 2  # a message is accepted before another one is served
    LOOK = 3


class Lane:
    """At most `width` calls at once; by rank, and in the order in which they came within one."""

    def __init__(self, width: int, patience_seconds: float) -> None:
        """`patience_seconds`: a message that would have to wait longer than that for its turn is refused at once."""
        self._width, self._patience_seconds = width, patience_seconds
        self._inside = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._counts: Counter[int] = Counter()  # of those that wait, by rank
        self._numbers = itertools.count()
        self._seconds = 0.0  # that a call takes, on average

    @asynccontextmanager
    async def place(self, rank: Rank, *, refusable: bool = False) -> AsyncIterator[None]:
        """Inside, the call may be sent. Raises ChatError (`overloaded`) where `refusable` and the line is too long."""
        if refusable and (wait := self._expected_wait(rank)) > self._patience_seconds:
            raise ChatError(code=ErrorCode.OVERLOADED, retryable=True, retry_after=wait)
        if self._inside >= self._width or self._waiting:
            await self._wait(rank)
        else:
            self._inside += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            self._seconds += SMOOTHING * (loop.time() - began - self._seconds)
            self._leave()

    @property
    def crowded(self) -> bool:
        """Whether so many messages wait to be accepted that all else has to wait for it."""
        return self._ahead(Rank.ACCEPT) > CROWD * self._width

    def _expected_wait(self, rank: Rank) -> float:
        return self._seconds * self._ahead(rank) / self._width

    def _ahead(self, rank: Rank) -> int:
        return sum(waiting for other, waiting in self._counts.items() if other <= rank)

    async def _wait(self, rank: Rank) -> None:
        """Returns with a place taken."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), future))
        self._counts[rank] += 1
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._leave()  # the place came as its caller left
            raise
        finally:
            self._counts[rank] -= 1

    def _leave(self) -> None:
        """Give the place to the next in line, or back."""
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
                return
        self._inside -= 1
