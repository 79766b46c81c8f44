"""How the connections below the clients fail: what cannot have left says so, and nothing else does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.core.errors import NotSent, OutcomeUnknown
from shared.http_transport import HttpTransport
from shared.providers.refusals.classify import from_transport

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok"
LIMITS = httpx.Limits(max_connections=1, keepalive_expiry=20.0)


def client(seconds: float = 5.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=HttpTransport(ssl.create_default_context(), LIMITS), timeout=seconds)


@asynccontextmanager
async def server(act: Act) -> AsyncIterator[str]:
    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await act(reader, writer)
        writer.close()
        await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})

    listening = await asyncio.start_server(
        lambda reader, writer: served.append(asyncio.ensure_future(serve(reader, writer))), "127.0.0.1", 0
    )
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await asyncio.gather(*served, return_exceptions=True)


async def _closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def _resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def _breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")


async def _babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example ESMTP\r\n\r\n")


async def _is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("act", [_closes, _resets, _breaks_off, _babbles])
async def test_a_request_that_left_is_never_told_as_one_that_did_not(act: Act) -> None:
    async with server(act) as url, client() as http:
        with pytest.raises(httpx.TransportError) as caught:
            await http.post(url, json={})
    assert isinstance(from_transport(caught.value), OutcomeUnknown)


async def test_an_answer_that_does_not_come_is_one_that_may_have_been_heard() -> None:
    async with server(_is_silent) as url, client(0.05) as http:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await http.post(url, json={})
    assert isinstance(from_transport(caught.value), OutcomeUnknown)


async def test_a_server_that_takes_no_connection_was_sent_nothing() -> None:
    async with server(_closes) as url:
        pass
    async with client() as http:
        with pytest.raises(httpx.ConnectError) as caught:
            await http.post(url, json={})
    assert isinstance(from_transport(caught.value), NotSent)


async def test_a_request_that_found_no_free_connection_was_not_sent() -> None:
    async with server(_is_silent) as url, client() as http:
        first = asyncio.ensure_future(http.post(url, json={}))
        await asyncio.sleep(0)
        with pytest.raises(httpx.ConnectTimeout) as caught:
            await http.post(url, json={}, timeout=httpx.Timeout(5.0, connect=0.02, pool=0.02))
        first.cancel()
        await asyncio.wait({first})
    assert isinstance(from_transport(caught.value), NotSent)


async def test_a_name_that_no_server_has_was_sent_nothing() -> None:
    async with client() as http:
        with pytest.raises(httpx.TransportError) as caught:
            await http.post("http://nowhere.invalid/", json={})
    assert isinstance(from_transport(caught.value), NotSent)


async def test_requests_leave_as_they_are_written_and_leave_nothing_behind() -> None:
    heads: list[bytes] = []
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                return
            writer.write(OK)

    async with server(answer) as url, client() as http:
        for _ in range(2):
            response = await http.get(f"{url}/a%2Fb%3A?x=%20y", headers={"authorization": "Bearer k"})
            http.cookies.clear()
            assert response.text == "ok"
    assert connections == 1
    for head in heads:
        lines = head.decode().lower().split("\r\n")
        assert lines[0] == "get /a%2fb%3a?x=%20y http/1.1"
        assert "authorization: bearer k" in lines
        assert not [line for line in lines if line.startswith("cookie")]


async def test_what_is_not_read_is_not_waited_for() -> None:
    closed = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await reader.read()
        closed.set()

    async with server(endless) as url, client() as http:
        async with http.stream("GET", url) as response:
            assert await anext(response.aiter_bytes()) == b"abc"
        async with asyncio.timeout(5):
            await closed.wait()
