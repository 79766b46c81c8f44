"""The composition root: settings -> adapters -> service -> routes. The only place that knows them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.multi_agent_chat.door import Door
from functions.multi_agent_chat.endpoint import Parts, Service
from functions.multi_agent_chat.health import Health
from functions.multi_agent_chat.routes import router
from shared.auth import KeySet, TokenVerifier
from shared.clock import LoopClock
from shared.ports import Clock, Store
from shared.settings import Settings

MAX_CONNECTIONS = 200  # of each pool
KEEP_ALIVE_SECONDS = 20.0
HTTP_SECONDS = 10.0  # where a caller sets no deadline of its own; all of them do
Compose = Callable[[], Awaitable[ASGIApp]]


def build_app(
    settings: Settings,
    *,
    service: Service | None = None,
    store: Store | None = None,
    ping_provider: Callable[[], Awaitable[bool]] | None = None,
    verifier: TokenVerifier | None = None,
    clock: Clock | None = None,
    client: httpx.AsyncClient | None = None,
) -> ASGIApp:
    """The whole function as one ASGI app. What is given here takes the place of what settings would build.

    Nothing is connected, started or imported for it before the first request: there is no start-up hook, and the
    process may still be forked.
    """
    clock = clock or LoopClock()

    async def compose() -> ASGIApp:
        database, provider = (client, client) if client is not None else http_clients()
        built_store, built_service, ping = store, service, ping_provider
        if built_store is None or built_service is None or ping is None:
            from functions.multi_agent_chat import adapters  # the heaviest imports wait for the first request

            built = adapters.build(settings, database, provider, clock)
            built_store, built_service = built_store or built.store, built_service or built.service
            ping = ping or built.ping_provider
        parts = Parts(
            service=built_service,
            store=built_store,
            verifier=verifier or build_verifier(settings, database, clock),
            health=Health(clock, store=built_store.ping, provider=ping),
            clock=clock,
            default_strategy=settings.multitask_strategy,
            wait_budget_seconds=settings.wait_budget_seconds,
            cancel_wait_seconds=settings.cancel_wait_seconds,
        )
        return router(parts)

    return Door(
        LazyApp(compose),
        clock=clock,
        allowed_origins=settings.allowed_origins,
        max_concurrent=settings.max_concurrent_requests,
        project=settings.google_cloud_project,
    )


def http_clients() -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """One pool of connections for database and keys, another for the provider: creates that last as long as their runs
    cannot keep a heartbeat from leaving. They share their TLS context, because building that is what costs.
    """
    tls = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS)
    database, provider = (
        httpx.AsyncClient(verify=tls, limits=limits, timeout=HTTP_SECONDS, follow_redirects=False) for _ in range(2)
    )
    return database, provider


def build_verifier(settings: Settings, client: httpx.AsyncClient, clock: Clock) -> TokenVerifier:
    secret = settings.supabase_jwt_secret
    return TokenVerifier(
        issuer=settings.issuer,
        secret=secret.get_secret_value() if secret else None,
        keys=KeySet(settings.jwks_url, client, clock),
        operator_role=settings.operator_role,
    )


class LazyApp:
    """What is put together by the first request; a failure is that request's, the next one tries again."""

    def __init__(self, compose: Compose) -> None:
        self._compose = compose
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    self._app = await self._compose()
        await self._app(scope, receive, send)
