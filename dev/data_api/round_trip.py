"""Several prepared statements in one round trip, over libpq itself.

psycopg's own pipeline makes a cursor for each statement and sends each by itself, which costs twice the time of a small
call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any, TypeAlias

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Statement: TypeAlias = tuple[bytes, Sequence[bytes]]

_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Session:
    """One connection and the statements that are prepared on it. For one transaction at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._pgconn.enter_pipeline_mode()
        self._names: dict[bytes, bytes] = {}
        self._numbers = count()

    @property
    def is_idle(self) -> bool:
        """Whether it is connected, and within no transaction."""
        return self._pgconn.transaction_status == TransactionStatus.IDLE

    async def close(self) -> None:
        await self._connection.close()

    async def run(self, *statements: Statement) -> list[PGresult]:
        """The result of each, in order. Raises psycopg.Error, of the first that fails: those behind it are not run."""
        made = [self._send(text, values) for text, values in statements]
        self._pgconn.pipeline_sync()
        results = iter(await self._results())
        found = []
        for name, (text, _) in zip(made, statements, strict=True):
            if name is not None:
                _checked(next(results))
                self._names[text] = name
            found.append(_checked(next(results)))
        return found

    def _send(self, text: bytes, values: Sequence[bytes]) -> bytes | None:
        """Returns the name under which it is prepared in the same round trip; None where it is prepared already."""
        name, made = self._names.get(text), None
        if name is None:
            name = made = b"statement_%d" % next(self._numbers)
            self._pgconn.send_prepare(name, text)
        self._pgconn.send_query_prepared(name, values)
        return made

    async def _results(self) -> list[PGresult]:
        while self._pgconn.flush():
            await self._ready(sending=True)
            self._pgconn.consume_input()
        found: list[PGresult] = []
        while True:
            while self._pgconn.is_busy():
                await self._ready(sending=False)
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:  # between the results of two statements
                if self._pgconn.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection was lost")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return found
            else:
                found.append(result)

    async def _ready(self, *, sending: bool) -> None:
        loop, socket = asyncio.get_running_loop(), self._pgconn.socket
        ready = loop.create_future()
        loop.add_reader(socket, _resolve, ready)
        if sending:
            loop.add_writer(socket, _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_reader(socket)
            loop.remove_writer(socket)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _checked(result: PGresult) -> PGresult:
    if result.status in _DONE:
        return result
    raise error_from_result(result)
