"""The answer leaves within the wait budget and half a second, wherever a call hangs. On virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from functions.multi_agent_chat.app import build_app
from shared.settings import load_settings
from tests.http import virtual
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, bearer

ID = "33333333-3333-4333-8333-333333333333"
Scenario = Callable[[httpx.AsyncClient, FakeChat], Awaitable[Any]]


def played(scenario: Scenario, **environment: str) -> float:
    """Run the scenario on virtual time; how many seconds it took there."""

    async def play() -> float:
        chat: Any = FakeChat()
        app = build_app(load_settings(ENVIRONMENT | environment), service=chat, store=chat, ping_provider=chat.ping)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://f", headers={"origin": ORIGIN}) as http:
            began = asyncio.get_running_loop().time()
            await scenario(http, chat)
            return asyncio.get_running_loop().time() - began

    return virtual.run(play)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("asked", "budget", "deadline"), [(None, 150, 150), (7, 150, 7), (500, 150, 150), (0, 150, 0)])
def test_the_service_is_told_until_when(asked: float | None, budget: float, deadline: float) -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        began = asyncio.get_running_loop().time()
        body = {"message": "x"} | ({} if asked is None else {"wait_seconds": asked})
        assert_answer(await http.post("/", json=body, headers=bearer()), 200)
        assert chat.asks[0][2] - began == pytest.approx(deadline, abs=0.001)

    played(scenario, WAIT_BUDGET_SECONDS=str(budget))


@pytest.mark.parametrize(("query", "deadline"), [("", 0), ("?wait_seconds=20", 20), ("?wait_seconds=999", 150)])
def test_reading_waits_only_when_asked_to(query: str, deadline: float) -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        turn = chat.add(ALICE)
        began = asyncio.get_running_loop().time()
        assert_answer(await http.get(f"/turns/{turn.turn_id}{query}", headers=bearer()), 200)
        assert chat.waits[0][1] - began == pytest.approx(deadline, abs=0.001)

    played(scenario)


@pytest.mark.parametrize(
    ("preference", "deadline"),
    [
        ("wait=140", 140),
        ("respond-async, WAIT = 20", 20),
        ("wait=900, wait=140", 140),
        ("handling=lenient; wait=7", 7),
        ("wait=999", 150),
        ("wait=soon", 150),
        ("wait=-1", 150),
        ("await=3", 150),
        ("", 150),
    ],
)
def test_a_proxy_may_say_how_long_it_can_wait(preference: str, deadline: float) -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        turn, began = chat.add(ALICE), asyncio.get_running_loop().time()
        headers = bearer() | {"prefer": preference}
        assert_answer(await http.post("/", json={"message": "x", "wait_seconds": 500}, headers=headers), 200)
        assert_answer(await http.get(f"/turns/{turn.turn_id}?wait_seconds=500", headers=headers), 200)
        assert chat.asks[0][2] - began == pytest.approx(deadline, abs=0.001)
        assert chat.waits[0][1] - began == pytest.approx(deadline, abs=0.001)

    played(scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "environment", "latest"),
    [
        ("POST", "/", {"message": "x"}, {}, 150.5),
        ("POST", "/", {"message": "x"}, {"WAIT_BUDGET_SECONDS": "0.5"}, 1.0),
        ("POST", "/", {"message": "x", "wait_seconds": 20}, {}, 20.5),
        ("POST", "/", {"message": "x", "wait_seconds": 0}, {}, 2.5),  # its message gets that long to be accepted
        ("POST", "/", {"message": "x", "wait_seconds": 0}, {"WAIT_BUDGET_SECONDS": "1"}, 1.5),
        ("GET", f"/turns/{ID}?wait_seconds=30", None, {}, 30.5),
        ("POST", f"/turns/{ID}/cancel", None, {}, 15.5),
        ("POST", f"/turns/{ID}/cancel", None, {"WAIT_BUDGET_SECONDS": "3"}, 3.5),
        ("PATCH", f"/turns/{ID}", {"message": "x"}, {}, 10.5),
        ("GET", "/conversations", None, {}, 10.5),
        ("GET", f"/conversations/{ID}", None, {"WAIT_BUDGET_SECONDS": "2"}, 2.5),
        ("GET", f"/conversations/{ID}/messages", None, {}, 10.5),
        ("GET", f"/conversations/{ID}/stream", None, {}, 10.5),
        ("GET", "/agents", None, {}, 10.5),
    ],
)
def test_what_hangs_below_does_not_hold_the_answer(
    method: str, path: str, body: Any, environment: dict[str, str], latest: float
) -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        chat.hold = for_ever
        accept = {"accept": "text/event-stream" if path.endswith("/stream") else "application/json"}
        response = await http.request(method, path, json=body, headers=bearer() | accept)
        assert assert_error(response, 503, "store_unavailable")["retryable"]

    assert latest - 0.5 <= played(scenario, **environment) <= latest


def test_what_hangs_before_a_stream_begins_is_a_plain_answer_in_time() -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        chat.hold = for_ever
        document = {"message": "x", "wait_seconds": 20}
        response = await http.post("/", json=document, headers=bearer() | {"accept": "text/event-stream"})
        assert_error(response, 503, "store_unavailable")

    assert 20 <= played(scenario) <= 20.5


def test_what_hangs_makes_health_bad_and_not_silent() -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        async def hang() -> bool:
            await for_ever()
            return True

        chat.ping = hang  # type: ignore[method-assign]
        assert_answer(await http.get("/health"), 503)

    assert played(scenario) < 5


def test_a_client_that_leaves_does_not_end_its_turn() -> None:
    """The server tells an app of a disconnect only when asked, and it is not asked: the turn goes on to its end."""

    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        async def work() -> None:
            await asyncio.sleep(20)

        chat.hold = work
        app: Any = http._transport
        messages = iter([{"type": "http.request", "body": b'{"message":"x"}', "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            pass

        headers = [(name.encode(), value.encode()) for name, value in bearer().items()]
        headers.append((b"content-type", b"application/json"))
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": headers,
        }
        await app.app(scope, receive, send)
        assert chat.finished.is_set()

    assert played(scenario) == pytest.approx(20, abs=0.1)


def test_what_was_accepted_is_told_where_the_service_hangs_behind_it() -> None:
    async def scenario(http: httpx.AsyncClient, chat: FakeChat) -> None:
        chat.accepts_first, chat.hold = True, for_ever
        answer = await http.post("/", json={"message": "x", "wait_seconds": 5}, headers=bearer())
        told = assert_answer(answer, 202)
        assert (ALICE, told["turn_id"]) in chat.turns

    assert played(scenario) <= 5.5
