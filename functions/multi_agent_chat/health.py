"""Whether this instance can work: its version, and whether database and provider answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from shared.ports import Clock

CACHED_SECONDS = 2.0
PING_SECONDS = 3.0
Ping = Callable[[], Awaitable[bool]]


class Health:
    """Asks at most once in CACHED_SECONDS, however many want to know: no token is needed to ask."""

    def __init__(self, clock: Clock, *, store: Ping, provider: Ping) -> None:
        self._clock, self._store, self._provider = clock, store, provider
        self._lock = asyncio.Lock()
        self._report: dict[str, Any] = {}
        self._until = float("-inf")

    async def report(self) -> dict[str, Any]:
        async with self._lock:
            if self._clock.now() >= self._until:
                store, provider = await asyncio.gather(_answers(self._store), _answers(self._provider))
                self._report = {
                    "status": "ok" if store and provider else "unavailable",
                    "version": _version(),
                    "store": "ok" if store else "unavailable",
                    "provider": "ok" if provider else "unavailable",
                }
                self._until = self._clock.now() + CACHED_SECONDS
        return self._report


async def _answers(ping: Ping) -> bool:
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await ping()
    except Exception:  # whatever keeps it from answering: it does not
        return False


def _version() -> str:
    try:
        return version("multi-agent-chat")
    except PackageNotFoundError:  # the source was uploaded, not installed
        return "unknown"
