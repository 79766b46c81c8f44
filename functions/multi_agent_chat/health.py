"""Whether this instance can work: its version, and what it sees of database, schema, agents and provider."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import functions
from shared.core.errors import StoreFault, StoreUnavailable
from shared.core.model import Agent
from shared.ports import SCHEMA_VERSION, Clock

CACHED_SECONDS = 5.0
LOOK_SECONDS = 3.0  # for each part
_NO_USER = "00000000-0000-0000-0000-000000000000"  # who has no agents of its own: those of everyone are left
Ping = Callable[[], Awaitable[bool]]
T = TypeVar("T")


class Records(Protocol):
    """What health needs of the Store."""

    async def ping(self) -> bool: ...
    async def schema_version(self) -> str: ...
    async def list_agents(self, user_id: str) -> Sequence[Agent]: ...


class Health:
    """Looks at most once in CACHED_SECONDS, however many want to know: no token is needed to ask."""

    def __init__(self, clock: Clock, *, store: Records, ping_provider: Ping) -> None:
        self._clock, self._store, self._ping_provider = clock, store, ping_provider
        self._lock = asyncio.Lock()
        self._report: dict[str, Any] = {}
        self._until = float("-inf")

    async def report(self) -> dict[str, Any]:
        """`status` is ok where every part is: a schema that is younger than this version needs is."""
        async with self._lock:
            if self._clock.now() >= self._until:
                self._report = await self._look()
                self._until = self._clock.now() + CACHED_SECONDS
        return self._report

    async def _look(self) -> dict[str, Any]:
        (pong, fault), (schema, schema_fault), (agents, _), (provider, _) = await asyncio.gather(
            _seen(self._store.ping()),
            _seen(self._store.schema_version()),
            _seen(self._store.list_agents(_NO_USER)),
            _seen(self._ping_provider()),
        )
        there = bool(pong) or fault is StoreFault.FUNCTION_MISSING
        too_old = schema is not None and schema < SCHEMA_VERSION
        parts: dict[str, Any] = {
            "store": "ok" if there else "unavailable" if fault is None else fault.value,
            "schema": schema or ("missing" if schema_fault is StoreFault.FUNCTION_MISSING else "unknown"),
            "agents": "unknown" if agents is None else "ok" if agents else "none",
            "provider": "ok" if provider else "unavailable",
        }
        well = there and schema is not None and not too_old and bool(agents) and bool(provider)
        needed = {"schema_needed": SCHEMA_VERSION} if too_old or schema is None else {}
        return {"status": "ok" if well else "unavailable", "version": functions.__version__} | parts | needed


async def _seen(look: Awaitable[T]) -> tuple[T | None, StoreFault | None]:
    """What the look shows, or what keeps the database from showing it; neither where it is something else."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await look, None
    except StoreUnavailable as error:
        return None, error.fault
    except Exception:  # a part that fails in any way is not there
        return None, None
