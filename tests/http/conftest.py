from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from functions.asgi import server
from functions.multi_agent_chat.app import build_app
from shared.settings import Settings, load_settings
from tests.http.fakes import FakeChat
from tests.http.serving import served
from tests.http.shapes import ORIGIN
from tests.http.tokens import SECRET, SUPABASE_URL

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-canary-provider-key",
    "SUPABASE_URL": SUPABASE_URL,
    "SUPABASE_SECRET_KEY": "sb_secret_canary",
    "SUPABASE_JWT_SECRET": SECRET,
    "ALLOWED_ORIGINS": f"{ORIGIN},http://localhost:5173",
}

MakeApp = Callable[..., ASGIApp]


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a test does to the process's loggers ends with it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve with the protocol that main.py puts in place, without importing main.py."""
    import functions_framework.aio
    import uvicorn.config

    framework: Any = functions_framework.aio
    monkeypatch.setattr(framework, "Starlette", framework.Starlette)
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    server.take_over(lambda: (ORIGIN,), 500)


@pytest.fixture
def settings() -> Settings:
    return load_settings(ENVIRONMENT)


@pytest.fixture
async def chat() -> FakeChat:
    return FakeChat()


def _no_network(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("tests of the door have no network", request=request)


@pytest.fixture
def make_app(chat: FakeChat) -> MakeApp:
    """The app around the fake, with some settings changed."""

    def make(**environment: Any) -> ASGIApp:
        settings = load_settings(ENVIRONMENT | environment)
        store: Any = chat
        client = httpx.AsyncClient(transport=httpx.MockTransport(_no_network))
        return build_app(settings, service=chat, store=store, ping_provider=chat.ping, client=client)

    return make


@pytest.fixture
async def app(make_app: MakeApp) -> ASGIApp:
    return make_app()


@pytest.fixture
async def port(app: ASGIApp) -> AsyncIterator[int]:
    async with served(app) as number:
        yield number


@pytest.fixture
async def http(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the app in this process, from an allowed origin."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as client:
        yield client
