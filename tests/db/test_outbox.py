"""Whichever statement ends a turn, another service is told of it: at least once, for three days."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Session


def due(chat: Chat, session: Session | None = None) -> list[dict[str, Any]]:
    answer: Answer = (session or chat.db).call("chat_take_webhooks", conversation=chat.conversation, limit=100)
    webhooks: list[dict[str, Any]] = answer["webhooks"]
    return webhooks


def told(chat: Chat) -> list[tuple[str, str]]:
    return sorted((one["turn_id"], one["name"]) for one in due(chat))


def begun(chat: Chat, **changes: Any) -> tuple[int, str]:
    claim: Answer = chat.submit(webhook=True, **changes)["claim"]
    return claim["epoch"], claim["turn"]["turn_id"]


def queued(chat: Chat, **changes: Any) -> str:
    turn: str = chat.submit(webhook=True, owner=None, **changes)["turn"]["turn_id"]
    return turn


def completed(chat: Chat) -> list[tuple[str, str]]:
    epoch, turn = begun(chat)
    chat.complete(epoch, turn)
    return [(turn, "turn.completed")]


def failed_with_those_joined(chat: Chat) -> list[tuple[str, str]]:
    turns = [queued(chat, strategy="coalesce") for _ in range(3)]
    epoch = chat.claim()["epoch"]
    chat.advance(epoch, turns[0], "failed", '{"error": {"code": "run_failed"}}', lease_ms=0)
    return sorted((turn, "turn.failed") for turn in turns)


def cancelled(chat: Chat) -> list[tuple[str, str]]:
    turn = queued(chat)
    chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)
    return [(turn, "turn.cancelled")]


def displaced_in_the_queue(chat: Chat) -> list[tuple[str, str]]:
    turn = queued(chat)
    queued(chat, strategy="interrupt")
    return [(turn, "turn.cancelled")]


def replaced(chat: Chat) -> list[tuple[str, str]]:
    epoch, first = begun(chat)
    chat.complete(epoch, first)
    second = queued(chat)
    queued(chat, replaces=first)
    return sorted([(first, "turn.completed"), (second, "turn.cancelled")])


@pytest.mark.parametrize("end", [completed, failed_with_those_joined, cancelled, displaced_in_the_queue, replaced])
def test_every_end_is_told(chat: Chat, end: Callable[[Chat], list[tuple[str, str]]]) -> None:
    assert end(chat) == told(chat)


def test_that_a_turn_waits_for_a_person_is_told_once(chat: Chat) -> None:
    epoch, turn = begun(chat)
    chat.advance(epoch, turn, "requires_action")
    call = {"call_id": "a", "kind": "approval", "name": "send", "arguments": "{}"}
    step = {"run_id": "r", "agent": "orchestrator", "text": "", "calls": [call | {"output": None}]}
    chat.advance(epoch, turn, None, json.dumps({"step": step | {"thread_id": None, "handoff": None}}))
    chat.advance(epoch, turn, "waiting", json.dumps({"person": [call], "person_ms": 1000}), lease_ms=0)
    chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)
    assert told(chat) == [(turn, "turn.waiting")]


def test_what_was_not_asked_for_or_taken_back_is_not_told(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    epoch, turn = begun(chat)
    queued(chat)
    chat.fenced("chat_withdraw_turn", turn=turn, epoch=epoch)
    assert told(chat) == []


def test_it_is_due_again_later_and_later_under_the_same_id_for_three_days(chat: Chat) -> None:
    completed(chat)
    (first,) = due(chat)
    assert set(first) == {"id", "name", "turn_id", "conversation_id", "made_at"}
    passed, attempts = 0.0, 1
    for pause in (30, 60, 120, 240, 480):
        chat.db.let_pass(pause - 3)
        assert due(chat) == []
        chat.db.let_pass(4)
        assert [one["id"] for one in due(chat)] == [first["id"]]
        passed, attempts = passed + pause + 1, attempts + 1
    while passed < 72 * 3600 - 7 * 3600:
        chat.db.let_pass(6 * 3600 + 1)
        passed += 6 * 3600 + 1
        assert len(due(chat)) == 1
    chat.db.let_pass(72 * 3600 - passed + 10)
    assert due(chat) == []
    assert chat.db.rows("select 1 from public.chat_webhooks where id = %s", first["id"]) == []


def test_two_who_take_at_once_do_not_take_the_same(chat: Chat) -> None:
    for _ in range(4):
        completed(chat)
    taken = chat.db.together(4, lambda session, _: due(chat, session))
    ids = [one["id"] for some in taken for one in some]
    assert len(ids) == len(set(ids)) == 4


def test_what_has_arrived_is_gone(chat: Chat) -> None:
    completed(chat)
    (webhook,) = due(chat)
    for _ in range(2):
        assert chat.db.call("chat_drop_webhook", id=webhook["id"]) == {"outcome": "ok"}
    chat.db.let_pass(3600)
    assert due(chat) == []


def test_the_turn_of_a_run_is_found_while_it_is_open(chat: Chat) -> None:
    epoch, turn = begun(chat)
    run = "resp_" + "x" * 5000  # some servers' ids are long
    assert chat.db.call("chat_find_run", run=run) == {"outcome": "not_found"}
    record = json.dumps({"run": {"run_id": run, "agent": "orchestrator", "status": "in_progress"}})
    chat.advance(epoch, turn, "running", record)
    assert chat.db.call("chat_find_run", run=run)["turn"]["turn_id"] == turn
    asked: Answer = {
        "turn": turn,
        "epoch": epoch,
        "call": "c",
        "provider": "responses",
        "thread": chat.user,
        "run": chat.user,
    }
    chat.fenced("chat_keep_scratch", **asked)
    assert chat.db.call("chat_find_run", run=chat.user)["turn"]["turn_id"] == turn
    chat.complete(epoch, turn)
    assert chat.db.call("chat_find_run", run=run) == {"outcome": "not_found"}
