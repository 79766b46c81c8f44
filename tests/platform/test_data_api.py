"""The Data API in front of a hosted project's Postgres: each answer of a hosted project, brought about for real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jwt
import pytest

from dev.data_api.app import DataApi, Options
from dev.data_api.errors import status_of
from dev.data_api.faults import FAULTS, FaultName
from dev.data_api.server import serving
from dev.emulator.testing import local_client
from tests.platform.hosted import KEYS, LOGIN, Project, Server

FUNCTIONS = """
create table public.notes (id bigint generated always as identity, body text unique);
create function public.typed(p_number integer, p_text text, p_flag boolean default true, p_object jsonb default null)
returns jsonb language sql stable as $$
  select jsonb_build_object('number', p_number + 1, 'text', p_text, 'flag', p_flag, 'object', p_object)
$$;
create function public.write_note(p_body text) returns jsonb language sql volatile as $$
  insert into public.notes (body) values (p_body) returning to_jsonb(body)
$$;
create function public.write_in_vain(p_body text) returns jsonb language plpgsql stable as $$
begin
  return public.write_note(p_body);
end
$$;
create function public.who() returns jsonb language sql stable as $$
  select jsonb_build_object('user', current_user, 'session', session_user, 'sub', auth.uid(),
    'seconds', current_setting('statement_timeout'), 'lock', current_setting('lock_timeout'),
    'backend', pg_backend_pid())
$$;
create function public.several() returns setof jsonb language sql stable as $$ values ('1'::jsonb), ('2') $$;
create function public.nothing() returns void language sql stable as $$ select $$;
create function public.slow() returns jsonb language sql stable set statement_timeout = '50ms' as $$
  select to_jsonb(true) from pg_sleep(5)
$$;
create function public.wait_for(p_lock bigint) returns jsonb language sql volatile as $$
  select to_jsonb(true) from pg_advisory_xact_lock(p_lock)
$$;
create function public.fail_with(p_code text) returns jsonb language plpgsql stable as $$
begin
  raise exception 'failed' using errcode = p_code, detail = 'the detail', hint = 'the hint';
end
$$;
revoke execute on all functions in schema public from public;
grant execute on all functions in schema public to service_role;
grant execute on function public.who() to anon, authenticated;
grant insert, select on public.notes to service_role;
"""


@dataclass(frozen=True)
class Api:
    api: DataApi
    http: httpx.AsyncClient

    async def call(self, function: str, headers: dict[str, str] | None = None, **arguments: Any) -> httpx.Response:
        sent = {"apikey": KEYS.secret} if headers is None else headers
        return await self.http.post(f"/rest/v1/rpc/{function}", json=arguments, headers=sent)


@pytest.fixture(scope="module")
def project(server: Server) -> Project:
    project = server.project("data_api")
    project.run(FUNCTIONS)
    return project


@asynccontextmanager
async def serve(project: Project, **changes: Any) -> AsyncIterator[Api]:
    api = DataApi(replace(Options(project.dsn(LOGIN), KEYS), **changes))
    async with serving(api) as port, local_client(f"http://127.0.0.1:{port}") as http:
        yield Api(api, http)


@pytest.fixture
async def api(project: Project) -> AsyncIterator[Api]:
    async with serve(project) as api:
        yield api


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, in the one form of PostgREST's errors."""
    body = answer.json()
    assert set(body) == {"code", "message", "details", "hint"}
    assert answer.headers["proxy-status"] == f"PostgREST; error={body['code']}"
    return answer.status_code, body["code"]


async def calls_wait(project: Project, count: int) -> None:
    """Return once that many calls wait for the lock of the test."""
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    async with asyncio.timeout(20):
        while project.rows(waiting)[0]["count"] < count:  # noqa: ASYNC110 - Postgres does not say when a lock is waited for
            await asyncio.sleep(0.01)


def token(**claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 3600, **claims}, KEYS.jwt_secret, algorithm="HS256")


