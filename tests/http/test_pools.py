"""Creates that hang take no connection from the database."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from functions import composition

PLENTY = 5.0


async def test_hanging_creates_do_not_keep_the_database_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "MAX_CONNECTIONS", 2)
    hanging = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            hanging.release()
            await reader.read()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    database, provider = composition.http_clients()
    async with server, database, provider:
        creates = [asyncio.ensure_future(provider.post(url)) for _ in range(3)]
        for _ in range(2):
            await hanging.acquire()
        async with asyncio.timeout(PLENTY):
            assert (await database.get(url)).status_code == 200
        for create in creates:
            create.cancel()
        assert all(isinstance(one, BaseException) for one in await asyncio.gather(*creates, return_exceptions=True))


def test_the_two_pools_share_what_is_slow_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    create = httpx.create_ssl_context

    def counted() -> object:
        made.append(None)
        return create()

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    composition.http_clients()
    assert len(made) == 1
