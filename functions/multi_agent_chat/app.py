"""The composition root: settings -> store, providers, service -> routes. The only place that knows them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from starlette.types import ASGIApp

from functions.asgi.gateway import Gateway
from functions.asgi.lazy_app import LazyApp
from functions.multi_agent_chat.dependencies import Dependencies, Service
from functions.multi_agent_chat.health import Health
from functions.multi_agent_chat.routes import router
from functions.multi_agent_chat.user_shares import UserShares
from shared.auth import KeySet, TokenVerifier
from shared.clock import LoopClock
from shared.instance.shutdown import Shutdown
from shared.ports import Clock, Store
from shared.settings import Settings


def build_app(
    settings: Settings,
    *,
    service: Service | None = None,
    store: Store | None = None,
    ping_provider: Callable[[], Awaitable[bool]] | None = None,
    verifier: TokenVerifier | None = None,
    clock: Clock | None = None,
    client: httpx.AsyncClient | None = None,
    shutdown: Shutdown | None = None,
) -> ASGIApp:
    """The whole function as one ASGI app. What is given here takes the place of what settings would build.

    Nothing is connected, started or imported for it before the first request: there is no start-up hook, and the
    process may still be forked.
    """
    clock = clock or LoopClock()

    async def compose() -> ASGIApp:
        # the first request pays for these imports, not the start of the process
        from functions import composition

        database, provider = (client, client) if client is not None else composition.http_clients()
        built_store, built_service, ping = store, service, ping_provider
        if built_store is None or built_service is None or ping is None:
            built = composition.build(settings, database, provider, clock, shutdown)
            built_store, built_service = built_store or built.store, built_service or built.service
            ping = ping or built.ping_provider
        deps = Dependencies(
            service=built_service,
            store=built_store,
            verifier=verifier or build_verifier(settings, database, clock),
            health=Health(clock, store=built_store, ping_provider=ping),
            shares=UserShares(
                clock,
                max_concurrent=settings.max_concurrent_requests,
                reads_per_minute=settings.reads_per_minute,
            ),
            clock=clock,
            default_strategy=settings.multitask_strategy,
            wait_budget_seconds=settings.wait_budget_seconds,
            cancel_wait_seconds=settings.cancel_wait_seconds,
            max_own_agents=settings.max_own_agents,
            check_signature=composition.signature_check(settings),
        )
        return router(deps)

    return Gateway(
        LazyApp(compose),
        clock=clock,
        allowed_origins=settings.allowed_origins,
        max_concurrent=settings.max_concurrent_requests,
        project=settings.google_cloud_project,
        log_execution_id=settings.log_execution_id,
    )


def build_verifier(settings: Settings, client: httpx.AsyncClient, clock: Clock) -> TokenVerifier:
    secret = settings.supabase_jwt_secret
    return TokenVerifier(
        issuer=settings.issuer,
        secret=secret.get_secret_value() if secret else None,
        keys=KeySet(settings.jwks_url, client, clock),
        operator_role=settings.operator_role,
        allow_anonymous=settings.allow_anonymous_users,
    )
