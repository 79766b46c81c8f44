"""What senders see of the strategies: which there are, what displaced a message, which turns an answer covers."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest

from shared import logs
from shared.core.turns import Displacement, Joined, MultitaskStrategy, Steered, Turn, TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import REPLY, FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer

NEWER = "44444444-4444-4444-8444-444444444444"
CANARY = "canary-7c1d"
DISPLACED: dict[str, Any] = {
    "status": TurnStatus.CANCELLED,
    "reply": None,
    "text": f"asked {CANARY}",
    "superseded_by": NEWER,
    "superseded_how": Displacement.INTERRUPT,
    "error": {"code": "superseded", "superseded_by": NEWER, "partial_text": f"said {CANARY}"},
}


def joint(turn_ids: tuple[str, ...], status: TurnStatus, **statuses: TurnStatus) -> tuple[Joined, ...]:
    return tuple(Joined(one, f"{one} {CANARY}", statuses.get(one, status)) for one in turn_ids)


@pytest.mark.parametrize("strategy", MultitaskStrategy)
async def test_every_strategy_may_be_asked_for(
    http: httpx.AsyncClient, chat: FakeChat, strategy: MultitaskStrategy
) -> None:
    document = {"message": "x", "multitask_strategy": strategy.value}
    turn = assert_answer(await http.post("/", json=document, headers=bearer()), 200)
    assert chat.asks[0][1].strategy is strategy
    state = assert_answer(await http.get(f"/turns/{turn['turn_id']}", headers=bearer()), 200)
    assert state["multitask_strategy"] == strategy.value


@pytest.mark.parametrize(
    "value", ["", "Interrupt", " interrupt", "merge", "cancel", None, 1, True, ["interrupt"], {"interrupt": 1}]
)
async def test_others_may_not(http: httpx.AsyncClient, chat: FakeChat, value: object) -> None:
    response = await http.post("/", json={"message": "x", "multitask_strategy": value}, headers=bearer())
    assert_error(response, 422, "invalid_request", "multitask_strategy")
    assert chat.asks == []


@pytest.mark.parametrize("strategy", MultitaskStrategy)
async def test_the_settings_name_the_default_and_the_message_goes_before_it(
    make_app: MakeApp, chat: FakeChat, strategy: MultitaskStrategy
) -> None:
    transport = httpx.ASGITransport(app=make_app(MULTITASK_STRATEGY=strategy.value))
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        await http.post("/", json={"message": "x"}, headers=bearer())
        await http.post("/", json={"message": "x", "multitask_strategy": "enqueue"}, headers=bearer())
    assert [ask.strategy for _, ask, _ in chat.asks] == [strategy, MultitaskStrategy.ENQUEUE]


def assert_superseded(response: httpx.Response, turn: Turn) -> None:
    body = assert_error(response, 409, "superseded")
    assert body["details"] == {"turn_id": turn.turn_id, "superseded_by": NEWER}
    assert body["retryable"] is False
    assert CANARY not in response.text


@pytest.mark.parametrize("replayed", [False, True])
async def test_the_sender_of_a_displaced_message_is_told_by_what(
    http: httpx.AsyncClient, chat: FakeChat, replayed: bool
) -> None:
    chat.taken, chat.replayed = DISPLACED, replayed
    response = await http.post("/", json={"message": "x"}, headers=bearer() | {"idempotency-key": "k"})
    assert_superseded(response, next(iter(chat.turns.values())))


async def test_a_displaced_turn_says_so_whichever_way_it_is_asked_for(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, **DISPLACED)
    path = f"/turns/{turn.turn_id}"
    assert_superseded(await http.get(path, headers=bearer()), turn)
    assert_superseded(await http.get(f"{path}?wait_seconds=5", headers=bearer()), turn)
    assert_superseded(await http.post(f"{path}/cancel", headers=bearer()), turn)
    assert_error(await http.patch(path, json={"message": "x"}, headers=bearer()), 409, "already_started")
    assert_error(await http.head(path, headers=bearer()), 409, "superseded")
    others = bearer(BOB)
    for response in (await http.get(path, headers=others), await http.post(f"{path}/cancel", headers=others)):
        assert_error(response, 404, "not_found")
        assert NEWER not in response.text


async def test_one_that_is_still_to_be_displaced_is_open(http: httpx.AsyncClient, chat: FakeChat) -> None:
    changes = DISPLACED | {"status": TurnStatus.RUNNING, "error": None, "cancel_requested": True, "finished_at": None}
    turn = chat.add(ALICE, **changes)
    state = assert_answer(await http.get(f"/turns/{turn.turn_id}", headers=bearer()), 200)
    assert (state["status"], state["superseded_by"], state["cancel_requested"]) == ("running", NEWER, True)
    chat.taken = changes
    assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 202)


@pytest.mark.parametrize("status", [TurnStatus.FAILED, TurnStatus.CANCELLED])
async def test_what_had_been_said_is_for_its_owner_and_in_no_error_and_no_log(
    make_app: MakeApp, chat: FakeChat, status: TurnStatus
) -> None:
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    error = {"code": "run_failed", "partial_text": f"said {CANARY}"}
    changes: dict[str, Any] = {"status": status, "reply": None, "error": error}
    chat.taken = changes | {"joined": joint(("a", "b"), status)}
    transport = httpx.ASGITransport(app=make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        response = await http.post("/", json={"message": f"asked {CANARY}"}, headers=bearer())
        assert response.status_code in (409, 502)
        assert CANARY not in response.text
        path = f"/turns/{next(iter(chat.turns.values())).turn_id}"
        state = assert_answer(await http.get(path, headers=bearer()), 200)
        assert state["partial"] == {"text": f"said {CANARY}"}
        assert CANARY not in str(state["error"])
        other = await http.get(path, headers=bearer(BOB))
        assert_error(other, 404, "not_found")
        assert CANARY not in other.text
    assert CANARY not in stream.getvalue()


async def test_an_answer_says_which_turns_it_covers(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turns = ("first", "second", "third")
    chat.taken = {"strategy": MultitaskStrategy.COALESCE, "joined": joint(turns, TurnStatus.COMPLETED)}
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert (body["reply"], body["covers"]) == ({"text": REPLY}, list(turns))
    state = assert_answer(await http.get(f"/turns/{body['turn_id']}", headers=bearer()), 200)
    assert state["covers"] == list(turns)
    assert CANARY not in str(state), "their words are on their own turns"


async def test_a_steered_message_says_what_it_has_joined(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = {"strategy": MultitaskStrategy.STEER, "steered_into": NEWER}
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert (body["reply"], body["steered_into"]) == ({"text": REPLY}, NEWER)
    path = f"/turns/{body['turn_id']}"
    assert assert_answer(await http.get(path, headers=bearer()), 200)["steered_into"] == NEWER
    chat.taken |= {"status": TurnStatus.QUEUED, "reply": None, "finished_at": None}
    handle = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 202)
    assert (handle["status"], handle["steered_into"]) == ("queued", NEWER)


async def test_an_answer_covers_what_was_steered_into_it(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = {"steered": (Steered("second", f"x {CANARY}", TurnStatus.COMPLETED, 1, 1),)}
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert body["covers"] == [body["turn_id"], "second"]
    assert "steered_into" not in body
    assert CANARY not in str(body)


async def test_one_that_its_user_cancelled_is_not_covered(http: httpx.AsyncClient, chat: FakeChat) -> None:
    joined = joint(("first", "second", "third"), TurnStatus.COMPLETED, second=TurnStatus.CANCELLED)
    chat.taken = {"strategy": MultitaskStrategy.COALESCE, "joined": joined}
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert body["covers"] == ["first", "third"]


async def test_an_answer_to_one_message_covers_nothing_else(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = {"strategy": MultitaskStrategy.COALESCE}
    assert "covers" not in assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)


async def test_a_failure_of_many_says_whom_it_covers(http: httpx.AsyncClient, chat: FakeChat) -> None:
    joined = joint(("first", "second"), TurnStatus.FAILED)
    chat.taken = {"status": TurnStatus.FAILED, "reply": None, "error": {"code": "run_failed"}, "joined": joined}
    response = await http.post("/", json={"message": "x"}, headers=bearer())
    body = assert_error(response, 502, "run_failed")
    assert body["details"]["turn"]["covers"] == ["first", "second"]
