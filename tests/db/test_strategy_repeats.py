"""Every writer called twice in conversations where messages displace or are joined: the second time changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Chat, new_id
from tests.db.test_repeats import new_message, steady, world

Prepared = tuple[str, dict[str, Any]]


def lease(chat: Chat, claim: dict[str, Any]) -> dict[str, Any]:
    return {"user": chat.user, "conversation": chat.conversation, "turn": claim["turn"]["turn_id"],
            "epoch": claim["epoch"]}  # fmt: skip


def step(chat: Chat, claim: dict[str, Any], to: str | None, **patch: Any) -> Prepared:
    arguments = {"op": new_id(), "to": to, "patch": json.dumps(patch), "lease_ms": 0 if to == "cancelled" else 15_000}
    return "chat_advance_turn", lease(chat, claim) | arguments


def message(chat: Chat, strategy: str, **changes: Any) -> Prepared:
    own = {"conversation": chat.conversation, "scope_kind": None, "scope_key": None, "strategy": strategy}
    limits = {"open_per_conversation": 9, "open_per_user": 9, "per_minute": 9, "gather_ms": 0}
    return "chat_submit_turn", new_message(chat) | {"user": chat.user} | own | limits | changes


def running(chat: Chat, **changes: Any) -> dict[str, Any]:
    claim: dict[str, Any] = chat.submit(**changes)["claim"]
    run = {"run_id": "r", "agent": "a", "status": "queued"}
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "running", json.dumps({"run": run}))
    return claim


def joint(chat: Chat) -> dict[str, Any]:
    for text in ("a", "b", "c"):
        chat.submit(text=text, strategy="coalesce", owner=None)
    return chat.claim()


def displaced(chat: Chat, strategy: str) -> dict[str, Any]:
    claim = running(chat)
    chat.submit(strategy=strategy)
    return claim


def displacing_at_work(chat: Chat) -> Prepared:
    running(chat)
    return message(chat, "interrupt")


def displacing_in_the_queue(chat: Chat) -> Prepared:
    chat.submit(owner=None)
    return message(chat, "rollback")


def gathering(chat: Chat) -> Prepared:
    chat.submit(strategy="coalesce", gather_ms=9000)
    return message(chat, "coalesce", gather_ms=9000)


def claiming(chat: Chat) -> Prepared:
    for text in ("a", "b"):
        chat.submit(text=text, strategy="coalesce", owner=None)
    arguments = {"owner": "o", "lease_ms": 15_000, "op": new_id()}
    return "chat_claim_turn", {"user": chat.user, "conversation": chat.conversation} | arguments


def cancelling_a_head(chat: Chat) -> Prepared:
    claim = joint(chat)
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "queued")
    return "chat_cancel_turn", {"user": chat.user, "turn": claim["turn"]["turn_id"]}


def cancelling_another(chat: Chat) -> Prepared:
    return "chat_cancel_turn", {"user": chat.user, "turn": joint(chat)["turn"]["joined"][1]["turn_id"]}


CASES: dict[str, Callable[[Chat], Prepared]] = {
    "displacing one at work": displacing_at_work,
    "displacing one that waits": displacing_in_the_queue,
    "gathering": gathering,
    "joining": claiming,
    "the end of an interrupted one": lambda chat: step(chat, displaced(chat, "interrupt"), "cancelled", partial="x"),
    "the end of one rolled back": lambda chat: step(chat, displaced(chat, "rollback"), "cancelled", partial="x"),
    "undisturbed": lambda chat: step(chat, displaced(chat, "interrupt"), None, undisturbed=True),
    "an answer to all": lambda chat: step(chat, joint(chat), "completed", reply="x"),
    "a failure of all": lambda chat: step(chat, joint(chat), "failed", error={"code": "x"}),
    "one more attempt": lambda chat: step(chat, joint(chat), "starting"),
    "cancelling the head of all": cancelling_a_head,
    "cancelling one of them": cancelling_another,
    "taking the head back": lambda chat: ("chat_withdraw_turn", lease(chat, joint(chat))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_repeated_call(chat: Chat, name: str) -> None:
    function, arguments = CASES[name](chat)
    before = world(chat)
    first = chat.db.call(function, **arguments)
    after = world(chat)
    chat.db.let_pass(1)
    again = chat.db.call(function, **arguments)
    assert steady(again) == steady(first)
    assert world(chat) == after
    assert after != before, "the first call did something"
    if function != "chat_withdraw_turn":
        check(chat)
