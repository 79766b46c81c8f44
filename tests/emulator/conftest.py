"""One emulator and one client a test; every test talks to it over a real socket."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from dev.emulator.testing import RunningEmulator, local_client, running_emulator


@pytest.fixture
async def emulator() -> AsyncIterator[RunningEmulator]:
    async with running_emulator() as running:
        yield running


@pytest.fixture
async def api(emulator: RunningEmulator) -> AsyncIterator[httpx.AsyncClient]:
    """The raw wire."""
    async with local_client(emulator.base_url, Authorization="Bearer sk-test") as client:
        yield client


@pytest.fixture
async def client(emulator: RunningEmulator) -> AsyncIterator[AsyncOpenAI]:
    """The vendor's own client, without retries: a refusal has to be seen."""
    # Any: the client is typed for another package than the httpx that it also takes.
    http: Any = local_client(emulator.base_url)
    async with AsyncOpenAI(api_key="sk-test", base_url=emulator.base_url, max_retries=0, http_client=http) as openai:
        yield openai
