"""The scheduled function on real parts: Postgres underneath, the emulator behind real sockets, its app in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from functions.maintenance.app import build_app
from tests.db.conftest import db, server  # noqa: F401  # fixtures
from tests.db.database import Database
from tests.service.conftest import emulator, instances, wire  # noqa: F401  # fixtures
from tests.service.instances import Instance, Instances

SECRET = "what-the-scheduler-shows"


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> None:
    """A sweep takes up every open turn in the database: also what earlier tests left there."""
    if "db" in request.fixturenames:
        database: Database = request.getfixturevalue("db")
        database.run("delete from public.chat_conversations")
        database.run("delete from public.chat_threads")


Caller = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def caller(instances: Instances) -> AsyncIterator[Caller]:  # noqa: F811
    """A client of the scheduled function in front of an instance, with the secret."""
    made: list[httpx.AsyncClient] = []

    def call(instance: Instance, **changes: str) -> httpx.AsyncClient:
        settings = instances.settings(maintenance_secret=SECRET, **changes)
        app = build_app(settings, service=instance.chat, store=instance.store)
        transport = httpx.ASGITransport(app=app)
        headers = {"authorization": f"Bearer {SECRET}"}
        made.append(httpx.AsyncClient(transport=transport, base_url="http://maintenance", headers=headers, timeout=60))
        return made[-1]

    yield call
    for client in made:
        await client.aclose()
