"""What the store makes of a database that does not answer, answers nonsense, or says no."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import respx

from shared import logs
from shared.core.errors import NotFound, StoreFault, StoreRefused, StoreUnavailable
from shared.ports import Lease, TurnUpdate
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from tests.contracts.store import new_id

URL = "https://project.example"
SECRET = "sb_secret_canary"
CANARY = "canary: select * from turns where text = 'private'"
OK = httpx.Response(200, json={"outcome": "ok"})


def pg_error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": CANARY, "details": CANARY, "hint": None})


PASSING: dict[str, Any] = {
    "connection refused": httpx.ConnectError(CANARY),
    "no connection in time": httpx.ConnectTimeout(CANARY),
    "answer lost": httpx.ReadTimeout(CANARY),
    "reset": httpx.ReadError(CANARY),
    "cut off": httpx.RemoteProtocolError(CANARY),
    "pool exhausted": httpx.PoolTimeout(CANARY),
    "500 without a body": httpx.Response(500),
    "502 from a proxy": httpx.Response(502, text=f"<html>{CANARY}</html>"),
    "503 no database": pg_error(503, "PGRST001"),
    "504 no connection": pg_error(504, "PGRST003"),
    "500 deadlock": pg_error(500, "40P01"),
    "500 serialization": pg_error(500, "40001"),
    "500 out of connections": pg_error(500, "53300"),
    "500 statement timeout": pg_error(500, "57014"),
    "429": httpx.Response(429, text="slow down"),
    "408": httpx.Response(408),
    "200 that is no JSON": httpx.Response(200, text=CANARY),
    "200 empty": httpx.Response(200, text=""),
    "200 null": httpx.Response(200, json=None),
    "200 a list": httpx.Response(200, json=[CANARY]),
    "200 a string": httpx.Response(200, json=CANARY),
    "200 unknown outcome": httpx.Response(200, json={"outcome": CANARY}),
    "200 without outcome": httpx.Response(200, json={"text": CANARY}),
    "200 nested without end": httpx.Response(200, text="[" * 100_000),
    "204": httpx.Response(204),
    "401 of a token that is not valid yet": pg_error(401, "PGRST303"),
    "302": httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
}
# What is refused, and why as far as the operator is concerned.
FINAL: dict[str, tuple[httpx.Response, StoreFault]] = {
    "401 refused by the gateway": (httpx.Response(401, text=CANARY), StoreFault.KEY_REFUSED),
    "401 a key of another project": (httpx.Response(401, json={"message": CANARY}), StoreFault.KEY_REFUSED),
    "401 no token": (pg_error(401, "PGRST301"), StoreFault.KEY_REFUSED),
    "403 no right": (pg_error(403, "42501"), StoreFault.KEY_REFUSED),
    "404 not in the schema cache": (pg_error(404, "PGRST202"), StoreFault.FUNCTION_MISSING),
    "404 no such function": (pg_error(404, "42883"), StoreFault.FUNCTION_MISSING),
    "404 no such table": (pg_error(404, "42P01"), StoreFault.FUNCTION_MISSING),
    "406 no such schema": (pg_error(406, "PGRST106"), StoreFault.FUNCTION_MISSING),
    "404 no such project": (httpx.Response(404, text=CANARY), StoreFault.DATABASE_AWAY),
}
OUR_FAULT: dict[str, Any] = {
    "400 bad argument": pg_error(400, "22P02"),
    "409 constraint": pg_error(409, "23505"),
    "400 trigger": pg_error(400, "55000"),
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.stores.rpc.BACKOFF_SECONDS", (0.0, 0.0))


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_what_passes_is_asked_again_and_given_up_after_three(fault: Any, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping")
    async with httpx.AsyncClient() as http:
        store = SupabaseStore(Rpc(URL, SECRET, http))
        route.side_effect = [fault, fault, OK]
        assert await store.ping()
        route.side_effect = [fault] * 4
        with pytest.raises(StoreUnavailable) as caught:
            await store.ping()
    assert route.call_count == 6
    check_silent(caught.value)


@pytest.mark.parametrize(("answer", "fault"), FINAL.values(), ids=FINAL)
async def test_a_no_is_not_asked_again(answer: httpx.Response, fault: StoreFault, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping").mock(return_value=answer)
    async with httpx.AsyncClient() as http:
        with pytest.raises(StoreUnavailable) as caught:
            await SupabaseStore(Rpc(URL, SECRET, http)).ping()
    assert route.call_count == 1
    assert caught.value.fault is fault
    check_silent(caught.value)


@pytest.mark.parametrize("fault", OUR_FAULT.values(), ids=OUR_FAULT)
async def test_what_we_asked_wrongly_is_no_absence(fault: Any, respx_mock: respx.MockRouter) -> None:
    """Told to retry, a caller would retry for ever."""
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping").mock(return_value=fault)
    async with httpx.AsyncClient() as http:
        with pytest.raises(StoreRefused) as caught:
            await SupabaseStore(Rpc(URL, SECRET, http)).ping()
    assert route.call_count == 1
    assert (caught.value.code, caught.value.retryable) == ("internal_error", False)
    assert "canary" not in f"{caught.value!r}"


def check_silent(error: StoreUnavailable) -> None:
    """Nothing of the database, the key or a row in what may reach a log or an answer."""
    assert error.code == "store_unavailable"
    assert error.retryable
    shown = f"{error} {error!r} {error.details} {error.__cause__!r}"
    assert "canary" not in shown


async def test_a_whole_call_has_a_deadline(respx_mock: respx.MockRouter) -> None:
    asked = 0

    async def never(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping").side_effect = never
    async with httpx.AsyncClient() as http, asyncio.timeout(2):
        with pytest.raises(StoreUnavailable):
            await SupabaseStore(Rpc(URL, SECRET, http, call_seconds=0.2)).ping()
    assert asked == 2, "half of the deadline for one answer that never comes"


async def test_all_attempts_carry_the_same_op(respx_mock: respx.MockRouter) -> None:
    """The database knows a repeated write by its op; a new call has a new one."""
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_advance_turn").mock(return_value=httpx.Response(503))
    lease = Lease(new_id(), new_id(), 7)
    async with httpx.AsyncClient() as http:
        store = SupabaseStore(Rpc(URL, SECRET, http))
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.advance_turn(lease, new_id(), TurnUpdate(), 15)
    ops = [json.loads(call.request.content)["p_op"] for call in route.calls]
    assert len(ops) == 6
    assert ops[0] == ops[1] == ops[2] != ops[3] == ops[4] == ops[5]


async def test_an_expected_no_is_one_call_and_one_key(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_get_turn")
    route.mock(return_value=httpx.Response(200, json={"outcome": "not_found"}))
    async with httpx.AsyncClient() as http:
        with pytest.raises(NotFound):
            await SupabaseStore(Rpc(URL, SECRET, http)).get_turn(new_id(), new_id())
    assert route.call_count == 1


@pytest.mark.parametrize(("key", "bearer"), [(SECRET, None), ("head.claims.mac", "Bearer head.claims.mac")])
async def test_only_a_key_that_is_a_token_is_sent_as_one(
    key: str, bearer: str | None, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping").mock(return_value=OK)
    async with httpx.AsyncClient() as http:
        await SupabaseStore(Rpc(URL, key, http)).ping()
    headers = route.calls.last.request.headers
    assert (headers["apikey"], headers.get("authorization")) == (key, bearer)


LOGGED: list[tuple[Any, dict[str, Any]]] = [
    (httpx.ConnectError(CANARY), {"fault": "database_away", "error": "ConnectError", "attempts": 3}),
    (httpx.Response(200, text=CANARY), {"fault": "database_away", "error": "JSONDecodeError", "attempts": 3}),
    (httpx.Response(522, text=CANARY), {"fault": "database_away", "status": 522, "code": None, "attempts": 3}),
    (pg_error(504, "PGRST003"), {"fault": "database_away", "status": 504, "code": "PGRST003", "attempts": 3}),
    (pg_error(404, "PGRST202"), {"fault": "function_missing", "status": 404, "code": "PGRST202", "attempts": 1}),
    (httpx.Response(401), {"fault": "key_refused", "status": 401, "code": None, "attempts": 1}),
    (pg_error(400, "22P02"), {"fault": "call_refused", "status": 400, "code": "22P02"}),
]


@pytest.mark.parametrize(("answer", "fields"), LOGGED)
async def test_the_log_names_function_code_and_status_and_no_argument(
    answer: Any, fields: dict[str, Any], respx_mock: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    route = respx_mock.post(path__regex="/rest/v1/rpc/.*edit_turn")
    route.side_effect = [answer] * 3
    async with httpx.AsyncClient() as http:
        with pytest.raises((StoreUnavailable, StoreRefused)):
            await SupabaseStore(Rpc(URL, SECRET, http)).edit_turn(new_id(), new_id(), CANARY)
    (record,) = [record for record in caplog.records if record.message == "store.failed"]
    function = route.calls.last.request.url.path.rsplit("/", 1)[1]
    assert record.__dict__["event"] == {"function": function, **fields}
    assert CANARY not in logs.JsonFormatter().format(record)


async def test_a_cancelled_caller_is_not_held_up(respx_mock: respx.MockRouter) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    respx_mock.post(f"{URL}/rest/v1/rpc/chat_ping").side_effect = never
    async with httpx.AsyncClient() as http:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await SupabaseStore(Rpc(URL, SECRET, http)).ping()
