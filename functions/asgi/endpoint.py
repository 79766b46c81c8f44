"""A path, its methods and the media types it can answer in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.asgi.call import JSON, call_of
from functions.asgi.request_checks import chosen
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest, NotFound

Handler = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """One path and its methods; 405 with the whole list for all others, before any token is looked at.

    `offers` are the media types it can answer in. Every error is JSON.
    """

    def __init__(self, pattern: str, handlers: Mapping[str, Handler], offers: Sequence[str] = (JSON,)) -> None:
        self._pattern, self._offers = pattern, offers
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self.methods = frozenset(self._handlers)
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call_of(request).route = self._pattern
        if scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers={"allow": self._allow})
        elif handler := self._handlers.get(scope["method"]):
            call_of(request).media_type = chosen(request.headers, self._offers)
            response = await handler(request)
        else:
            details = {"allow": self._allow}
            raise InvalidRequest(code=ErrorCode.METHOD_NOT_ALLOWED, details=details)
        await response(scope, receive, send)


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound()
