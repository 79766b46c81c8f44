"""The servers below the app answer some requests by themselves, in plain text. Here those answers get our shape.

Two of them do, and neither offers a hook for it:

- the Functions Framework refuses methods and paths it has no route for. Its app is given a handler that passes such
  requests on to ours, which has an answer for every method and path.
- uvicorn refuses what is no HTTP. Its h11 protocol is replaced, by name in uvicorn's own registry, by the one of
  connection.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

import functions_framework.aio
import uvicorn.config
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.asgi.connection import StrictH11Protocol

CONNECTIONS_PER_REQUEST = 2  # of the requests that an instance takes: callers keep some connections idle


class PassedOn(Response):
    """An app in the place of a response: it is called in the same way, and says everything itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def take_over(allowed_origins: Callable[[], Collection[str]], max_concurrent: int) -> None:
    """Make both servers answer as the app does. For a process that serves one target of ours and nothing else.

    `max_concurrent` is the number of requests that the app takes at the same time.
    """

    async def pass_on(request: Request, _: Exception) -> Response:
        target = request.app.routes[0]  # the framework's own route to the function that this process serves
        response: Response = await target.endpoint(request)
        return response

    framework: Any = functions_framework.aio
    framework.Starlette = functools.partial(Starlette, exception_handlers={HTTPException: pass_on})
    StrictH11Protocol.allowed_origins = staticmethod(allowed_origins)
    StrictH11Protocol.max_connections = max_concurrent * CONNECTIONS_PER_REQUEST
    for name in ("auto", "h11"):
        uvicorn.config.HTTP_PROTOCOLS[name] = f"{StrictH11Protocol.__module__}:{StrictH11Protocol.__name__}"


def when_shutting_down(act: Callable[[], None]) -> None:
    """Have `act` called, in the event loop, once the server has got SIGTERM and while requests are under way.

    The framework has no hook for it, and uvicorn's own comes after the last request. `act` is called once for each
    connection.
    """
    StrictH11Protocol.on_shutdown = staticmethod(act)
