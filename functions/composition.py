"""The outside world, built from settings on the first request: database, provider wires, chat service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies

import httpx
from openai import AsyncOpenAI

from shared.chat import ChatOptions, ChatService
from shared.content_encoding import PLAIN, inflate_bounded
from shared.core.pace import Pace
from shared.deletions import AgeLimits
from shared.http_transport import HttpTransport
from shared.instance.instance import Instance, tell_no_one
from shared.instance.shutdown import Shutdown
from shared.instance.wakeups import LocalWakeups
from shared.ports import Clock, Provider, QueueLimits, Store
from shared.providers.assistants.provider import AssistantsProvider
from shared.providers.responses.provider import ResponsesProvider
from shared.runs.start import HistoryLimits
from shared.settings import Settings
from shared.stores.lane import Lane
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from shared.telemetry import spans
from shared.tools import REGISTRY
from shared.turn.serving_options import ServingOptions
from shared.webhooks import Webhooks

TURN_TTL_SECONDS = 15 * 60.0
SETTLE_SECONDS = 5.0  # after a create timed out, until its traces must be visible at the provider
OPEN_TURNS_PER_USER = 8  # times MAX_OPEN_TURNS: several conversations may have a full queue


@dataclass(frozen=True, slots=True)
class Built:
    store: Store
    service: ChatService
    ping_provider: Callable[[], Awaitable[bool]]
    webhooks: Webhooks | None


def build(
    settings: Settings,
    database: httpx.AsyncClient,
    provider: httpx.AsyncClient,
    clock: Clock,
    shutdown: Shutdown | None = None,
) -> Built:
    """Each over a pool of its own."""
    # a message is accepted for as long as any request may wait
    lane = Lane(settings.database_calls_at_once, settings.wait_budget_seconds)
    rpc = Rpc(settings.supabase_url, settings.supabase_secret_key.get_secret_value(), database, lane=lane)
    store = SupabaseStore(rpc)
    return compose(settings, store, provider, clock, shutdown=shutdown)


def compose(
    settings: Settings,
    store: Store,
    client: httpx.AsyncClient,
    clock: Clock,
    *,
    settle_seconds: float = SETTLE_SECONDS,
    shutdown: Shutdown | None = None,
) -> Built:
    """Everything behind the routes, on a store that is given."""
    providers = _providers(settings, client, store, clock)
    webhooks = webhooks_of(settings, store, client)
    instance = Instance(
        store,
        clock,
        LocalWakeups(),
        settings.lease_seconds,
        shutdown or Shutdown(),
        announce=tell_no_one if webhooks is None else webhooks.announce,
    )
    service = ChatService(instance, providers, REGISTRY, chat_options(settings, settle_seconds))
    return Built(store, service, providers[settings.provider].ping, webhooks)


def webhooks_of(settings: Settings, store: Store, client: httpx.AsyncClient) -> Webhooks | None:
    if settings.webhook_url is None or settings.webhook_secret is None:
        return None
    return Webhooks(store, client, settings.webhook_url, settings.webhook_secret.get_secret_value())


def signature_check(settings: Settings) -> Callable[[bytes, Mapping[str, str]], bool] | None:
    """Whether a body was signed, in these minutes, with OPENAI_WEBHOOK_SECRET; None where that is not set."""
    if settings.openai_webhook_secret is None:
        return None
    secret = settings.openai_webhook_secret.get_secret_value()
    webhooks = AsyncOpenAI(api_key=settings.openai_api_key.get_secret_value()).webhooks

    def check(body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            webhooks.verify_signature(body, dict(headers), secret=secret)
        except Exception:  # of a header that is missing, of bytes that are no text, of a signature that is no base64
            return False
        return True

    return check


def chat_options(settings: Settings, settle_seconds: float) -> ChatOptions:
    return ChatOptions(
        serving=ServingOptions(
            default_provider=settings.provider,
            pace=Pace(settings.poll_min_seconds, settings.poll_max_seconds),
            settle_seconds=settle_seconds,
            run_budget_seconds=settings.run_budget_seconds,
            cancel_wait_seconds=settings.cancel_wait_seconds,
            max_handoffs=settings.max_handoffs,
            max_tool_calls=settings.max_tool_calls,
            carry=HistoryLimits(
                seed_lines=settings.carry_over_messages,
                transcript_lines=200,
                thread_lines=settings.archive_after_messages,
            ),
            approval_seconds=settings.approval_ttl_hours * 3600,
        ),
        limits=QueueLimits(
            open_per_conversation=settings.max_open_turns,
            open_per_user=settings.max_open_turns * OPEN_TURNS_PER_USER,
            per_minute=settings.messages_per_minute,
        ),
        turn_ttl_seconds=TURN_TTL_SECONDS,
        age_limits=AgeLimits(settings.conversation_ttl_hours * 3600, settings.retention_days * 86_400),
        gather_seconds=settings.coalesce_seconds,
        webhooks=settings.webhook_url is not None,
    )


def _providers(settings: Settings, client: httpx.AsyncClient, store: Store, clock: Clock) -> dict[str, Provider]:
    """Both wires, whichever is the default: an agent may name the other one."""
    pool: Any = client  # typed by the client as its vendored httpx, accepted as the real one
    openai = AsyncOpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        http_client=pool,
        max_retries=0,
    )
    timeout, run_budget = settings.provider_timeout_seconds, settings.run_budget_seconds
    responses = ResponsesProvider(
        openai,
        clock=clock,
        timeout_seconds=timeout,
        run_budget_seconds=run_budget,
        state=settings.responses_state,
        background=settings.responses_background,
        most_streams=settings.max_open_streams,
        mcp_headers={name: value.get_secret_value() for name, value in (settings.mcp_headers or {}).items()},
    )
    assistants = AssistantsProvider(
        openai,
        records=store,
        clock=clock,
        timeout_seconds=timeout,
        run_budget_seconds=run_budget,
        most_streams=settings.max_open_streams,
    )
    return {responses.name: responses, assistants.name: assistants}


MAX_CONNECTIONS = 200  # of each pool
KEEP_ALIVE_SECONDS = 20.0
HTTP_SECONDS = 10.0  # where a caller sets no deadline of its own; all of them do


async def add_trace(request: httpx.Request) -> None:
    """Have the other server's spans belong to the trace that this call is part of."""
    request.headers.update(spans.trace_headers())


def http_clients() -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """One pool of connections for database and keys, another for the provider: creates that last as long as their runs
    cannot keep a heartbeat from leaving. They share their TLS context, because building that is what costs.
    """
    tls = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS)
    behind_proxy = bool(getproxies())  # which httpx's own connections go through
    database, provider = (
        httpx.AsyncClient(
            verify=tls,
            limits=limits,
            transport=None if behind_proxy else HttpTransport(tls, limits),
            timeout=HTTP_SECONDS,
            follow_redirects=False,
            headers=PLAIN,
            event_hooks={"request": [add_trace], "response": [inflate_bounded]},
        )
        for _ in range(2)
    )
    return database, provider
