"""The way to the providers of this process: a lane for each provider and model, and the pause behind a refusal.

The lane is as wide as refusals and acceptances make it. Where the provider names a time after which it takes creates
again, none is sent before it. Where it names none, the pause doubles with every burst of refusals, with full jitter: it
is drawn between nothing and the longest. A limiter may count the creates that it refuses, so all turns of the process
share one pause, and behind one without a time one create at a time tries whether it is over.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.core.lane_width import LaneWidth
from shared.ports import Clock

FIRST_SECONDS = 1.0  # half of what the first pause may last
LONGEST_SECONDS = 60.0
LEAST_SECONDS = 0.1
LINE_SECONDS = 1.0  # in line for the lane, at most: behind that the turn pauses, which costs a write
# A create under way for longer was not refused for its haste: some servers answer when their run is over.
TOLD_SECONDS = 2.0

LimitKey = tuple[str, str]
"""Provider and model: limits are counted for each of them."""


@dataclass(eq=False, slots=True)
class _Limit:
    width: LaneWidth = field(default_factory=LaneWidth)
    under_way: int = 0
    line: deque[asyncio.Event] = field(default_factory=deque)
    opens_at: float = 0.0
    bursts: int = 0  # of refusals without a time, less what was accepted since
    refused_at: float = float("-inf")

    def wake_next(self) -> None:
        if self.line and self.under_way < self.width.whole:
            self.line.popleft().set()

    def wake_all(self) -> None:
        while self.line:
            self.line.popleft().set()


class RateLimits:
    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` draws a number from 0 to 1."""
        self._clock, self._jitter = clock, jitter
        self._limits: dict[LimitKey, _Limit] = {}

    @asynccontextmanager
    async def place(self, key: LimitKey) -> AsyncIterator[float]:
        """Yields 0 where a create may be sent inside, else the seconds until the next try. It waits in line for that
        for LINE_SECONDS at most.
        """
        limit = self._limits.setdefault(key, _Limit())
        seconds = await self._enter(limit)
        if seconds > 0:
            yield seconds
            return
        limit.under_way += 1
        held = [limit]

        def leave() -> None:
            if held:
                held.clear()
                limit.under_way -= 1
                limit.wake_next()

        told = asyncio.get_running_loop().call_later(TOLD_SECONDS, leave)
        try:
            yield 0.0
        finally:
            told.cancel()
            leave()

    def refused(self, key: LimitKey, sent_at: float, told_seconds: float | None) -> float:
        """A create sent at `sent_at` came too soon. Returns the seconds until the next try of its turn."""
        limit = self._limits.setdefault(key, _Limit())
        now = self._clock.now()
        first = sent_at > limit.refused_at  # of a burst: the others were sent before the pause began
        if first:
            limit.refused_at, limit.width = now, limit.width.refused(limit.under_way)
        if told_seconds is not None:
            seconds = max(told_seconds, LEAST_SECONDS)
        else:
            limit.bursts += first
            seconds = self._pause(limit)
        limit.opens_at = max(limit.opens_at, now + seconds)
        limit.wake_all()
        return seconds

    def accepted(self, key: LimitKey) -> None:
        """A create was taken: the lane is wider, and the next pause half as long."""
        limit = self._limits.setdefault(key, _Limit())
        limit.bursts, limit.width = max(limit.bursts - 1, 0), limit.width.accepted()

    async def _enter(self, limit: _Limit) -> float:
        """0: one create may be sent now."""
        latest = self._clock.now() + LINE_SECONDS
        while (now := self._clock.now()) >= limit.opens_at:
            if limit.under_way < limit.width.whole:
                if limit.bursts:
                    limit.opens_at = now + self._pause(limit)  # the others wait for what comes of this one
                return 0.0
            if now >= latest:
                return LINE_SECONDS * (1 + self._jitter() * len(limit.line) / limit.width.whole)
            await self._wait(limit, latest - now)
        return limit.opens_at - now + self._pause(limit) * (limit.bursts > 0)

    async def _wait(self, limit: _Limit, seconds: float) -> None:
        woken = asyncio.Event()
        limit.line.append(woken)
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if woken.is_set():
                limit.wake_next()  # the place came as its caller left
            raise
        finally:
            if not woken.is_set():
                limit.line.remove(woken)

    def _pause(self, limit: _Limit) -> float:
        longest = min(FIRST_SECONDS * 2.0**limit.bursts, LONGEST_SECONDS)
        return max(longest * self._jitter(), LEAST_SECONDS)
