"""The local Supabase behaves as the hosted one where this project leans on it, on PGlite and on a real Postgres."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import jwt
import pytest
import pytest_asyncio
from postgrest.exceptions import APIError

from dev import node, supabase_local
from dev.cli import Options
from dev.ports import free_range
from dev.probe import client, sign_in
from dev.processes import ChildDied, Processes
from dev.supabase_local import DEMO_EMAIL, DEMO_PASSWORD, Keys, Place
from supabase import AsyncClient, AsyncClientOptions, create_async_client

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # supabase-py itself hands postgrest the parameters that postgrest deprecates
    pytest.mark.filterwarnings("ignore:The '(timeout|verify)' parameter is deprecated:DeprecationWarning"),
]


@dataclass(frozen=True)
class Local:
    url: str
    keys: Keys
    http: httpx.AsyncClient
    service: AsyncClient

    async def sign_up(self, email: str) -> tuple[str, dict[str, str]]:
        """A new user's id, and the headers of their requests."""
        credentials = {"email": email, "password": "a long secret"}
        answer = await self.http.post(f"{self.url}/auth/v1/signup", headers=self.anon(), json=credentials)
        assert answer.status_code == 200, answer.text
        session = answer.json()
        return session["user"]["id"], {**self.anon(), "Authorization": f"Bearer {session['access_token']}"}

    def anon(self) -> dict[str, str]:
        return {"apikey": self.keys.publishable}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["pglite", "postgres"])
async def local(request: pytest.FixtureRequest) -> AsyncIterator[Local]:
    db: Literal["pglite", "postgres"] = request.param
    options = replace(Options(db=db), migrations=HERE / "migrations", seed=HERE / "no-seed.sql")
    port, keys = free_range(1)[0], Keys.fresh()
    async with Processes(print) as processes, client() as http:
        found = await node.find_node()
        await node.ensure_packages(found, supabase_local.PACKAGE, processes, print)
        socket = await supabase_local.start_postgres(processes, sys.executable) if db == "postgres" else None
        place = Place(port, keys, ["http://127.0.0.1:1"], socket)
        local = await supabase_local.start(processes, found, options, place)
        await local.wait_ready(processes, http)
        url = supabase_local.url(port)
        shared = AsyncClientOptions(httpx_client=http)
        yield Local(url, keys, http, await create_async_client(url, keys.secret, shared))


async def test_a_new_user_gets_a_token_as_the_hosted_one_writes_it(local: Local) -> None:
    user_id, headers = await local.sign_up("token@example.com")
    token = headers["Authorization"].removeprefix("Bearer ")
    issuer = f"{local.url}/auth/v1"
    claims = jwt.decode(token, local.keys.jwt_secret, algorithms=["HS256"], audience="authenticated", issuer=issuer)
    assert (claims["sub"], claims["role"], claims["email"]) == (user_id, "authenticated", "token@example.com")
    assert claims["app_metadata"]["provider"] == "email"
    who = await local.http.get(f"{local.url}/auth/v1/user", headers=headers)
    assert (who.status_code, who.json()["id"]) == (200, user_id)


async def test_a_refreshed_session_is_complete_too(local: Local) -> None:
    credentials = {"email": DEMO_EMAIL, "password": DEMO_PASSWORD}
    token_url = f"{local.url}/auth/v1/token"
    first = await local.http.post(f"{token_url}?grant_type=password", headers=local.anon(), json=credentials)
    refresh = {"refresh_token": first.json()["refresh_token"]}
    again = await local.http.post(f"{token_url}?grant_type=refresh_token", headers=local.anon(), json=refresh)
    claims = jwt.decode(again.json()["access_token"], options={"verify_signature": False})
    assert claims["iss"] == f"{local.url}/auth/v1"


async def test_the_demo_user_can_sign_in(local: Local) -> None:
    assert await sign_in(local.http, local.url, local.keys.publishable, DEMO_EMAIL, DEMO_PASSWORD)


async def test_a_minted_token_is_a_user(local: Local) -> None:
    user_id, _ = await local.sign_up("minted@example.com")
    await local.service.rpc("add_note", {"p_user_id": user_id, "p_body": "for the minted"}).execute()
    later = datetime.now(UTC) + timedelta(minutes=5)
    claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "exp": later}
    token = jwt.encode(claims, local.keys.jwt_secret, algorithm="HS256")
    rows = await read_notes(local, {**local.anon(), "Authorization": f"Bearer {token}"})
    assert [row["body"] for row in rows] == ["for the minted"]


async def test_the_secret_key_calls_and_reads_what_is_granted_to_it(local: Local) -> None:
    user_id, _ = await local.sign_up("service@example.com")
    arguments = {"p_user_id": user_id, "p_body": "hello", "p_meta": {"depth": [1, {"two": None}]}}
    answer = await local.service.rpc("add_note", arguments).execute()
    (row,) = rows_of(answer.data)
    assert row["meta"] == arguments["p_meta"]
    stamp = datetime.fromisoformat(row["created_at"])
    assert "T" in row["created_at"]
    assert stamp.utcoffset() == timedelta(0)
    again = await local.service.table("notes").select("body, meta, created_at").eq("user_id", user_id).execute()
    assert rows_of(again.data) == [{name: row[name] for name in ("body", "meta", "created_at")}]


