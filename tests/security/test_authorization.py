"""Who may do what: every route and method, asked by each kind of caller, with ids of each user.

A row of the table says how a user is answered for things of their own. All others follow from its kind: what belongs to
another user is answered exactly as what does not exist, to operators as well, and only a user's token opens anything.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from functions.multi_agent_chat.openapi import OPERATIONS
from shared.core.turns import TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_error
from tests.http.tokens import ALICE, BOB, bearer

OPERATOR = "33333333-3333-4333-8333-333333333333"
NAMELESS = "44444444-4444-4444-8444-444444444444"


@dataclass(frozen=True)
class Row:
    """`names` is what the path's id names, None where it has none; `mine` the status for a user's own.

    `absent` is the status for what does not exist.
    """

    method: str
    path: str
    names: str | None
    mine: int
    body: dict[str, Any] | None = None
    public: bool = False
    absent: int = 404
    operators: bool = False  # theirs alone, and of all users
    signed: bool = False  # by a provider; users' tokens count for nothing there

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


TABLE = [
    Row("POST", "/", None, 200, {"message": "x"}),
    Row("GET", "/turns/{id}", "turn", 200),
    Row("PATCH", "/turns/{id}", "turn", 200, {"message": "x"}),
    Row("POST", "/turns/{id}/cancel", "turn", 200),
    Row("POST", "/turns/{id}/answers", "turn", 202, {"call_id": "c", "approve": True}),
    Row("GET", "/conversations", None, 200),
    Row("GET", "/conversations/{id}", "conversation", 200),
    Row("PATCH", "/conversations/{id}", "conversation", 200, {"title": "x"}),
    Row("POST", "/conversations/{id}/rotate", "conversation", 204),
    Row("DELETE", "/conversations/{id}", "conversation", 204),
    Row("GET", "/conversations/{id}/messages", "conversation", 200),
    Row("GET", "/conversations/{id}/stream", "conversation", 200),
    Row("GET", "/{id}/stream", "conversation", 200, absent=204),
    Row("GET", "/images/{id}", "image", 200),
    Row("GET", "/me/export", None, 200),
    Row("DELETE", "/me", None, 204),
    Row("GET", "/agents", None, 200),
    Row("POST", "/agents", None, 201, {"slug": "mine", "name": "Mine"}),
    Row("PATCH", "/agents/{id}", "agent", 200, {"name": "x"}),
    Row("DELETE", "/agents/{id}", "agent", 204),
    Row("GET", "/stats", None, 200, operators=True),
    Row("GET", "/stats/turns", None, 200, operators=True),
    Row("GET", "/stats/feedback", None, 200, operators=True),
    Row("GET", "/stats/turns/{id}", "turn", 200, operators=True),
    Row("POST", "/hooks/openai", None, 204, {"type": "response.completed"}, signed=True),
    Row("GET", "/health", None, 200, public=True),
    Row("GET", "/healthz", None, 200, public=True),
    Row("GET", "/openapi.json", None, 200, public=True),
]
# Bob has written all that a user can write into a token.
PRETENDING = bearer(BOB, user_metadata={"role": "operator", "roles": ["operator"]}, app_metadata={"role": "Operator"})
USERS = {"alice": bearer(ALICE), "bob": PRETENDING, "operator": bearer(OPERATOR, app_metadata={"role": "operator"})}
NO_USERS = {
    "without a token": ({}, 401, "missing_token"),
    "signed in anonymously": (bearer(NAMELESS, is_anonymous=True), 403, "forbidden"),
    "with the service key": (bearer(NAMELESS, role="service_role", aud=None, sub=None), 403, "forbidden"),
    "with the publishable key": (bearer(NAMELESS, role="anon", aud=None, sub=None), 403, "forbidden"),
    "with an expired token": (bearer(ALICE, exp=1), 401, "token_expired"),
    "with another project's token": (bearer(ALICE, iss="https://other.supabase.co/auth/v1"), 401, "invalid_token"),
    "with a secret key in apikey": ({"apikey": "sb_secret_canary"}, 401, "missing_token"),
}


def test_the_table_has_every_route_and_method() -> None:
    assert {(row.method, row.path) for row in TABLE} == set(OPERATIONS)
    assert {(row.method, row.path) for row in TABLE if row.public or row.signed} == {
        key for key, operation in OPERATIONS.items() if not operation.needs_user
    }


@pytest.fixture
async def things(chat: FakeChat) -> dict[str, dict[str, str]]:
    """An open turn, its conversation, an image and an agent of each user."""
    made = {}
    for name, user_id in (("alice", ALICE), ("bob", BOB), ("operator", OPERATOR)):
        turn = chat.add(user_id, status=TurnStatus.QUEUED, reply=None)
        agent = chat.add_agent(user_id, f"agent_of_{name}")
        chat.images[user_id, image := str(uuid.uuid4())] = b"\x89PNG"
        made[name] = {"image": image, "turn": turn.turn_id, "conversation": turn.conversation_id, "agent": agent.slug}
    return made


@pytest.fixture
async def client(make_app: MakeApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(OPERATOR_ROLE="operator", OPENAI_WEBHOOK_SECRET="whsec_" + "a" * 32))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as http:
        yield http


async def ask(client: httpx.AsyncClient, row: Row, named: str, headers: dict[str, str]) -> httpx.Response:
    accept = {"accept": "text/event-stream"} if row.path.endswith("/stream") else {}
    return await client.request(row.method, row.path.format(id=named), json=row.body, headers=headers | accept)


@pytest.mark.parametrize("row", TABLE, ids=str)
@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_do_this_with_their_own(
    client: httpx.AsyncClient, things: dict[str, dict[str, str]], row: Row, user: str
) -> None:
    named = things[user][row.names] if row.names else ""
    response = await ask(client, row, named, USERS[user])
    if row.operators and user != "operator":
        assert_error(response, 403, "operators_only")
    elif row.signed:
        assert_error(response, 400, "invalid_signature")
    else:
        assert response.status_code == row.mine


@pytest.mark.parametrize("row", [row for row in TABLE if row.operators], ids=str)
@pytest.mark.parametrize("user", USERS)
async def test_what_is_for_operators_is_refused_before_anything_is_looked_up(
    client: httpx.AsyncClient, chat: FakeChat, things: dict[str, dict[str, str]], row: Row, user: str
) -> None:
    seen = set()
    for named in (*(things[owner]["turn"] for owner in USERS), str(uuid.uuid4()), "not-an-id"):
        response = await ask(client, row, named, USERS[user])
        seen.add(response.status_code)
    if user == "operator":
        assert seen == ({200, 404} if row.names else {200})
    else:
        assert (seen, chat.calls) == ({403}, [])


@pytest.mark.parametrize("row", [row for row in TABLE if row.names and not row.operators], ids=str)
@pytest.mark.parametrize("user", USERS)
async def test_what_is_another_users_does_not_exist(
    client: httpx.AsyncClient, chat: FakeChat, things: dict[str, dict[str, str]], row: Row, user: str
) -> None:
    assert row.names
    other = "turn" if row.names == "conversation" else "conversation"
    ids = [things[owner][row.names] for owner in USERS if owner != user]
    ids += [str(uuid.uuid4()), things[user][other], things[user][row.names].upper(), "not-an-id", "*", ALICE]
    seen = set()
    for named in ids:
        response = await ask(client, row, named, USERS[user])
        assert response.status_code == row.absent
        request_id = assert_error(response, 404, "not_found")["request_id"] if response.text else "-"
        told = sorted(set(response.headers) - {"x-request-id"})
        seen.add((response.text.replace(request_id, ""), tuple(told)))
    assert len(seen) == 1, "they can be told apart"
    assert chat.asks == []


@pytest.mark.parametrize("row", TABLE, ids=str)
@pytest.mark.parametrize("who", NO_USERS)
async def test_nothing_but_a_users_token_opens_anything(
    client: httpx.AsyncClient, chat: FakeChat, things: dict[str, dict[str, str]], row: Row, who: str
) -> None:
    headers, status, code = NO_USERS[who]
    for owner in USERS:
        response = await ask(client, row, things[owner][row.names] if row.names else "", headers)
        if row.public:
            assert response.status_code == 200
        elif row.signed:
            assert_error(response, 400, "invalid_signature")
        else:
            assert_error(response, status, code)
    assert (chat.asks, chat.waits, chat.calls) == ([], [], [])


@pytest.mark.parametrize("path", sorted({row.path for row in TABLE}))
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"])
async def test_other_methods_do_nothing(
    client: httpx.AsyncClient, chat: FakeChat, things: dict[str, dict[str, str]], path: str, method: str
) -> None:
    there = {row.method for row in TABLE if row.path == path}
    if method in there or (method == "HEAD" and "GET" in there):
        return
    for headers in (USERS["alice"], {}):
        response = await client.request(method, path.format(id=things["alice"]["turn"]), headers=headers)
        assert_error(response, 405, "method_not_allowed")
        assert {name.strip() for name in response.headers["allow"].split(",")} >= there
    assert (chat.asks, chat.waits, chat.calls) == ([], [], [])


@pytest.mark.parametrize("user", ["alice", "bob"])
async def test_the_user_is_the_tokens_and_no_headers(
    client: httpx.AsyncClient, chat: FakeChat, things: dict[str, dict[str, str]], user: str
) -> None:
    claimed = {
        "x-user-id": OPERATOR,
        "x-supabase-user": OPERATOR,
        "apikey": "sb_secret_canary",
        "x-role": "service_role",
    }
    listed = (await client.get("/conversations", headers=USERS[user] | claimed)).json()["conversations"]
    assert [one["conversation_id"] for one in listed] == [things[user]["conversation"]]
    response = await client.post("/", json={"message": "x", "user_id": OPERATOR}, headers=USERS[user])
    assert_error(response, 422, "unknown_field")