async def test_arguments_have_the_types_of_the_parameters(api: Api) -> None:
    answer = await api.call("typed", p_number="41", p_text=7, p_object={"a": [None, "ü\n"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {"number": 42, "text": "7", "flag": True, "object": {"a": [None, "ü\n"]}}
    assert (await api.call("typed", p_number=1, p_text=None, p_flag=False)).json()["flag"] is False
    text_as_json = (await api.call("typed", p_number=1, p_text="", p_object='{"a": 1}')).json()
    assert text_as_json["object"] == '{"a": 1}', "a string stays a string"
    assert refused(await api.call("typed", p_number="many", p_text="")) == (400, "22P02")
    assert refused(await api.call("typed", p_number=1, p_text="\0")) == (400, "22P05")


async def test_results_of_every_kind(api: Api) -> None:
    assert (await api.call("several")).json() == [1, 2]
    nothing = await api.call("nothing")
    assert (nothing.status_code, nothing.content) == (204, b"")


@pytest.mark.parametrize(
    "arguments",
    [{"p_number": 1}, {"p_number": 1, "p_text": "", "p_other": 1}, {}],
    ids=["one is missing", "one is unknown", "none"],
)
async def test_a_call_that_fits_no_function(api: Api, arguments: dict[str, Any]) -> None:
    assert refused(await api.call("typed", **arguments)) == (404, "PGRST202")
    assert refused(await api.call("no_such_function", **arguments)) == (404, "PGRST202")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object(api: Api, body: bytes) -> None:
    answer = await api.http.post("/rest/v1/rpc/who", content=body, headers={"apikey": KEYS.secret})
    assert refused(answer) == (400, "PGRST102")


async def test_paths_and_methods_that_it_lacks(api: Api) -> None:
    assert refused(await api.http.get("/rest/v1/rpc/who", headers={"apikey": KEYS.secret})) == (405, "PGRST101")
    assert refused(await api.http.get("/rest/v1/notes", headers={"apikey": KEYS.secret})) == (404, "PGRST125")


async def test_only_volatile_functions_may_write(api: Api, project: Project) -> None:
    assert (await api.call("write_note", p_body="written")).json() == "written"
    assert refused(await api.call("write_in_vain", p_body="in vain")) == (405, "25006")
    assert refused(await api.call("write_note", p_body="written")) == (409, "23505")
    assert [row["body"] for row in project.rows("select body from public.notes")] == ["written"]


async def test_each_role_is_taken_on_with_its_own_time_outs(api: Api) -> None:
    user = token(sub="3f0f8c3a-0000-4000-8000-000000000000", role="authenticated")
    seen = {
        "service_role": (await api.call("who")).json(),
        "anon": (await api.call("who", {"apikey": KEYS.publishable})).json(),
        "authenticated": (
            await api.call("who", {"apikey": KEYS.publishable, "Authorization": f"Bearer {user}"})
        ).json(),
    }
    assert {role: answer["user"] for role, answer in seen.items()} == {role: role for role in seen}
    assert {role: answer["seconds"] for role, answer in seen.items()} == {
        "service_role": "8s",
        "anon": "3s",
        "authenticated": "8s",
    }
    assert {answer["session"] for answer in seen.values()} == {"authenticator"}
    assert {answer["lock"] for answer in seen.values()} == {"8s"}
    assert seen["authenticated"]["sub"] == "3f0f8c3a-0000-4000-8000-000000000000"
    assert seen["service_role"]["sub"] is None, "nothing of one call is left for the next"


async def test_a_connection_serves_one_call_after_the_other(api: Api) -> None:
    assert refused(await api.call("typed", p_number="many", p_text="")) == (400, "22P02")
    backends = {(await api.call("who")).json()["backend"] for _ in range(3)}
    assert refused(await api.call("fail_with", p_code="P0001")) == (400, "P0001")
    assert backends == {(await api.call("who")).json()["backend"]}, "also after calls that failed"
    assert len(backends) == 1


async def test_arguments_and_results_of_a_megabyte(api: Api) -> None:
    text = "ü" * 500_000
    calls = [api.call("typed", p_number=number, p_text=text) for number in range(4)]
    for number, answer in enumerate(await asyncio.gather(*calls)):
        assert answer.json() == {"number": number + 1, "text": text, "flag": True, "object": None}


async def test_a_missing_right_is_401_before_sign_in_and_403_after(api: Api) -> None:
    user = token(role="authenticated")
    assert refused(await api.call("several", {"apikey": KEYS.publishable})) == (401, "42501")
    signed_in = {"apikey": KEYS.publishable, "Authorization": f"Bearer {user}"}
    assert refused(await api.call("several", signed_in)) == (403, "42501")


LEGACY_SERVICE = token(role="service_role")
LEGACY_ANON = token(role="anon")


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        ({"apikey": KEYS.secret}, "service_role"),
        ({"apikey": KEYS.secret, "Authorization": f"Bearer {KEYS.secret}"}, "service_role"),
        ({"apikey": LEGACY_SERVICE, "Authorization": f"Bearer {LEGACY_SERVICE}"}, "service_role"),
        ({"apikey": LEGACY_SERVICE}, "anon"),
        ({"apikey": LEGACY_ANON, "Authorization": f"Bearer {token(role='authenticated')}"}, "authenticated"),
        ({"apikey": KEYS.secret, "Authorization": f"Bearer {token(role='authenticated')}"}, "authenticated"),
    ],
)
async def test_which_key_is_which_role(api: Api, headers: dict[str, str], role: str) -> None:
    assert (await api.call("who", headers)).json()["user"] == role


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"apikey": "sb_secret_of_another_project"}, None),
        ({"apikey": KEYS.secret, "User-Agent": "Mozilla/5.0"}, None),
        ({"apikey": token(role="service_role") + "x"}, None),
        ({"apikey": KEYS.publishable, "Authorization": f"Bearer {KEYS.secret}"}, "PGRST301"),
        ({"apikey": KEYS.secret, "Authorization": "Bearer a.b.c"}, "PGRST301"),
        ({"apikey": KEYS.secret, "Authorization": f"Bearer {token(exp=1)}"}, "PGRST303"),
        ({"apikey": KEYS.secret, "Authorization": f"Bearer {token(iat=int(time.time()) + 86_400)}"}, "PGRST303"),
    ],
)
async def test_keys_that_are_refused(api: Api, headers: dict[str, str], code: str | None) -> None:
    answer = await api.call("who", headers)
    assert answer.status_code == 401
    assert answer.json().get("code") == code, "what the gateway refuses names no code"


