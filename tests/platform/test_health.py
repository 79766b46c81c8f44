"""What health says of a project that was not set up to its end, or is behind the code."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dev.data_api.app import DataApi, Options
from dev.data_api.server import serving
from dev.ports import HOST
from dev.postgres import apply_sql
from functions.multi_agent_chat.health import Health
from shared.clock import LoopClock
from shared.ports import SCHEMA_VERSION
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from tests.db.database import MIGRATIONS, SEED
from tests.platform.hosted import KEYS, LOGIN, OWNER, Project, Server

OLDER = """
create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20260101000000')
$$;
"""


async def report(project: Project, key: str = KEYS.secret) -> dict[str, Any]:
    async def provider_answers() -> bool:
        return True

    async with serving(DataApi(Options(project.dsn(LOGIN), KEYS))) as port, httpx.AsyncClient(trust_env=False) as http:
        store = SupabaseStore(Rpc(f"http://{HOST}:{port}", key, http))
        said = await Health(LoopClock(), store=store, ping_provider=provider_answers).report()
    return {name: value for name, value in said.items() if name not in ("version", "provider")}


@pytest.fixture(scope="module")
def project(server: Server) -> Project:
    project = server.project("health")
    apply_sql(project.dsn(OWNER), *MIGRATIONS, SEED)
    return project


async def test_a_project_that_was_set_up(project: Project) -> None:
    assert await report(project) == {"status": "ok", "store": "ok", "schema": SCHEMA_VERSION, "agents": "ok"}


async def test_one_that_is_behind_the_code(server: Server) -> None:
    project = server.project("behind")
    apply_sql(project.dsn(OWNER), *MIGRATIONS, SEED)
    project.run(OLDER)
    said = {"status": "unavailable", "store": "ok", "schema": "20260101000000", "agents": "ok"}
    assert await report(project) == said | {"schema_needed": SCHEMA_VERSION}


async def test_one_without_the_seed(server: Server) -> None:
    project = server.project("no_seed")
    apply_sql(project.dsn(OWNER), *MIGRATIONS)
    said = {"status": "unavailable", "store": "ok", "schema": SCHEMA_VERSION, "agents": "none"}
    assert await report(project) == said


async def test_one_without_the_migrations(server: Server) -> None:
    said = {"status": "unavailable", "store": "ok", "schema": "missing", "agents": "unknown"}
    assert await report(server.project("no_migrations")) == said | {"schema_needed": SCHEMA_VERSION}


async def test_one_whose_key_is_refused(project: Project) -> None:
    said = {"status": "unavailable", "store": "key_refused", "schema": "unknown", "agents": "unknown"}
    assert await report(project, "sb_secret_of_another_project") == said | {"schema_needed": SCHEMA_VERSION}
