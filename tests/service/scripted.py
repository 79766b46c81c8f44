"""Stands in front of the emulator and answers chosen requests with chosen bytes, before or after they took effect."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx

from dev.emulator.testing import local_client

_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive"}
_RESET = struct.pack("ii", 1, 0)  # closing without lingering makes the kernel send RST


@dataclass(frozen=True)
class Answer:
    """Bytes in pieces with pauses between them, and what then happens to the connection.

    `accepted`: the request reaches the emulator first and takes effect; what it said is thrown away.
    """

    pieces: tuple[bytes, ...] = ()
    then: str = "close"  # or "reset", "hang"
    pause: float = 0.0
    accepted: bool = False
    rewrite: Callable[[dict[str, Any]], Any] | None = None  # of the emulator's own answer


def http(
    status: int, body: bytes | str | dict[str, Any] | list[Any] = b"", *, length: int | None = None, **headers: str
) -> Answer:
    """An HTTP answer. `length` lies about the body's; the content type is JSON unless said otherwise."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if status not in (204, 304):
        lines["content-length"] = str(len(raw) if length is None else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Answer((f"HTTP/1.1 {status} Said\r\n{head}connection: close\r\n\r\n".encode() + raw,))


def error(status: int, code: str | None = None, message: str = "No.", **headers: str) -> Answer:
    """An error as the vendor words it."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return http(status, body, length=None, **headers)


def http_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds_from_now), usegmt=True)


@dataclass
class Scripted:
    """`script` answers the requests that match `method` and `path`, one after the other; all others pass."""

    upstream: httpx.AsyncClient
    method: str = ""
    path: str = "^$"
    script: list[Answer] = field(default_factory=list)
    for_ever: Answer | None = None
    struck: int = 0
    base_url: str = ""
    _talks: set[asyncio.Task[Any]] = field(default_factory=set)

    def answer(self, method: str, path: str, *answers: Answer, for_ever: Answer | None = None) -> None:
        self.method, self.path, self.script, self.for_ever = method, path, list(answers), for_ever

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()
        self._talks.discard(task)

    async def close(self) -> None:
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.strip().split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(next((value for name, value in headers.items() if name.lower() == "content-length"), "0"))
        body = await reader.readexactly(size)
        chosen = self._next(method, path.partition("?")[0])
        if chosen is None or chosen.accepted or chosen.rewrite:
            kept = {name: value for name, value in headers.items() if name.lower() not in {*_HOP, "host"}}
            real = await self.upstream.request(method, path, headers=kept, content=body)
        if chosen is None:
            kept = {name: value for name, value in real.headers.items() if name not in {*_HOP, "content-encoding"}}
            chosen = http(real.status_code, real.content, length=None, **kept)
        elif chosen.rewrite:
            chosen = http(real.status_code, chosen.rewrite(real.json()))
        await self._say(chosen, reader, writer)

    def _next(self, method: str, path: str) -> Answer | None:
        if method != self.method or not re.search(self.path, path):
            return None
        self.struck += 1
        return self.script.pop(0) if self.script else self.for_ever

    async def _say(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in answer.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(answer.pause)
        if answer.then == "hang":
            await reader.read()
        elif answer.then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@contextlib.asynccontextmanager
async def scripted(upstream: str) -> AsyncIterator[Scripted]:
    """In front of `upstream`, which ends in `/v1`."""
    async with local_client(upstream.removesuffix("/v1")) as client:
        front = Scripted(client)
        listener = await asyncio.start_server(front.talk, "127.0.0.1", 0, limit=1 << 20)
        front.base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        try:
            yield front
        finally:
            listener.close()
            await front.close()
