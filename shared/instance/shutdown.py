"""The end of this process, as its requests see it: a moment by which they let go of their work.

Nothing is stopped before that moment, because most turns end until then. What has not ended is given up as by its
request's own deadline: the lease goes back, and any other instance goes on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Shutdown:
    """Times are on the clock of the running event loop."""

    def __init__(self) -> None:
        self._at = float("inf")
        self._limits: dict[asyncio.Timeout, None] = {}  # in the order in which they began
        self._told: list[Callable[[], None]] = []

    @property
    def begun(self) -> bool:
        return self._at < float("inf")

    def begin(self, seconds: float) -> None:
        """Every request's work ends `seconds` from now, if its own deadline does not come first."""
        self._at = min(self._at, asyncio.get_running_loop().time() + seconds)
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self.bound(limit.when()))
        for callback in self._told:
            callback()

    def tell(self, callback: Callable[[], None]) -> None:
        """Have this called when it begins."""
        self._told.append(callback)

    def bound(self, deadline: float | None) -> float:
        """The deadline, or the shutdown where that comes first."""
        return self._at if deadline is None else min(deadline, self._at)

    @asynccontextmanager
    async def limit(self, deadline: float) -> AsyncIterator[None]:
        """Raises TimeoutError at the deadline, or at the shutdown where that comes first."""
        async with asyncio.timeout_at(self.bound(deadline)) as limit:
            self._limits[limit] = None
            try:
                yield
            finally:
                del self._limits[limit]
