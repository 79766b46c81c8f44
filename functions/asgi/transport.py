"""The way to the peer of one connection, which ends in time even where the peer does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LINGER_SECONDS = 2.0  # after an answer to a peer that is still sending
STALL_SECONDS = 30.0  # in which nothing of what was written leaves this process


class LingeringTransport(asyncio.Transport):
    """An asyncio transport. Closing it while the peer is sending ends the answer and goes on reading for a moment.

    A socket that is closed with unread data in it resets the connection, and the peer may never see the answer.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, is_sending: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._transport, self._loop, self._is_sending = transport, loop, is_sending
        self._closing = False
        self._closed_by: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._unwritten = 0  # at the last look

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self.watch()
        if self._is_sending() and not self._transport.is_closing():
            self._transport.resume_reading()
            self._transport.write_eof()
            self._closed_by = self._loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def watch(self) -> None:
        """From now on, abort the connection once STALL_SECONDS have passed in which nothing of the answer left."""
        if self._watch is None:
            self._unwritten = self._transport.get_write_buffer_size()
            self._watch = self._loop.call_later(STALL_SECONDS, self._look)

    def _look(self) -> None:
        self._watch = None
        unwritten = self._transport.get_write_buffer_size()
        if 0 < self._unwritten <= unwritten:
            self._transport.abort()
        elif unwritten:
            self.watch()

    def forget(self) -> None:
        """The connection is gone."""
        for timer in (self._closed_by, self._watch):
            if timer is not None:
                timer.cancel()

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def write_eof(self) -> None:
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def pause_reading(self) -> None:
        if not self._closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()
