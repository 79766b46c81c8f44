"""The store over a hosted project's Data API: as it is, and with the faults that a hosted project has now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import jwt
import pytest
import pytest_asyncio

from dev.data_api.app import DataApi, Options
from dev.data_api.server import serving
from dev.ports import HOST
from dev.postgres import apply_sql
from shared.core.errors import NoAgents, StoreFault, StoreUnavailable
from shared.ports import Store
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from tests.contracts.store import LESSEE, StoreContract, message
from tests.db.database import MIGRATIONS, SEED
from tests.platform.hosted import KEYS, LOGIN, OWNER, Project, Server


@pytest.fixture(scope="module")
def project(server: Server) -> Project:
    project = server.project("store")
    apply_sql(project.dsn(OWNER), *MIGRATIONS, SEED)
    return project


@asynccontextmanager
async def _store(project: Project, key: str, *, fault_every: int = 0) -> AsyncIterator[Store]:
    api = DataApi(Options(project.dsn(LOGIN), KEYS))
    api.faults.every = fault_every
    async with serving(api) as port, httpx.AsyncClient(trust_env=False) as http:
        yield SupabaseStore(Rpc(f"http://{HOST}:{port}", key, http))


class TestOnDataApi(StoreContract):
    @pytest_asyncio.fixture
    async def store(self, project: Project) -> AsyncIterator[Store]:
        async with _store(project, KEYS.secret) as store:
            yield store

    async def test_a_key_of_the_old_form_opens_it_too(self, project: Project) -> None:
        key = jwt.encode({"role": "service_role", "iss": "supabase"}, KEYS.jwt_secret, algorithm="HS256")
        async with _store(project, key) as store:
            assert await store.ping()

    @pytest.mark.parametrize("key", [KEYS.publishable, "sb_secret_of_another_project"])
    async def test_browsers_and_strangers_are_refused(self, project: Project, key: str) -> None:
        async with _store(project, key) as store:
            assert await fault_of(store) is StoreFault.KEY_REFUSED


async def test_a_project_without_the_seed_says_so(server: Server) -> None:
    project = server.project("unseeded")
    apply_sql(project.dsn(OWNER), *MIGRATIONS)
    async with _store(project, KEYS.secret) as store:
        with pytest.raises(NoAgents):
            await store.submit_turn(message(), LESSEE)


async def test_a_project_without_the_migrations_says_so(server: Server) -> None:
    async with _store(server.project("bare"), KEYS.secret) as store:
        assert await fault_of(store) is StoreFault.FUNCTION_MISSING


async def test_right_after_a_migration_its_functions_are_missing_for_a_while(server: Server) -> None:
    project = server.project("migrating")
    api = DataApi(Options(project.dsn(LOGIN), KEYS))
    async with serving(api) as port, httpx.AsyncClient(trust_env=False) as http:
        store = SupabaseStore(Rpc(f"http://{HOST}:{port}", KEYS.secret, http))
        api.schema_cache.may_look.clear()
        apply_sql(project.dsn(OWNER), *MIGRATIONS)
        assert await fault_of(store) is StoreFault.FUNCTION_MISSING
        api.schema_cache.may_look.set()
        await asyncio.wait_for(api.schema_cache.reloaded.wait(), 10)
        assert await store.ping()


async def test_a_database_without_a_connection_is_away(project: Project) -> None:
    api = DataApi(Options(project.dsn("no_such_role"), KEYS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api)) as http:
        assert await fault_of(SupabaseStore(Rpc("http://api", KEYS.secret, http))) is StoreFault.DATABASE_AWAY


async def fault_of(store: Store) -> StoreFault:
    with pytest.raises(StoreUnavailable) as caught:
        await store.ping()
    return caught.value.fault


class TestOnDataApiWithFaults(StoreContract):
    @pytest_asyncio.fixture
    async def store(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
        monkeypatch.setattr("shared.stores.rpc.BACKOFF_SECONDS", (0.0, 0.0))
        async with _store(project, KEYS.secret, fault_every=3) as store:
            yield store
