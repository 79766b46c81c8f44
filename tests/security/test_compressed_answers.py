"""What another server can make this process inflate: a piece at a time, and no more than is read."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from functions import composition
from shared.content_encoding import PIECE_BYTES

BIG = 64 * 1024 * 1024
BOMB = gzip.compress(bytes(BIG), 9)


@asynccontextmanager
async def answering(body: bytes, encoding: str) -> AsyncIterator[str]:
    """A server that answers every request so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        fields = {"content-encoding": encoding, "content-length": len(body), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def read(url: str, at_most: int) -> int:
    """Bytes read until `at_most` is exceeded, through the clients that the function is composed with."""
    got = 0
    database, provider = composition.http_clients()
    async with database, provider, provider.stream("GET", url) as response:
        async for piece in response.aiter_bytes():
            assert len(piece) <= PIECE_BYTES
            got += len(piece)
            if got > at_most:
                break
    return got


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_answer_is_read_as_what_it_holds(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    text = b'{"id": "resp_1"}' * 10_000
    async with answering(pack(text), encoding) as url:
        database, provider = composition.http_clients()
        async with database, provider:
            for client in (database, provider):
                response = await client.get(url)
                assert response.content == text
                assert response.request.headers["accept-encoding"] == "identity"


async def test_a_bomb_costs_no_more_than_its_reader_reads() -> None:
    async with answering(BOMB, "gzip") as url:
        tracemalloc.start()
        try:
            got = await read(url, 1024 * 1024)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert got <= 1024 * 1024 + PIECE_BYTES
    assert peak < BIG / 8, "only what was read was ever inflated"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "made-up"])
async def test_an_encoding_inside_another_or_an_unknown_one_is_refused(encoding: str) -> None:
    async with answering(gzip.compress(BOMB), encoding) as url:
        with pytest.raises(httpx.DecodingError):
            await read(url, BIG)


async def test_what_is_not_what_it_says_is_refused() -> None:
    async with answering(b"plain", "gzip") as url:
        with pytest.raises(httpx.DecodingError):
            await read(url, BIG)
