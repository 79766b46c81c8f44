"""Two users, every route that names something: what is another's looks exactly like what does not exist."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from shared.core.turns import TurnStatus
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer

ROUTES = [
    ("GET", "/turns/{turn}", None),
    ("GET", "/turns/{turn}?wait_seconds=1", None),
    ("POST", "/turns/{turn}/cancel", None),
    ("PATCH", "/turns/{turn}", {"message": "mine now"}),
    ("GET", "/conversations/{conversation}", None),
    ("GET", "/conversations/{conversation}/messages", None),
    ("PATCH", "/conversations/{conversation}", {"title": "mine now"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize(("me", "other"), [(ALICE, BOB), (BOB, ALICE)])
async def test_others_things_do_not_exist(
    http: httpx.AsyncClient, chat: FakeChat, method: str, path: str, body: Any, me: str, other: str
) -> None:
    mine = chat.add(me, status=TurnStatus.QUEUED, reply=None)
    theirs = chat.add(other, status=TurnStatus.QUEUED, reply=None)

    async def ask(turn: str, conversation: str) -> httpx.Response:
        target = path.format(turn=turn, conversation=conversation)
        return await http.request(method, target, json=body, headers=bearer(me))

    assert_answer(await ask(mine.turn_id, mine.conversation_id), 200)
    answers = [
        await ask(theirs.turn_id, theirs.conversation_id),
        await ask(str(uuid.uuid4()), str(uuid.uuid4())),
        await ask("not-an-id", "not-an-id"),
        await ask(mine.turn_id.upper(), mine.conversation_id.upper()),
        await ask(mine.conversation_id, mine.turn_id),
    ]
    bodies, headers = set(), set()
    for answer in answers:
        error = assert_error(answer, 404, "not_found")
        bodies.add(answer.text.replace(error["request_id"], ""))
        headers.add(tuple(sorted(set(answer.headers) - {"x-request-id"})))
    assert len(bodies) == 1
    assert len(headers) == 1


async def test_lists_hold_ones_own(http: httpx.AsyncClient, chat: FakeChat) -> None:
    mine, theirs = chat.add(ALICE), chat.add(BOB)
    for user, turn in ((ALICE, mine), (BOB, theirs)):
        listed = assert_answer(await http.get("/conversations", headers=bearer(user)), 200)
        assert [entry["conversation_id"] for entry in listed["conversations"]] == [turn.conversation_id]


async def test_the_user_comes_from_the_token_alone(http: httpx.AsyncClient, chat: FakeChat) -> None:
    headers = bearer(ALICE) | {"x-user-id": BOB, "x-supabase-user": BOB, "apikey": "x"}
    assert_answer(await http.post("/", json={"message": "x"}, headers=headers), 200)
    assert chat.asks[0][0].id == ALICE