async def test_a_statement_has_its_time(api: Api) -> None:
    asked_at = time.monotonic()
    assert refused(await api.call("slow")) == (500, "57014")
    assert time.monotonic() - asked_at < 2
    assert (await api.call("who")).status_code == 200


async def test_a_call_that_gets_no_connection(project: Project) -> None:
    with project.connection() as connection:
        connection.execute("select pg_advisory_lock(1)")
        async with serve(project, pool_size=1, acquire_seconds=0.1) as api:
            waiting = asyncio.create_task(api.call("wait_for", p_lock=1))
            await calls_wait(project, 1)
            assert refused(await api.call("who")) == (504, "PGRST003")
            connection.execute("select pg_advisory_unlock(1)")
            assert (await waiting).status_code == 200
            assert (await api.call("who")).status_code == 200
            statistics = (await api.http.get("/_statistics")).json()
    assert statistics["calls"] == {"wait_for": 1, "who": 2}
    assert statistics["statuses"] == {"200": 2, "504": 1}
    assert statistics["longest_pool_wait_ms"] >= 100


async def test_no_more_connections_than_the_pool_has(project: Project) -> None:
    with project.connection() as connection:
        connection.execute("select pg_advisory_lock(2)")
        async with serve(project, pool_size=3) as api:
            calls = [asyncio.create_task(api.call("wait_for", p_lock=2)) for _ in range(12)]
            await calls_wait(project, 3)
            connections = "select count(*) from pg_stat_activity where usename = 'authenticator' and query !~ 'listen'"
            assert project.rows(connections)[0]["count"] <= 4, "three, and the one that keeps the schema cache"
            connection.execute("select pg_advisory_unlock(2)")
            assert {(await call).status_code for call in calls} == {200}


