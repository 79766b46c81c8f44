"""A turn that waits for a person, in the rows: who claims it, whose answer counts, and what its time is."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, Session, new_id
from tests.db.test_displacement import turn_id, under_way
from tests.db.test_steering import next_run, step

HOUR = 3600
CALLS = [
    {"call_id": "a", "kind": "approval", "name": "send", "arguments": "{}"},
    {"call_id": "q", "kind": "question", "name": "ask_user", "arguments": '{"question": "?"}'},
]


def waiting(chat: Chat, *, hours: float = 24, calls: list[dict[str, Any]] = CALLS) -> tuple[int, str]:
    """A turn whose two calls wait, its lease given up."""
    epoch, turn = under_way(chat, "requires_action")
    step = {"run_id": "r", "agent": "orchestrator", "text": "", "calls": [one | {"output": None} for one in calls]}
    chat.advance(epoch, turn, None, json.dumps({"step": step | {"thread_id": None, "handoff": None}}))
    patch = {"person": calls, "person_ms": int(hours * HOUR * 1000)}
    assert chat.advance(epoch, turn, "waiting", json.dumps(patch), lease_ms=0)["turn"]["status"] == "waiting"
    return epoch, turn


def answer(chat: Chat, turn: str, call: str, session: Session | None = None, **said: Any) -> Answer:
    given = {"approve": None, "reason": None, "output": None, "op": new_id()} | said
    return (session or chat.db).call("chat_answer_call", user=chat.user, turn=turn, call=call, **given)


def test_it_is_claimed_by_no_request_until_all_of_its_calls_are_answered(chat: Chat) -> None:
    _, turn = waiting(chat)
    peek = chat.get(turn)
    assert [call["call_id"] for call in peek["turn"]["calls"]] == ["a", "q"]
    assert not peek["claimable"]
    assert chat.claim()["outcome"] == "backoff"
    assert turn_id(chat.submit(text="behind")) != turn
    assert answer(chat, turn, "a", approve=True)["turn"]["status"] == "waiting"
    assert chat.claim()["outcome"] == "backoff"
    assert answer(chat, turn, "q", output="yes")["turn"]["status"] == "requires_action"
    held = chat.claim()
    assert held["turn"]["turn_id"] == turn
    calls = {call["call_id"]: (call["person"], call["output"]) for call in held["steps"][-1]["calls"]}
    assert calls == {"a": ("approved", None), "q": ("answered", "yes")}
    check(chat)


def test_what_a_server_gave_stands_with_its_call(chat: Chat) -> None:
    """The ledger knows the word alone; a run that did not make the call says nothing of it."""
    call = {"call_id": "m", "kind": "approval", "name": "issues.create", "arguments": "{}", "server": "issues"}
    other = {"call_id": "n", "kind": "approval", "name": "send", "arguments": "{}"}
    _, turn = waiting(chat, calls=[call, other])
    for one in ("m", "n"):
        answer(chat, turn, one, approve=True)
    epoch = chat.claim()["epoch"]
    for one in ("m", "n"):
        begun = {"turn": turn, "epoch": epoch, "call": one}
        chat.fenced("chat_begin_tool_call", **begun, name="issues.create", op=new_id())
        chat.fenced("chat_finish_tool_call", **begun, output="allowed")
    chat.advance(epoch, turn, "starting", json.dumps({"next_run": ""}))
    run = {"run_id": "r2", "agent": "orchestrator", "status": "completed", "server_outputs": {"m": "made", "n": "no"}}
    chat.advance(epoch, turn, "running", json.dumps({"run": run | {"status": "in_progress", "server_outputs": {}}}))
    chat.advance(epoch, turn, None, json.dumps({"run": run}), lease_ms=0)
    held = chat.claim()
    assert [one["output"] for one in held["steps"][-1]["calls"]] == ["made", "allowed"]
    chat.advance(held["epoch"], turn, "completed", json.dumps({"run": run, "reply": "Done."}))
    lines = chat.fenced("chat_list_messages", after_seq=0, limit=10, newest=False)["messages"]
    calls = lines[-1]["calls"]
    assert [(one["name"], one["output"]) for one in calls] == [("issues.create", "made"), ("send", "allowed")]


def test_forty_answers_at_once_are_one(chat: Chat) -> None:
    _, turn = waiting(chat)
    answers = chat.db.together(40, lambda session, number: answer(chat, turn, "a", session, approve=number % 2 == 0))
    assert Counter(one["outcome"] for one in answers) == {"ok": 1, "already_answered": 39}
    assert len(chat.get(turn)["turn"]["calls"]) == 1


def test_a_repeated_answer_is_the_same_one(chat: Chat) -> None:
    _, turn = waiting(chat)
    op = new_id()
    assert [answer(chat, turn, "a", approve=True, op=op)["outcome"] for _ in range(2)] == ["ok", "ok"]
    assert answer(chat, turn, "a", approve=True)["outcome"] == "already_answered"


@pytest.mark.parametrize(
    ("call", "said", "outcome"),
    [
        ("a", {"output": "x"}, "wrong_answer"),
        ("q", {"approve": True}, "wrong_answer"),
        ("q", {"approve": False}, "ok"),
        ("x", {"approve": True}, "not_found"),
    ],
)
def test_what_may_be_said(chat: Chat, call: str, said: dict[str, Any], outcome: str) -> None:
    _, turn = waiting(chat)
    assert answer(chat, turn, call, **said)["outcome"] == outcome
    assert answer(Chat(chat.db), turn, "a", approve=True) == {"outcome": "not_found"}
    assert answer(chat, new_id(), "a", approve=True) == {"outcome": "not_found"}


def test_time_that_it_waits_is_not_its_own(chat: Chat) -> None:
    _, turn = waiting(chat)
    before = chat.get(turn)["turn"]
    chat.db.let_pass(20 * HOUR)
    now = chat.get(turn)["turn"]
    for clock in ("remaining_ms", "working_ms"):
        assert abs(now[clock] - before[clock]) < 5_000
    for call, said in (("a", {"approve": True}), ("q", {"output": "x"})):
        answer(chat, turn, call, **said)
    after = chat.claim()["turn"]
    for clock in ("remaining_ms", "working_ms"):
        assert abs(after[clock] - before[clock]) < 5_000


def test_without_an_answer_in_time_it_is_denied_by_the_next_claim(chat: Chat) -> None:
    _, turn = waiting(chat, hours=1)
    answer(chat, turn, "a", approve=True)
    chat.db.let_pass(2 * HOUR)
    assert chat.get(turn)["claimable"]
    assert answer(chat, turn, "q", output="late")["outcome"] == "already_answered"
    held = chat.claim()
    (approved, expired) = held["steps"][-1]["calls"]
    assert (approved["person"], expired["person"]) == ("approved", "denied")
    assert json.loads(expired["output"])["error"]["code"] == "expired"
    check(chat)


@pytest.mark.parametrize("how", ["cancel", "edit", "delete"])
def test_what_ends_it_denies(chat: Chat, how: str) -> None:
    _, turn = waiting(chat)
    if how == "cancel":
        chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)
        held = chat.claim()
        assert held["turn"]["cancel_requested"]
        chat.advance(held["epoch"], turn, "cancelled", lease_ms=0)
    elif how == "edit":
        chat.submit(text="instead", replaces=turn)
    else:
        chat.db.call("chat_delete_conversation", user=chat.user, conversation=chat.conversation)
    said = answer(chat, turn, "a", approve=True)["outcome"]
    assert said == ("not_found" if how == "delete" else "already_answered")
    if how != "delete":
        check(chat)


def test_what_a_person_has_said_stands(chat: Chat) -> None:
    _, turn = waiting(chat)
    answer(chat, turn, "a", approve=True)
    with pytest.raises(Exception, match="what a person has said does not change"):
        chat.db.run("update public.chat_person_calls set status = 'denied' where turn_id = %s and call_id = 'a'", turn)
    with pytest.raises(Exception, match="does not change"):
        chat.db.run(
            "update public.chat_turns set deadline_at = deadline_at + '1 s' where id = %s", under_way(Chat(chat.db))[1]
        )


@pytest.mark.parametrize("strategy", ["steer", "coalesce"])
def test_a_message_that_was_joined_shows_the_calls_and_takes_an_answer(chat: Chat, strategy: str) -> None:
    """Its sender's page knows no other id. Who has joined another turn of the user's answers nothing of this one."""
    if strategy == "steer":
        claim = chat.submit(text="first")["claim"]
        turn, joined = claim["turn"]["turn_id"], turn_id(chat.submit(text="more", strategy="steer"))
        step(chat, claim, run="r0")
        next_run(chat, claim)
    else:
        before = chat.submit(text="before")["claim"]
        turn, joined = (turn_id(chat.submit(text=text, strategy="coalesce")) for text in ("first", "more"))
        chat.complete(before["epoch"], turn_id(before), "said")
        claim = chat.claim()
    epoch = claim["epoch"]
    run = {"run_id": "r", "agent": "orchestrator", "status": "running"}
    chat.advance(epoch, turn, "running", json.dumps({"run": run}))
    chat.advance(epoch, turn, "requires_action", json.dumps({}))
    behind = turn_id(chat.submit(text="behind"))
    patch = {"person": CALLS, "person_ms": HOUR * 1000}
    chat.advance(epoch, turn, "waiting", json.dumps(patch), lease_ms=0)
    assert [call["call_id"] for call in chat.get(joined)["turn"]["calls"]] == ["a", "q"]
    assert chat.get(behind)["turn"]["calls"] == []
    assert answer(chat, behind, "a", approve=True) == {"outcome": "not_found"}
    answered = answer(chat, joined, "a", approve=False)["turn"]
    assert (answered["turn_id"], [call["call_id"] for call in answered["calls"]]) == (joined, ["q"])
    assert answer(chat, turn, "a", approve=True)["outcome"] == "already_answered"
    assert answer(chat, joined, "q", output="yes")["turn"]["calls"] == []
    assert chat.get(turn)["turn"]["status"] == "requires_action"
    assert chat.claim()["turn"]["turn_id"] == turn
    check(chat)
