"""`replaces` and `regenerate`: what they may be sent with, what reaches the service, and how the old turn is read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.core.turns import Displacement, MultitaskStrategy, TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import REPLY, FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.test_bad_fields import NOT_UUIDS
from tests.http.tokens import ALICE, bearer

OLD, NEWER = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"


@pytest.mark.parametrize(
    ("document", "text"), [({"message": "edited", "replaces": OLD}, "edited"), ({"regenerate": OLD}, None)]
)
async def test_the_new_turn_names_what_it_replaced(
    make_app: MakeApp, chat: FakeChat, document: dict[str, Any], text: str | None
) -> None:
    """A default strategy is for messages that find others in their way: this one ends what it names."""
    transport = httpx.ASGITransport(app=make_app(MULTITASK_STRATEGY="reject"))
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        turn = assert_answer(await http.post("/", json=document | {"agent": "writer"}, headers=bearer()), 200)
        state = assert_answer(await http.get(f"/turns/{turn['turn_id']}", headers=bearer()), 200)
    message = chat.asks[0][1]
    assert (message.text, message.replaces, message.agent) == (text, OLD, "writer")
    assert message.strategy is MultitaskStrategy.ENQUEUE
    assert state["replaced"] == OLD


async def test_others_replaced_nothing(http: httpx.AsyncClient) -> None:
    turn = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert assert_answer(await http.get(f"/turns/{turn['turn_id']}", headers=bearer()), 200)["replaced"] is None


BAD: list[tuple[dict[str, Any], str]] = [
    ({"replaces": OLD}, "message"),
    ({"regenerate": OLD, "message": "x"}, "message"),
    ({"regenerate": OLD, "replaces": OLD}, "regenerate"),
    ({"message": "x", "replaces": OLD, "regenerate": OLD}, "regenerate"),
    ({"message": "x", "replaces": OLD, "scope": {"kind": "user"}}, "scope"),
    ({"regenerate": OLD, "multitask_strategy": "interrupt"}, "multitask_strategy"),
    *(({"regenerate": value}, "regenerate") for value in [*NOT_UUIDS, None, 1, [OLD], {"id": OLD}]),
    *(({"message": "x", "replaces": value}, "replaces") for value in [*NOT_UUIDS, None, 1, [OLD], {"id": OLD}]),
]


@pytest.mark.parametrize(("document", "field"), BAD)
async def test_what_cannot_be_meant_is_refused(
    http: httpx.AsyncClient, chat: FakeChat, document: dict[str, Any], field: str
) -> None:
    assert_error(await http.post("/", json=document, headers=bearer()), 422, "invalid_request", field)
    assert chat.asks == []


async def test_two_messages_in_different_places_are_two(http: httpx.AsyncClient, chat: FakeChat) -> None:
    for document in ({"message": "x"}, {"message": "x", "replaces": OLD}, {"message": "x", "replaces": NEWER}):
        assert_answer(await http.post("/", json=document, headers=bearer()), 200)
    assert len({message.digest() for _, message, _ in chat.asks}) == 3


async def test_one_that_was_answered_before_stays_readable(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, superseded_by=NEWER, superseded_how=Displacement.EDIT)
    state = assert_answer(await http.get(f"/turns/{turn.turn_id}", headers=bearer()), 200)
    assert (state["status"], state["reply"]["text"], state["superseded_by"]) == ("completed", REPLY, NEWER)


@pytest.mark.parametrize("status", [TurnStatus.FAILED, TurnStatus.CANCELLED])
async def test_so_does_one_that_had_ended_without_an_answer(
    http: httpx.AsyncClient, chat: FakeChat, status: TurnStatus
) -> None:
    error = {"code": "run_failed"} if status is TurnStatus.FAILED else None
    turn = chat.add(
        ALICE, status=status, reply=None, error=error, superseded_by=NEWER, superseded_how=Displacement.EDIT
    )
    state = assert_answer(await http.get(f"/turns/{turn.turn_id}", headers=bearer()), 200)
    assert (state["status"], state["superseded_by"]) == (status.value, NEWER)
