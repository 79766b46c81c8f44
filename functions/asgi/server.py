"""The servers below the app answer some requests by themselves, in plain text. Here those answers get our shape.

Two of them do, and neither offers a hook for it:

- the Functions Framework refuses methods and paths it has no route for. Its app is given a handler that passes such
  requests on to ours, which has an answer for every method and path.
- uvicorn refuses what is no HTTP. Its h11 protocol is replaced, by name in uvicorn's own registry, by one that
  refuses in JSON, and that gives headers the room after which the app itself refuses them with 414 or 431.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, ClassVar

import functions_framework.aio
import h11
import uvicorn.config
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from functions.asgi.cors import cors_headers
from functions.asgi.errors import error_body, error_headers, status_of
from functions.asgi.request_checks import MAX_URL_BYTES
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

# Above what the app takes, so that whatever can be parsed reaches the app.
MAX_HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 2.0  # after a refusal, for its reader
_FRAMING = (b"host", b"content-length", b"transfer-encoding")
_ORIGIN_LINE = re.compile(rb"^origin:[ \t]*([\x21-\x7e]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class PassedOn(Response):
    """An app in the place of a response: it is called in the same way, and says everything itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def take_over(allowed_origins: Callable[[], Collection[str]]) -> None:
    """Make both servers answer as the app does. For a process that serves one target of ours and nothing else."""

    async def pass_on(request: Request, _: Exception) -> Response:
        target = request.app.routes[0]  # the framework's own route to the function that this process serves
        response: Response = await target.endpoint(request)
        return response

    framework: Any = functions_framework.aio
    framework.Starlette = functools.partial(Starlette, exception_handlers={HTTPException: pass_on})
    JsonH11Protocol.allowed_origins = staticmethod(allowed_origins)
    for name in ("auto", "h11"):
        uvicorn.config.HTTP_PROTOCOLS[name] = f"{__name__}:{JsonH11Protocol.__name__}"


def when_shutting_down(act: Callable[[], None]) -> None:
    """Have `act` called, in the event loop, once the server has got SIGTERM and while requests are under way.

    The framework has no hook for it, and uvicorn's own comes after the last request. `act` is called once for each
    connection.
    """
    JsonH11Protocol.on_shutdown = staticmethod(act)


class JsonH11Protocol(H11Protocol):
    """uvicorn's own, but for what it says to something that is not HTTP."""

    allowed_origins: ClassVar[Callable[[], Collection[str]]] = staticmethod(lambda: ())
    on_shutdown: ClassVar[Callable[[], None]] = staticmethod(lambda: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._head = b""  # of the request that is coming in: what it says even if it cannot be parsed
        self._head_complete = False
        self._origin: str | None = None
        self._refused = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # whoever is still sending gets to read the refusal: an early close would take it back
        if self.conn.their_state is h11.IDLE:
            self._head = (b"" if self._head_complete else self._head) + data
            self._head_complete = b"\r\n\r\n" in self._head
            self._head = self._head.partition(b"\r\n\r\n")[0]
            self._origin = _origin(self._head)
            if self._head_complete and _doubled(self._head):
                self.send_400_response(ErrorCode.DUPLICATE_HEADER)
                return
        super().data_received(data)
        if self._head_complete:
            self._head = b""  # the request may wait for minutes, and has all of this already

    def shutdown(self) -> None:
        """The server has got SIGTERM: it says so to every open connection, and waits for those with a request."""
        super().shutdown()
        type(self).on_shutdown()

    def _should_upgrade(self) -> bool:
        return False  # there is no websocket here: the request is answered as the plain one that it also is

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # an answer is under way already: there is no second one
            return
        self._refused = True
        code = self._code(msg)
        error = InvalidRequest(code=code)
        request_id = uuid.uuid4().hex
        body = json.dumps(error_body(error, request_id), separators=(",", ":")).encode()
        headers = cors_headers(self._origin, type(self).allowed_origins()) | error_headers(error)
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
        self.transport.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _code(self, msg: str) -> ErrorCode:
        if msg == ErrorCode.DUPLICATE_HEADER:
            return ErrorCode.DUPLICATE_HEADER
        if not self._head_complete and len(self._head) > MAX_HEAD_BYTES:
            first_line = self._head.partition(b"\r\n")[0]
            return ErrorCode.URI_TOO_LONG if len(first_line) > MAX_URL_BYTES else ErrorCode.HEADERS_TOO_LARGE
        return ErrorCode.MALFORMED_REQUEST


def _origin(head: bytes) -> str | None:
    origins = _ORIGIN_LINE.findall(head)
    return origins[0].decode("ascii") if len(origins) == 1 else None


def _doubled(head: bytes) -> bool:
    """Whether a header that h11 judges by itself, or merges, stands there twice."""
    names = [line.partition(b":")[0].strip().lower() for line in head.split(b"\r\n")[1:]]
    return any(names.count(name) > 1 for name in _FRAMING)
