"""A client of the Responses wire, and a router that stands for its server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import respx
from openai import AsyncOpenAI

from tests.providers.making import BASE_URL, openai_client


@pytest.fixture
async def client() -> AsyncIterator[AsyncOpenAI]:
    async with openai_client() as made:
        yield made


@pytest.fixture
def api() -> Any:
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as mock:
        yield mock
