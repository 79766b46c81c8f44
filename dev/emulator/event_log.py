"""Everything that one event stream has said, for readers that come at any time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. The data is frozen as text when it happens, so that a late reader sees what was then."""

    name: str
    data: str

    def encode(self) -> bytes:
        return f"event: {self.name}\ndata: {self.data}\n\n".encode()


DONE = Event("done", "[DONE]")


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
