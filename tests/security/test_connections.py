"""What one connection can cost, and for how long: each limit is shortened, so that its test is quick."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from functions.asgi import body, connection, transport
from functions.asgi.connection import StrictH11Protocol
from tests.http.fakes import FakeChat
from tests.http.serving import exchange, served
from tests.http.shapes import assert_error
from tests.http.test_sockets import parsed
from tests.http.tokens import ALICE
from tests.security.bad_requests import AUTH, CLOSE, HELLO, HOST, JSON

AGENTS = b"GET /agents HTTP/1.1\r\n" + HOST + AUTH


@pytest.fixture(autouse=True)
def _imstreamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(transport, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.3)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_a_head_that_does_not_end_is_given_up(port: int) -> None:
    for head in (b"GET /agents HTTP/1.1\r\n", b"G", AGENTS + b"x-many: " + b"a" * 30_000):
        response = parsed(await asyncio.wait_for(exchange(port, head), 5))
        response.request.headers.pop("origin")
        assert_error(response, 408, "request_timeout")


async def test_a_head_that_comes_byte_by_byte_is_given_up_at_the_same_time(port: int) -> None:
    async with connected(port) as (reader, writer):
        answer = asyncio.ensure_future(reader.read())
        for byte in AGENTS * 10:
            if answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait({answer}, timeout=0.02)
        assert b" 408 " in await asyncio.wait_for(answer, 2)


async def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    assert await asyncio.wait_for(exchange(port), 5) == b""


async def test_a_second_head_that_does_not_end_is_given_up_too(port: int) -> None:
    raw = await asyncio.wait_for(exchange(port, AGENTS + b"\r\n", b"GET /agents"), 5)
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in raw


async def test_a_request_that_is_being_answered_is_not_given_up(port: int, chat: FakeChat) -> None:
    chat.hold = lambda: asyncio.sleep(0.8)
    assert (await exchange(port, AGENTS + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", [b"Content-Length: 10000000000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_is_not_wanted_is_not_read_for_ever(port: int, length: bytes) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + JSON + length + b"\r\n")
        answer = asyncio.ensure_future(reader.read())
        piece = b" " * 1000 if b"chunked" not in length else b"1\r\nx\r\n" * 100
        until = time.monotonic() + 5
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < until:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
        assert time.monotonic() < until
        assert b" 401 " in await answer


async def test_its_sender_gets_to_read_why_all_the_same(port: int) -> None:
    """A megabyte more than is taken is on its way when the refusal is written."""
    head = b"POST / HTTP/1.1\r\n" + HOST + AUTH + JSON + CLOSE + b"Content-Length: 3000000\r\n\r\n"
    async with connected(port) as (reader, writer):
        writer.write(head + b" " * 2_500_000)
        assert b" 413 " in await asyncio.wait_for(reader.read(), 5)


async def test_connections_are_bounded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StrictH11Protocol, "max_connections", 3)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 30.0)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connected(port))
        await asyncio.sleep(0.05)
        response = parsed(await asyncio.wait_for(exchange(port), 5))
        response.request.headers.pop("origin")
        assert_error(response, 503, "overloaded")
    await asyncio.sleep(0.05)
    assert (await exchange(port, AGENTS + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_of_which_nothing_is_read_is_dropped(
    port: int, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 30.0)  # making the answer holds the loop for a moment
    turn = chat.add(ALICE)
    chat.turns[ALICE, turn.turn_id] = replace(turn, reply="x" * 20_000_000)
    path = f"GET /turns/{turn.turn_id} HTTP/1.1\r\n".encode()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, path + HOST + AUTH + b"\r\n")
        async with connected(port) as (reader, writer):  # the server is not held up meanwhile
            writer.write(AGENTS + CLOSE + b"\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(1.0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        read = 0
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(loop.sock_recv(client, 1_000_000), 2):
                read += len(piece)
    assert read < 15_000_000, "all of the answer was kept for a reader that read nothing"


async def test_a_slow_reader_gets_all_of_it(port: int, chat: FakeChat) -> None:
    turn = chat.add(ALICE)
    chat.turns[ALICE, turn.turn_id] = replace(turn, reply="x" * 8_000_000)
    async with connected(port) as (reader, writer):
        writer.write(f"GET /turns/{turn.turn_id} HTTP/1.1\r\n".encode() + HOST + AUTH + CLOSE + b"\r\n")
        read = 0
        while piece := await reader.read(500_000):
            read += len(piece)
            await asyncio.sleep(0.05)
    assert read > 8_000_000


@pytest.mark.parametrize("path", [b"GET /agents", b"GET /turns/%s?wait_seconds=60", b"POST /"])
async def test_a_half_closed_connection_gets_its_answer(port: int, chat: FakeChat, path: bytes) -> None:
    turn = chat.add(ALICE)
    chat.hold = lambda: asyncio.sleep(0.2)
    body = HELLO if path == b"POST /" else b""
    if b"%s" in path:
        path %= turn.turn_id.encode()
    length = b"Content-Length: %d\r\n" % len(body)
    raw = await exchange(port, path + b" HTTP/1.1\r\n" + HOST + AUTH + JSON + length + b"\r\n" + body, end=True)
    assert raw.startswith(b"HTTP/1.1 200 ")


async def test_many_small_requests_cost_what_they_cost_together(port: int) -> None:
    """Each is looked at once, however many came before it on its connection."""
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    raw = await exchange(port, *[AGENTS + b"\r\n" for _ in range(100)], AGENTS + CLOSE + b"\r\n")
    assert raw.count(b"HTTP/1.1 200 ") == 101
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - began < 3


async def test_a_streamed_answer_of_which_nothing_is_read_ends() -> None:
    """One that the app still writes: it holds a place until its connection is given up."""
    ended = asyncio.Event()

    async def streamed(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(300):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        ended.set()

    async with served(streamed) as streaming, connected(streaming) as (_, writer):
        writer.write(AGENTS + b"\r\n")
        await asyncio.wait_for(ended.wait(), 10)


async def test_bodies_that_come_slowly_are_bounded_together(
    port: int, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_UNREAD_BYTES", 250_000)
    head = b"POST / HTTP/1.1\r\n" + HOST + AUTH + JSON + CLOSE + b"Content-Length: 200000\r\n\r\n"
    async with connected(port) as (first, held), connected(port) as (second, writer):
        held.write(head + b" " * 150_000)
        await held.drain()
        await asyncio.sleep(0.2)
        writer.write(head + b" " * 150_000)
        assert b" 503 " in await asyncio.wait_for(second.read(), 5)
        held.write((b" " * 50_000)[: -len(HELLO)] + HELLO)
        assert (await asyncio.wait_for(first.read(), 5)).startswith(b"HTTP/1.1 200 ")
    whole = b"POST / HTTP/1.1\r\n" + HOST + AUTH + JSON + CLOSE + b"Content-Length: 200000\r\n\r\n"
    for _ in range(3):  # all of it is given back, by refused ones as well
        answer = await exchange(port, whole + b" " * (200_000 - len(HELLO)) + HELLO)
        assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(chat.asks) == 4
