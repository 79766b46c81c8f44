"""A TCP proxy that behaves as networks do at their worst: it delays, cuts and resets what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_CHUNK = 16 * 1024
_RESET = struct.pack("ii", 1, 0)  # closing without lingering makes the kernel send RST


@dataclass
class Weather:
    """How likely each piece of data meets which fate."""

    delay: float = 0.03
    cut: float = 0.004  # half of the piece arrives, then both ends see an orderly close
    reset: float = 0.004  # nothing of the piece arrives, and both ends see a reset
    longest_delay_seconds: float = 1.5


@dataclass
class Proxy:
    """Listens on a port of its own; `calm` lets everything pass from then on."""

    target: int
    weather: Weather
    chance: random.Random
    port: int = 0
    met: Counter[str] = field(default_factory=Counter)
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    def calm(self) -> None:
        self.weather = Weather(0, 0, 0)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._talks.discard(task)

    async def close(self) -> None:
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        ends = (writer, far_writer)
        ways = [
            asyncio.ensure_future(self._pass(reader, far_writer, ends)),
            asyncio.ensure_future(self._pass(far_reader, writer, ends)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in ends:
                end.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                fate, weather = self.chance.random(), self.weather
                if fate < weather.reset:
                    self.met["reset"] += 1
                    for end in ends:
                        _reset(end)
                    return
                if fate < weather.reset + weather.cut:
                    self.met["cut"] += 1
                    writer.write(piece[: len(piece) // 2])
                    await writer.drain()
                    return
                if fate < weather.reset + weather.cut + weather.delay:
                    self.met["delay"] += 1
                    await asyncio.sleep(self.chance.uniform(0, weather.longest_delay_seconds))
                writer.write(piece)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy(target: int, weather: Weather, chance: random.Random) -> AsyncIterator[Proxy]:
    """In front of a port of this machine."""
    made = Proxy(target, weather, chance)
    listener = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        await made.close()
