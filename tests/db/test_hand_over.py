"""The write that ends a turn claims the next one for a waiter of its caller, in one transaction, and no other does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.db.database import Answer, Chat, new_id

END = json.dumps({"reply": "answer"})


def end(chat: Chat, claim: dict[str, Any], *, owner: str | None = "next", op: str | None = None) -> Answer:
    return chat.db.call(
        "chat_advance_turn",
        user=chat.user,
        conversation=chat.conversation,
        turn=claim["turn"]["turn_id"],
        epoch=claim["epoch"],
        op=op or new_id(),
        to="completed",
        patch=END,
        lease_ms=0,
        next_owner=owner,
        next_lease_ms=15_000,
    )


def test_the_next_turn_is_claimed_with_the_end_of_the_one_before(chat: Chat) -> None:
    first = chat.submit()["claim"]
    second = chat.submit()["turn"]
    ended = end(chat, first)
    assert ended["turn"]["status"] == "completed"
    handed = ended["next"]
    assert (handed["turn"]["turn_id"], handed["turn"]["status"]) == (second["turn_id"], "starting")
    assert handed["fresh"]
    assert handed["epoch"] > first["epoch"]
    assert chat.claim()["outcome"] == "busy"
    assert chat.advance(handed["epoch"], second["turn_id"], "running")["outcome"] == "ok"


def test_without_a_waiter_the_queue_is_free_afterwards(chat: Chat) -> None:
    first = chat.submit()["claim"]
    chat.submit()
    assert "next" not in end(chat, first, owner=None)
    assert chat.claim()["outcome"] == "claimed"


def test_an_empty_queue_hands_nothing_over(chat: Chat) -> None:
    first = chat.submit()["claim"]
    assert "next" not in end(chat, first)
    assert chat.claim()["outcome"] == "idle"


def test_a_turn_whose_time_has_not_come_is_not_handed_over(chat: Chat) -> None:
    first = chat.submit()["claim"]
    second = chat.submit()["turn"]["turn_id"]
    chat.db.run(
        "update public.chat_turns set not_before = chat_internal.now() + interval '1 minute' where id = %s", second
    )
    assert "next" not in end(chat, first)


@pytest.mark.parametrize("served", [False, True])
def test_a_lost_answer_is_given_again_unless_it_was_served(chat: Chat, served: bool) -> None:
    first, op = chat.submit()["claim"], new_id()
    second = chat.submit()["turn"]["turn_id"]
    handed = end(chat, first, op=op)["next"]
    if served:
        chat.complete(handed["epoch"], second)
        chat.submit(owner=None)
    again = end(chat, first, op=op)
    assert again["outcome"] == "ok"
    if served:
        assert "next" not in again
    else:
        assert (again["next"]["epoch"], again["next"]["fresh"]) == (handed["epoch"], True)
        assert again["next"]["turn"]["attempt"] == 1


def test_who_was_overtaken_hands_nothing_over(chat: Chat) -> None:
    first = chat.submit()["claim"]
    chat.submit()
    assert end(chat, {**first, "epoch": first["epoch"] - 1})["outcome"] == "fenced"


def test_who_waits_and_who_displaces_are_told_which_run_is_in_the_way(chat: Chat) -> None:
    first = chat.submit()["claim"]
    assert chat.get(first["turn"]["turn_id"])["active_run"] is None
    run = {"run": {"run_id": "run_1", "agent": "a", "status": "queued"}, "thread": {"provider": "responses",
           "thread_id": "conv_1", "cursor": None}}  # fmt: skip
    chat.advance(first["epoch"], first["turn"]["turn_id"], "running", json.dumps(run))
    told = {"turn_id": first["turn"]["turn_id"], "run_id": "run_1", "thread_id": "conv_1",
            "thread_provider": "responses"}  # fmt: skip
    second = chat.submit(strategy="interrupt")
    assert second["active_run"] == told
    assert chat.get(second["turn"]["turn_id"])["active_run"] == told
    stopped = chat.db.call("chat_cancel_turn", user=chat.user, turn=first["turn"]["turn_id"])
    assert stopped["active_run"] == told