async def test_a_database_that_takes_no_further_connection(project: Project) -> None:
    async with serve(project) as api:
        project.run("alter role authenticator connection limit 1", "supabase_admin")  # which keeps the schema cache
        try:
            assert refused(await api.call("who")) == (503, "PGRST000")
        finally:
            project.run("alter role authenticator connection limit -1", "supabase_admin")
        assert (await api.call("who")).status_code == 200


async def test_connections_that_were_cut(project: Project) -> None:
    async with serve(project) as api:
        assert (await api.call("who")).status_code == 200
        api.api.schema_cache.loaded.clear()
        project.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
        status, code = refused(await api.call("who"))
        assert (status, code) in {(503, "57P01"), (503, "PGRST001")}
        assert (await api.call("who")).status_code == 200
        await asyncio.wait_for(api.api.schema_cache.loaded.wait(), 10)


async def test_a_new_function_is_unknown_for_a_while(project: Project) -> None:
    async with serve(project) as api:
        api.api.schema_cache.may_look.clear()
        project.run("create function public.added() returns jsonb language sql stable as 'select to_jsonb(7)'")
        try:
            assert refused(await api.call("added")) == (404, "PGRST202")
            api.api.schema_cache.may_look.set()
            await asyncio.wait_for(api.api.schema_cache.reloaded.wait(), 10)
            project.run("grant execute on function public.added() to service_role")
            assert (await api.call("added")).json() == 7
        finally:
            project.run("drop function public.added()")


async def test_before_the_schema_cache_is_loaded(project: Project) -> None:
    api = DataApi(Options(project.dsn("no_such_role"), KEYS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://api") as http:
        answer = await http.post("/rest/v1/rpc/who", json={}, headers={"apikey": KEYS.secret})
        assert refused(answer) == (503, "PGRST002")
        assert (await http.get("/rest-admin/v1/ready")).status_code == 503


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("P0001", 400), ("P0002", 500), ("22023", 400), ("23502", 400), ("23503", 409), ("23514", 400), ("40001", 500),
        ("40P01", 500), ("42501", 403), ("42883", 404), ("42P01", 404), ("42P17", 500), ("53100", 503), ("53300", 503),
        ("53400", 500), ("54001", 500), ("55000", 500), ("55P03", 500), ("57014", 500), ("57P03", 500), ("58030", 500),
        ("PT418", 418), ("XX000", 500),
    ],
)  # fmt: skip
async def test_what_sql_raises_has_a_status(api: Api, code: str, status: int) -> None:
    answer = await api.call("fail_with", p_code=code)
    assert refused(answer) == (status, code)
    assert answer.json() | {"code": ""} == {
        "code": "",
        "message": "failed",
        "details": "the detail",
        "hint": "the hint",
    }


def test_statuses_that_depend_on_more_than_the_code() -> None:
    assert status_of("42501", "", authenticated=False) == 401
    assert status_of("22023", 'role "ghost" does not exist', authenticated=True) == 401
    assert status_of("PTabc", "", authenticated=True) == 400


STRUCK: dict[FaultName, tuple[int, str]] = {
    "pool": (504, "PGRST003"),
    "schema": (503, "PGRST002"),
    "connection": (503, "PGRST001"),
    "timeout": (500, "57014"),
    "connections": (503, "53300"),
    "token": (401, "PGRST303"),
}


async def test_faults_strike_when_told_to(api: Api, project: Project) -> None:
    api.api.faults.upcoming.extend(STRUCK)
    for expected in STRUCK.values():
        assert refused(await api.call("write_note", p_body="struck")) == expected
    assert not project.rows("select from public.notes where body = 'struck'")
    api.api.faults.upcoming.append("gateway")
    late = await api.call("write_note", p_body="late")
    assert late.status_code == 522
    assert late.text.startswith("<!DOCTYPE html>")
    assert project.rows("select from public.notes where body = 'late'"), "the answer is lost, not the write"


async def test_every_nth_call_is_struck_by_the_next_kind(api: Api) -> None:
    api.api.faults.every = 3
    statuses = [(await api.call("who")).status_code for _ in range(3 * len(FAULTS))]
    assert statuses[0::3] == statuses[1::3] == [200] * len(FAULTS)
    assert statuses[2::3] == [*(status for status, _ in STRUCK.values()), 522]
