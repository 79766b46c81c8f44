"""The store over real HTTP against the local Supabase; and once more with every first answer lost on the way."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import httpx
import pytest
import pytest_asyncio

from dev import node, supabase_local
from dev.cli import Options
from dev.ports import free_range
from dev.processes import Processes
from shared.core.errors import StoreFault, StoreUnavailable
from shared.ports import Store
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from tests.contracts.store import StoreContract


@dataclass(frozen=True)
class Local:
    url: str
    keys: supabase_local.Keys


class LosesFirstAnswers(httpx.AsyncBaseTransport):
    """Every request arrives; the answer to the first sending of each does not."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._seen: set[tuple[str, bytes]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = (request.url.path, await request.aread())
        answer = await self._inner.handle_async_request(request)
        if sent in self._seen:
            return answer
        self._seen.add(sent)
        await answer.aread()
        raise httpx.ReadTimeout("lost on the way", request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _local(db: Literal["pglite", "postgres"]) -> AsyncIterator[Local]:
    port, keys = free_range(1)[0], supabase_local.Keys.fresh()
    async with Processes(print) as processes, httpx.AsyncClient(trust_env=False) as http:
        found = await node.find_node()
        await node.ensure_packages(found, supabase_local.PACKAGE, processes, print)
        socket = await supabase_local.start_postgres(processes, sys.executable) if db == "postgres" else None
        place = supabase_local.Place(port, keys, [], socket)
        local = await supabase_local.start(processes, found, Options(db=db), place)
        await local.wait_ready(processes, http)
        yield Local(supabase_local.url(port), keys)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_pglite() -> AsyncIterator[Local]:
    async for local in _local("pglite"):
        yield local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_postgres() -> AsyncIterator[Local]:
    async for local in _local("postgres"):
        yield local


@pytest.mark.asyncio(loop_scope="module")
class TestOnPglite(StoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, on_pglite: Local) -> AsyncIterator[Store]:
        async with httpx.AsyncClient(trust_env=False) as http:
            yield SupabaseStore(Rpc(on_pglite.url, on_pglite.keys.secret, http))

    async def test_browsers_and_strangers_are_refused(self, on_pglite: Local) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            for key in (on_pglite.keys.publishable, "sb_secret_of_another_project"):
                with pytest.raises(StoreUnavailable) as caught:
                    await SupabaseStore(Rpc(on_pglite.url, key, http)).ping()
                assert caught.value.fault is StoreFault.KEY_REFUSED


@pytest.mark.asyncio(loop_scope="module")
class TestOnPostgresWithLostAnswers(StoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, on_postgres: Local, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
        monkeypatch.setattr("shared.stores.rpc.BACKOFF_SECONDS", (0.0, 0.0))
        async with httpx.AsyncClient(transport=LosesFirstAnswers()) as http:
            yield SupabaseStore(Rpc(on_postgres.url, on_postgres.keys.secret, http))
