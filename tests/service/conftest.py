"""The chat service on real parts: Postgres underneath, the emulator behind real sockets, no HTTP in front."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dev.emulator.testing import RunningEmulator, running_emulator
from tests.db.conftest import db, server  # noqa: F401  # fixtures
from tests.db.database import Database
from tests.service.instances import Instances


@pytest.fixture(params=["responses", "assistants"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def emulator() -> AsyncIterator[RunningEmulator]:
    async with running_emulator() as running:
        yield running


@pytest.fixture
async def instances(db: Database, emulator: RunningEmulator, wire: str) -> AsyncIterator[Instances]:  # noqa: F811
    """Makes instances of the function's inside, each with its own connections, as separate processes have."""
    # each test has a provider of its own, which knows no assistant made at another one
    db.run("update public.chat_agents set assistant_id = null, assistant_made = false")
    async with Instances(db.dsn, emulator.base_url, wire) as made:
        yield made
