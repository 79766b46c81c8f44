"""The Functions Framework's target of the scheduler. Importing it is cheap and connects to nothing."""

from __future__ import annotations

import functools

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from functions.asgi import server, startup
from functions.maintenance.app import build_app


@functions_framework.aio.http
async def maintenance(request: Request) -> Response:
    """Hands every request to the app, which reads it from the socket itself."""
    return server.PassedOn(_app())


@functools.cache
def _app() -> ASGIApp:
    return startup.app_from(build_app)


startup.prepare()
