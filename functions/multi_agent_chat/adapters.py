"""The outside world, built from settings on the first request: database, provider wires, chat service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from shared.admission import Carry
from shared.chat import ChatOptions, ChatService
from shared.lease import World
from shared.ports import Clock, Limits, Provider, Store
from shared.serving import ServingOptions
from shared.settings import Settings
from shared.wakeups import LocalWakeups

TURN_TTL_SECONDS = 15 * 60.0
SETTLE_SECONDS = 5.0  # after a create timed out, until its traces must be visible at the provider
OPEN_TURNS_PER_USER = 8  # times MAX_OPEN_TURNS: several conversations may have a full queue
MAX_CONNECTIONS = 200
KEEP_ALIVE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Built:
    store: Store
    service: ChatService
    ping_provider: Callable[[], Awaitable[bool]]


def http_client() -> httpx.AsyncClient:
    """The one connection pool for provider, database and keys: building its TLS context is what costs."""
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS)
    return httpx.AsyncClient(limits=limits, timeout=10.0, follow_redirects=False)


async def build(settings: Settings, client: httpx.AsyncClient, clock: Clock) -> Built:
    store = _store(settings, client)
    providers = _providers(settings, client)
    world = World(store, clock, LocalWakeups(), settings.lease_seconds)
    service = ChatService(world, providers, chat_options(settings))
    return Built(store, service, providers[settings.provider].ping)


def chat_options(settings: Settings) -> ChatOptions:
    return ChatOptions(
        serving=ServingOptions(
            default_provider=settings.provider,
            poll_min_seconds=settings.poll_min_seconds,
            poll_max_seconds=settings.poll_max_seconds,
            provider_timeout_seconds=settings.provider_timeout_seconds,
            settle_seconds=SETTLE_SECONDS,
            run_budget_seconds=settings.run_budget_seconds,
            cancel_wait_seconds=settings.cancel_wait_seconds,
            carry=Carry(seed_lines=settings.carry_over_messages, transcript_lines=200),
        ),
        limits=Limits(
            open_per_conversation=settings.max_open_turns,
            open_per_user=settings.max_open_turns * OPEN_TURNS_PER_USER,
            per_minute=settings.messages_per_minute,
        ),
        turn_ttl_seconds=TURN_TTL_SECONDS,
    )


def _store(settings: Settings, client: httpx.AsyncClient) -> Store:
    raise NotImplementedError


def _providers(settings: Settings, client: httpx.AsyncClient) -> dict[str, Provider]:
    raise NotImplementedError
