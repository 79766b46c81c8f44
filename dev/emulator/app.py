"""The application: both wires behind a key, the admin routes beside them, faults around them."""

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dev.emulator import errors
from dev.emulator.brain.plan import MODELS
from dev.emulator.fault_middleware import Faults
from dev.emulator.request import emulator_of
from dev.emulator.routes import admin, assistants, conversations, threads
from dev.emulator.routes import responses as response_routes
from dev.emulator.routes import runs as run_routes
from dev.emulator.state import Emulator

INVALID_KEY = "sk-invalid"
"""The one key that is refused; any other is taken."""


class Gate:
    """Checks the key, and whether this server has that wire at all, before any route is looked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise errors.no_key()
        if key == INVALID_KEY:
            raise errors.wrong_key(key)
        wire = request.url.path.removeprefix("/v1/").split("/")[0]
        config = emulator_of(request).config
        here = {
            "threads": config.assistants,
            "assistants": config.assistants,
            "responses": config.responses,
            "conversations": config.responses and config.conversation != "404",
        }
        if not here.get(wire, True):
            raise errors.unknown_route(request.method, request.url.path)
        await self.app(scope, receive, send)


async def list_models(_request: Request) -> Response:
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "emulator"} for name in MODELS]
    return JSONResponse({"object": "list", "data": models})


async def refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = errors.unknown_route(request.method, request.url.path)
    if not isinstance(error, errors.ApiError):
        error = errors.server_error()
    return JSONResponse(error.body(emulator_of(request).config.error_shape), error.status)


def build_app(emulator: Emulator) -> Starlette:
    wires = [
        *run_routes.routes,
        *threads.routes,
        *assistants.routes,
        *response_routes.routes,
        *conversations.routes,
        Route("/models", list_models, methods=["GET"]),
    ]
    app = Starlette(
        routes=[
            Mount("/v1", routes=wires, middleware=[Middleware(Gate)]),
            Mount("/_emulator", routes=admin.routes),
        ],
        middleware=[Middleware(Faults, emulator=emulator)],
        exception_handlers={
            errors.ApiError: refuse,
            HTTPException: refuse,
            ValidationError: admin.invalid,
            Exception: refuse,
        },
    )
    app.state.emulator = emulator
    return app
