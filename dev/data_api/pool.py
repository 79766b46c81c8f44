"""The connections to Postgres: a bounded number, each for one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg

from dev.data_api.errors import no_connection, pool_exhausted
from dev.data_api.round_trip import Session

Connection: TypeAlias = psycopg.AsyncConnection[Any]


async def connect(dsn: str) -> Connection:
    """Raises psycopg.OperationalError."""
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name="data_api")


class Pool:
    """At most `size` connections. A request that gets none within `acquire_seconds` is answered PGRST003."""

    def __init__(self, dsn: str, size: int, acquire_seconds: float) -> None:
        self._dsn, self._acquire_seconds = dsn, acquire_seconds
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Session] = []
        self.longest_wait_seconds = 0.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Raises ApiError (PGRST000, PGRST003). A session left within a transaction is closed."""
        await self._acquire()
        try:
            session = await self._open()
            try:
                yield session
            finally:
                if session.is_idle:
                    self._idle.append(session)
                else:
                    await session.close()
        finally:
            self._slots.release()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _acquire(self) -> None:
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        try:
            async with asyncio.timeout(self._acquire_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise pool_exhausted() from None
        finally:
            self.longest_wait_seconds = max(self.longest_wait_seconds, clock() - asked_at)

    async def _open(self) -> Session:
        if self._idle:
            return self._idle.pop()
        try:
            return Session(await connect(self._dsn))
        except psycopg.OperationalError as error:
            raise no_connection(str(error).strip()) from None
