"""The scheduled function as an ASGI app: one route, for callers that know the secret."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any, Protocol

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.asgi.body import read_nothing
from functions.asgi.call import call_of
from functions.asgi.endpoint import Endpoint, no_such_route
from functions.asgi.errors import json_response
from functions.asgi.gateway import Gateway
from functions.asgi.lazy_app import LazyApp
from functions.maintenance.sweep import Sweep, Unattended, Waiting
from functions.maintenance.tidying import TidiedRecords, TidiedService, Tidying
from functions.maintenance.upkeep import CountedEvents, Telling, Upkeep
from shared import logs
from shared.clock import LoopClock
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, Unauthorized
from shared.instance.shutdown import Shutdown
from shared.ports import Clock
from shared.settings import Settings

ANSWER_SECONDS = 1.0  # of a call's seconds, for letting go of what is under way and for the answer
MAX_CALLS = 4  # at the same time; a second one is safe and finds little to do


class SweptService(Waiting, TidiedService, Protocol):
    """What the scheduled function needs of shared.chat.ChatService."""


class SweptRecords(Unattended, TidiedRecords, CountedEvents, Protocol):
    """What it needs of the Store."""


def build_app(
    settings: Settings,
    *,
    service: SweptService | None = None,
    store: SweptRecords | None = None,
    webhooks: Telling | None = None,
    clock: Clock | None = None,
    client: httpx.AsyncClient | None = None,
    shutdown: Shutdown | None = None,
) -> ASGIApp:
    """What is given here takes the place of what settings would build; nothing is built before the first request."""
    clock = clock or LoopClock()
    secret = settings.maintenance_secret

    async def compose() -> ASGIApp:
        if secret is None:
            return _refuse
        orphans, waiting, telling = store, service, webhooks
        if orphans is None or waiting is None:
            # the first request pays for these imports, not the start of the process
            from functions import composition

            database, provider = (client, client) if client is not None else composition.http_clients()
            built = composition.build(settings, database, provider, clock, shutdown)
            orphans, waiting = orphans or built.store, waiting or built.service
            telling = telling or built.webhooks
        sweep, tidy = Sweep(orphans, waiting, clock), Tidying(orphans, waiting, clock)
        handler = _Handler(
            sweep, tidy, Upkeep(orphans, telling), secret.get_secret_value(), clock, settings.sweep_seconds
        )
        routes = [Route("/", Endpoint("/", {"POST": handler.sweep}))]
        return Router(routes, redirect_slashes=False, default=no_such_route)

    return Gateway(
        LazyApp(compose),
        clock=clock,
        allowed_origins=(),
        max_concurrent=MAX_CALLS,
        project=settings.google_cloud_project,
        log_execution_id=settings.log_execution_id,
    )


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    raise ChatError(code=ErrorCode.MAINTENANCE_OFF)


class _Handler:
    def __init__(
        self, sweeper: Sweep, tidy: Tidying, upkeep: Upkeep, secret: str, clock: Clock, call_seconds: float
    ) -> None:
        self._sweeper, self._tidy, self._upkeep, self._secret = sweeper, tidy, upkeep, secret
        self._clock, self._call_seconds = clock, call_seconds

    async def sweep(self, request: Request) -> Response:
        self._check(request.headers.get("authorization"))
        await read_nothing(request)
        arrived_at = call_of(request).arrived_at
        deadline = arrived_at + self._call_seconds - ANSWER_SECONDS
        upkeep = asyncio.ensure_future(self._upkeep.run(deadline))
        tidying = asyncio.ensure_future(self._tidy.run(deadline))
        try:
            report = await self._sweeper.run(deadline)
            tidied = await tidying
            await upkeep
        finally:
            tidying.cancel()
            upkeep.cancel()
        counts: dict[str, Any] = {
            "swept": report.swept,
            "finished": report.finished,
            "left": report.left,
            **tidied,
        }
        logs.event(EventName.SWEEP_ENDED, **counts)
        return json_response(counts | {"elapsed_ms": round((self._clock.now() - arrived_at) * 1000)})

    def _check(self, header: str | None) -> None:
        """Raises Unauthorized. Says nothing about how much of a wrong secret was right, not even by its duration."""
        scheme, _, given = (header or "").strip(" \t").partition(" ")
        if not scheme:
            message = "Show the maintenance secret as Authorization: Bearer <secret>."
            raise Unauthorized(message, code=ErrorCode.MISSING_TOKEN)
        right = hmac.compare_digest(given.strip(" \t").encode("latin-1"), self._secret.encode("latin-1"))
        if scheme.lower() != "bearer" or not right:
            raise Unauthorized("The maintenance secret is not right.", code=ErrorCode.INVALID_TOKEN)
