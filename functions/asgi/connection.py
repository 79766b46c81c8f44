"""One HTTP/1 connection: uvicorn's h11 protocol, made strict about heads and impatient with idle peers.

Its refusals have the one error body. What uvicorn leaves open for ever has a limit here:

- a head that does not end, and a connection that says nothing: HEAD_SECONDS
- a body that no endpoint wants any more: LINGER_SECONDS, in which its sender gets to read why
- an answer of which the peer reads nothing: STALL_SECONDS
- connections: `max_connections` of a process, and one more is told 503

A peer that has sent its request and closed its half of the connection still gets its answer. The app is told by the
event in the scope's extension `client_done`, which is set when the connection is lost as well: a peer that has closed
all of it looks the same until it is written to.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from functions.asgi.call import CLIENT_DONE
from functions.asgi.cors import cors_headers
from functions.asgi.errors import error_body, error_headers, status_of
from functions.asgi.head import HeadBuffer
from functions.asgi.request_checks import MAX_URL_BYTES
from functions.asgi.transport import LingeringTransport
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

MAX_HEAD_BYTES = 64 * 1024  # above what the app takes, so that a head that can be parsed reaches the app
HEAD_SECONDS = 10.0


class StrictH11Protocol(H11Protocol):
    """`allowed_origins` and `max_connections` are set once for the process, by server.py."""

    allowed_origins: ClassVar[Callable[[], Collection[str]]] = staticmethod(lambda: ())
    max_connections: ClassVar[int] = 1000
    on_shutdown: ClassVar[Callable[[], None]] = staticmethod(lambda: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._buffer = HeadBuffer()
        self.conn._receive_buffer = self._buffer
        self._deadline: asyncio.TimerHandle | None = None  # for the head that is awaited
        self._refused = False
        self._client_done = asyncio.Event()  # of the request that is being answered
        self._lingering: LingeringTransport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._lingering = LingeringTransport(transport, self.loop, self._is_sending)
        super().connection_made(self._lingering)
        if len(self.connections) > type(self).max_connections:
            self._refuse(ErrorCode.OVERLOADED)
            transport.close()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        self._lingering.forget()
        self._client_done.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or self._lingering.is_closing():
            return  # its sender gets to read the answer: an early close would take it back
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.scope is not None and "extensions" not in self.scope:  # the app begins with the loop's next round
            self._client_done = asyncio.Event()
            self.scope["extensions"] = {CLIENT_DONE: {"event": self._client_done}}
        if self.conn.their_state is not h11.IDLE:
            self._stop_awaiting()
        elif self._deadline is None and not self._refused:
            self._await_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio reads the answer
        """Whether the connection is kept for an answer that is due."""
        if self._refused or self.cycle is None or self.cycle.response_complete or self._is_sending():
            return False
        self.cycle.keep_alive = False
        self._client_done.set()
        return True

    def on_response_complete(self) -> None:
        self._lingering.watch()
        if self._is_sending():
            self._lingering.close()  # nothing will read the rest of the body
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and self._deadline is None and not self._lingering.is_closing():
            self._await_head()

    def pause_writing(self) -> None:
        """More of an answer waits than is held here: the app waits too, for as long as the peer reads."""
        super().pause_writing()
        self._lingering.watch()

    def shutdown(self) -> None:
        """The server has got SIGTERM: it says so to every open connection, and waits for those with a request."""
        super().shutdown()
        type(self).on_shutdown()

    def _is_sending(self) -> bool:
        """Whether the peer is in the middle of a request."""
        return self._refused or self.conn.their_state is h11.SEND_BODY

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_awaiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._buffer:
            self._refuse(ErrorCode.REQUEST_TIMEOUT)
        else:
            self._lingering.close()

    def _should_upgrade(self) -> bool:
        return False  # there is no websocket here: the request is answered as the plain one that it also is

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._lingering.abort()  # an answer is under way already: there is no second one
            return
        awaits_head = self.cycle is None or self.cycle.response_complete
        if awaits_head and len(self._buffer) > MAX_HEAD_BYTES:
            in_address = self._buffer.first_line_bytes() > MAX_URL_BYTES
            self._refuse(ErrorCode.URI_TOO_LONG if in_address else ErrorCode.HEADERS_TOO_LARGE)
        else:
            self._refuse(self._buffer.why)

    def _refuse(self, code: ErrorCode) -> None:
        """Answer without the app, and close: what follows on this connection cannot be told apart from the refused."""
        self._refused = True
        self._stop_awaiting()
        error = InvalidRequest(code=code)
        request_id = uuid.uuid4().hex
        body = json.dumps(error_body(error, request_id), separators=(",", ":")).encode()
        headers = cors_headers(self._buffer.origin(), type(self).allowed_origins()) | error_headers(error)
        headers |= {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": request_id,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "connection": "close",
        }
        status = HTTPStatus(status_of(code))
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self._lingering.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        self._lingering.close()
