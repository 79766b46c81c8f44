"""Event streams: a log that any number of readers follow from any point, and its bytes on the wire."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from dev.emulator import errors
from dev.emulator.faults import reset_connection
from dev.emulator.reading import emulator_of


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. The data is frozen as text when it happens, so that a late reader sees what was then."""

    name: str
    data: str

    def encode(self) -> bytes:
        return f"event: {self.name}\ndata: {self.data}\n\n".encode()


DONE = Event("done", "[DONE]")
"""The last event of the thread wire; responses end with their terminal event instead."""


@dataclass(slots=True)
class EventLog:
    """Everything a stream has said. Appending wakes all readers; closing lets them go."""

    events: list[Event] = field(default_factory=list)
    closed: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def append(self, name: str, data: dict[str, Any]) -> None:
        self._add(Event(name, json.dumps(data, ensure_ascii=False)))

    def done(self) -> None:
        self._add(DONE)
        self.close()

    def close(self) -> None:
        self.closed = True
        self._wake()

    async def follow(self, start: int = 0) -> AsyncIterator[Event]:
        """The events from number `start` on, those to come included, until the log is closed."""
        at = start
        while True:
            while at < len(self.events):
                yield self.events[at]
                at += 1
            if self.closed:
                return
            await self._changed.wait()

    def _add(self, event: Event) -> None:
        if not self.closed:
            self.events.append(event)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def wants_stream(request: Request, wanted: object) -> bool:
    """Whether the answer is a stream, on this server."""
    config = emulator_of(request).config
    if wanted and config.stream == "refuse":
        raise errors.no_streams()
    return bool(wanted) and config.stream == "on"


def stream(request: Request, events: AsyncIterator[Event]) -> StreamingResponse:
    config = emulator_of(request).config

    async def encoded() -> AsyncIterator[bytes]:
        sent = 0
        async with contextlib.aclosing(events) as following:  # type: ignore[type-var]
            async for event in following:
                if sent == config.stream_breaks_after:
                    reset_connection(request.scope)
                if sent in (config.stream_breaks_after, config.stream_silent_after):
                    await asyncio.Event().wait()
                yield event.encode()
                sent += 1

    return StreamingResponse(encoded(), media_type="text/event-stream", headers={"cache-control": "no-cache"})
