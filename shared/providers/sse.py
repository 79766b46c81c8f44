"""Server-sent events out of bytes that come in any pieces, as the HTML standard reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The most that one line, or one event, may hold: the last event of a run carries all that it said and drew."""

_END_OF_LINE = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """Nothing of the stream can be read any more."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    name: str  # empty where the server names none
    data: str


class EventParser:
    """Fed with what arrives, tells the events that are whole. An event that nothing ends is none."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, arrived: bytes) -> list[ServerEvent]:
        if not arrived:
            return []
        if self._after_cr:
            # CR has ended the line already; an LF right behind it belongs to it.
            self._after_cr = False
            arrived = arrived.removeprefix(b"\n")
        first, *others = _END_OF_LINE.split(arrived)
        self._line += first
        self._check(len(self._line))
        events = []
        for piece in others:
            line, self._line = bytes(self._line), bytearray(piece)
            self._check(len(self._line))
            if (event := self._read(line)) is not None:
                events.append(event)
        self._after_cr = arrived.endswith(b"\r")
        return events

    def _read(self, line: bytes) -> ServerEvent | None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._event()
        # Lines end in ASCII, so a character is never cut in two here, however the bytes came.
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._size += len(line)
            self._check(self._size)
            self._data.append(value)
        return None

    def _event(self) -> ServerEvent | None:
        event = ServerEvent(self._name, "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event

    def _check(self, size: int) -> None:
        if size > MAX_EVENT_BYTES:
            self._line.clear()
            raise EventTooLarge