async def test_the_secret_key_gets_no_more_than_its_grants(local: Local) -> None:
    with pytest.raises(APIError) as error:
        await local.service.table("notes").delete().gt("id", 0).execute()
    assert error.value.code == "42501"


async def test_users_read_their_own_rows_only(local: Local) -> None:
    first, first_headers = await local.sign_up("first@example.com")
    second, second_headers = await local.sign_up("second@example.com")
    for user_id in (first, second):
        await local.service.rpc("add_note", {"p_user_id": user_id, "p_body": f"of {user_id}"}).execute()
    assert [row["user_id"] for row in await read_notes(local, first_headers)] == [first]
    assert [row["user_id"] for row in await read_notes(local, second_headers)] == [second]


async def test_users_and_strangers_cannot_call_what_is_not_theirs(local: Local) -> None:
    user_id, headers = await local.sign_up("caller@example.com")
    for caller, status in ((headers, 403), (local.anon(), 401)):
        answer = await local.http.post(
            f"{local.url}/rest/v1/rpc/add_note", headers=caller, json={"p_user_id": user_id, "p_body": "mine"}
        )
        assert (answer.status_code, answer.json()["code"]) == (status, "42501")
    assert (await local.http.get(f"{local.url}/rest/v1/notes", headers=local.anon())).status_code == 401
    assert (await local.http.get(f"{local.url}/rest/v1/notes")).status_code == 401
    assert await read_notes(local, headers) == []


async def test_errors_out_of_sql_keep_their_status(local: Local) -> None:
    answer = await local.http.post(f"{local.url}/rest/v1/rpc/refuse", headers=local.anon(), json={})
    assert (answer.status_code, answer.json()["message"]) == (409, "busy")


@pytest.mark.parametrize("path", ["/auth/v1/signup", "/rest/v1/notes"])
async def test_browsers_are_let_in(local: Local, path: str) -> None:
    origin = {"Origin": "http://localhost:3000"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apikey,x-client-info"}
    preflight = await local.http.options(local.url + path, headers={**origin, **asked})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "apikey,x-client-info"
    answer = await local.http.post(local.url + path, headers={**origin, **local.anon()}, json={})
    assert answer.status_code >= 400
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_any_instance_the_function_is_unavailable(local: Local) -> None:
    answer = await local.http.post(f"{local.url}/functions/v1/multi-agent-chat", json={"message": "hello"})
    assert (answer.status_code, answer.json()["code"]) == (503, "function_unavailable")


async def test_a_bad_migration_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001_typo.sql").write_text("select 1;\ncreate tabel oops ();")
    options = replace(Options(), migrations=tmp_path, seed=tmp_path / "none.sql")
    async with Processes(print) as processes, client() as http:
        found = await node.find_node()
        await node.ensure_packages(found, supabase_local.PACKAGE, processes, print)
        port = free_range(1)[0]
        local = await supabase_local.start(processes, found, options, Place(port, Keys.fresh(), []))
        with pytest.raises(ChildDied, match=r"0001_typo\.sql could not be applied: .*\"tabel\" \(line 2\)$"):
            await local.wait_ready(processes, http)


async def read_notes(local: Local, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await local.http.get(f"{local.url}/rest/v1/notes?order=id", headers=headers)
    assert answer.status_code == 200, answer.text
    return rows_of(answer.json())


def rows_of(data: object) -> list[dict[str, Any]]:
    assert isinstance(data, list)
    return data


async def test_data_that_are_kept_are_there_at_the_next_start_and_want_the_migrations_they_had(tmp_path: Path) -> None:
    shutil.copytree(HERE / "migrations", tmp_path / "migrations")
    options = replace(Options(), migrations=tmp_path / "migrations", seed=HERE / "no-seed.sql")
    found, keys = await node.find_node(), Keys.fresh()

    @asynccontextmanager
    async def started() -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
        async with Processes(print) as processes, client() as http:
            place = Place(free_range(1)[0], keys, [], data=tmp_path / "data")
            await (await supabase_local.start(processes, found, options, place)).wait_ready(processes, http)
            yield supabase_local.url(place.port), http

    async with started() as (url, http):
        body = {"email": "kept@example.com", "password": "a long secret"}
        answer = await http.post(f"{url}/auth/v1/signup", headers={"apikey": keys.publishable}, json=body)
        assert answer.status_code == 200, answer.text
    (tmp_path / "migrations/9_later.sql").write_text("create table public.later (id int);")
    async with started() as (url, http):
        assert await sign_in(http, url, keys.publishable, "kept@example.com", "a long secret")
        assert await sign_in(http, url, keys.publishable, DEMO_EMAIL, DEMO_PASSWORD)
    (tmp_path / "migrations/9_later.sql").write_text("create table public.later (id bigint);")
    with pytest.raises(ChildDied, match=r"made with another 9_later\.sql\. Drop them with --fresh"):
        async with started():
            pass
