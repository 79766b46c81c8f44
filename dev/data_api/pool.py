"""The connections to Postgres: a bounded number, each for one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from dev.data_api.errors import no_connection, pool_exhausted

Connection: TypeAlias = psycopg.AsyncConnection[Any]


async def connect(dsn: str) -> Connection:
    """Raises psycopg.OperationalError."""
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name="data_api")
    connection.prepared_max = None
    return connection


class Pool:
    """At most `size` connections. A request that gets none within `acquire_seconds` is answered PGRST003."""

    def __init__(self, dsn: str, size: int, acquire_seconds: float) -> None:
        self._dsn, self._acquire_seconds = dsn, acquire_seconds
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self.longest_wait_seconds = 0.0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Raises ApiError (PGRST000, PGRST003). A connection left within a transaction is closed."""
        await self._acquire()
        try:
            connection = await self._open()
            try:
                yield connection
            finally:
                if connection.info.transaction_status is TransactionStatus.IDLE:
                    self._idle.append(connection)
                else:
                    await connection.close()
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

    async def _open(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        try:
            return await connect(self._dsn)
        except psycopg.OperationalError as error:
            raise no_connection(str(error).strip()) from None
