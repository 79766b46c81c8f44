"""Strategy `steer`: which messages join the turn under way, when, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.core.turns import MultitaskStrategy
from tests.db.checker import check
from tests.db.database import Answer, Chat, Session, new_id
from tests.db.test_displacement import served


def step(chat: Chat, claim: Answer, *, run: str = "r1", handoff: dict[str, str] | None = None) -> Answer:
    """The run on record that asks for something."""
    call = {"call_id": f"call {run}", "name": "tool", "arguments": "{}", "output": "done"}
    asked = {"run_id": run, "agent": claim["agent"]["slug"], "text": "x", "calls": [call], "thread_id": "t"}
    patch = {
        "run": {"run_id": run, "agent": claim["agent"]["slug"], "status": "completed"},
        "step": asked | {"handoff": handoff},
    }
    return chat.advance(claim["epoch"], claim["turn"]["turn_id"], "requires_action", json.dumps(patch))


def next_run(chat: Chat, claim: Answer, session: Session | None = None, **changes: Any) -> Answer:
    """The intent to start the run behind that step."""
    patch = {"next_run": "said before"} | changes.pop("patch", {})
    answer = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "starting", json.dumps(patch), session, **changes)
    assert answer["outcome"] == "ok", answer
    return answer


def steer(chat: Chat, text: str, **changes: Any) -> str:
    turn: str = chat.submit(text=text, **({"strategy": "steer"} | changes))["turn"]["turn_id"]
    return turn


def told(answer: Answer) -> list[tuple[str, int]]:
    return [(one["text"], one["after"]) for one in answer["turn"]["steered"]]


def cancel(chat: Chat, turn: str) -> Answer:
    return chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)["turn"]  # type: ignore[no-any-return]


def edit(chat: Chat, turn: str, text: str) -> Any:
    return chat.db.call("chat_edit_turn", user=chat.user, turn=turn, text=text, op=new_id())["outcome"]


def texts(chat: Chat) -> list[str]:
    return [line[2] for line in chat.lines()]


def test_messages_that_wait_are_taken_with_the_next_run(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    turns = [steer(chat, text) for text in ("a", "b")]
    assert [chat.get(turn)["turn"]["position"] for turn in turns] == [1, 2]
    step(chat, claim)
    assert told(next_run(chat, claim)) == [("a", 1), ("b", 1)]
    for turn in turns:
        row = chat.get(turn)["turn"]
        assert (row["steered_into"], row["position"], row["joined"]) == (claim["turn"]["turn_id"], 0, [])
    assert texts(chat) == ["first", "said before", "a", "b"]
    late = steer(chat, "c")
    step(chat, claim, run="r2")
    assert told(next_run(chat, claim)) == [("a", 1), ("b", 1), ("c", 2)]
    assert [one["runs"] for one in chat.get(claim["turn"]["turn_id"])["turn"]["steered"]] == [1, 1, 2]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"], "to all")
    rows = [chat.get(turn)["turn"] for turn in (*turns, late)]
    assert {(row["status"], row["reply"]) for row in rows} == {("completed", "to all")}
    assert [len(row["runs"]) for row in rows] == [1, 1, 0]
    assert texts(chat) == ["first", "said before", "a", "b", "said before", "c", "to all"]
    check(chat, over=True)


@pytest.mark.parametrize("back", ["queued", "running", "starting"])
def test_what_was_told_stays_as_it_was(chat: Chat, back: str) -> None:
    """A lost create may still be found: a message that comes after the intent waits for the next step."""
    claim = chat.submit(text="first")["claim"]
    steer(chat, "a")
    step(chat, claim)
    next_run(chat, claim)
    late = steer(chat, "b")
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], back)
    assert told(chat.advance(claim["epoch"], claim["turn"]["turn_id"], "starting")) == [("a", 1)]
    chat.db.let_pass(15)
    taken = chat.claim()
    assert told(taken) == [("a", 1)], "a holder that takes over tells the same"
    step(chat, taken, run="r2")
    assert told(next_run(chat, taken)) == [("a", 1), ("b", 2)]
    assert chat.get(late)["turn"]["steered_into"] == claim["turn"]["turn_id"]
    check(chat)


def test_the_same_write_takes_them_once(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    steer(chat, "a")
    step(chat, claim)
    next_run(chat, claim, op="op")
    late = steer(chat, "b")
    assert told(next_run(chat, claim, op="op")) == [("a", 1)]
    assert chat.get(late)["turn"]["steered_into"] is None
    assert texts(chat) == ["first", "said before", "a"]


def test_a_holder_that_was_overtaken_takes_none(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    turn = steer(chat, "a")
    step(chat, claim)
    chat.db.let_pass(15)
    chat.claim()
    stale = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "starting", '{"next_run": ""}')
    assert (stale["outcome"], chat.get(turn)["turn"]["steered_into"]) == ("fenced", None)


def test_a_turn_without_a_further_step_leaves_them_in_line(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    chat.submit(text="b")
    steer(chat, "a")
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert served(chat) == ["b", "a"]


def test_it_goes_before_those_that_wait(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    chat.submit(text="b")
    chat.submit(text="c")
    steer(chat, "a")
    step(chat, claim)
    next_run(chat, claim)
    newer = chat.submit(text="now", strategy="interrupt")["turn"]["turn_id"]
    check(chat)
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "cancelled", '{"partial": "half"}', lease_ms=0)
    check(chat)
    taken = chat.claim()
    assert taken["turn"]["turn_id"] == newer
    displaced = [(one["text"], one["partial"]) for one in taken["displaced"]]
    assert displaced == [("first", ""), ("a", "half")], "put back each, the words behind the last"
    chat.complete(taken["epoch"], newer)
    assert served(chat) == ["b", "c"]
    check(chat, over=True)


def test_one_that_names_another_agent_waits_for_it(chat: Chat) -> None:
    claim = chat.submit(text="first", agent="orchestrator")["claim"]
    steer(chat, "a", agent="script_writer")
    same = steer(chat, "b", agent="orchestrator")
    step(chat, claim)
    assert told(next_run(chat, claim)) == [("b", 1)]
    handoff = {"from": "orchestrator", "to": "script_writer", "reason": "", "task": ""}
    step(chat, claim, run="r2", handoff=handoff)
    assert told(next_run(chat, claim, patch={"handoff": handoff | {"said": "over to it"}})) == [("b", 1), ("a", 2)]
    assert texts(chat) == ["first", "said before", "b", "over to it", "a"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert chat.get(same)["turn"]["agent"] == "script_writer"
    assert len(chat.get(same)["turn"]["handoffs"]) == 1
    check(chat, over=True)


def test_until_then_it_may_be_changed_and_cancelled(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    a, b = (steer(chat, text) for text in "ab")
    assert (edit(chat, a, "c"), cancel(chat, b)["status"]) == ("ok", "cancelled")
    step(chat, claim)
    assert told(next_run(chat, claim)) == [("c", 1)]
    assert edit(chat, a, "d") == "already_started"
    row = cancel(chat, a)
    assert (row["status"], row["steered_into"]) == ("queued", claim["turn"]["turn_id"])
    assert chat.get(claim["turn"]["turn_id"])["turn"]["cancel_requested"], "it is part of what is being answered"
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "cancelled", '{"partial": "half"}', lease_ms=0)
    assert chat.get(a)["turn"]["status"] == "cancelled"
    assert texts(chat) == ["first", "said before", "c", "half"]


@pytest.mark.parametrize("how", ["cancel", "interrupt", "rollback"])
def test_none_is_taken_by_a_turn_that_is_to_end(chat: Chat, how: str) -> None:
    claim = chat.submit(text="first")["claim"]
    step(chat, claim)
    if how == "cancel":
        cancel(chat, claim["turn"]["turn_id"])
    else:
        chat.submit(text="instead", strategy=how)
    steer(chat, "a")
    assert told(next_run(chat, claim)) == []
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "cancelled", lease_ms=0)
    assert served(chat) == (["a"] if how == "cancel" else ["instead", "a"])
    check(chat, over=True)


@pytest.mark.parametrize("to", ["completed", "failed", "cancelled"])
def test_it_shares_the_end(chat: Chat, to: str) -> None:
    claim = chat.submit(text="first", strategy="coalesce")["claim"]
    turn = steer(chat, "a")
    step(chat, claim)
    next_run(chat, claim)
    chat.db.let_pass(5)
    patch = {"completed": {"reply": "to both"}, "failed": {"error": {"code": "x"}}}.get(to, {})
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], to, json.dumps(patch), lease_ms=0)
    lead, row = (chat.get(one)["turn"] for one in (claim["turn"]["turn_id"], turn))
    assert [row[name] for name in ("status", "reply", "error", "finished_at")] == [
        lead[name] for name in ("status", "reply", "error", "finished_at")
    ]
    assert row["waited_ms"] < 1000, "it waited until it was taken"
    check(chat, over=True)


def test_what_was_asked_in_all_is_asked_again(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    turn = steer(chat, "a")
    step(chat, claim)
    next_run(chat, claim)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    again = chat.submit(text=None, replaces=turn)["claim"]
    assert again["turn"]["text"] == "first\n\na"
    assert texts(chat) == ["first\n\na"]
    check(chat)


def test_it_stays_with_its_turn_when_one_before_it_is_sent_anew(chat: Chat) -> None:
    claim = chat.submit(text="first")["claim"]
    gone, steered = steer(chat, "gone"), steer(chat, "steered")
    cancel(chat, gone)
    step(chat, claim)
    next_run(chat, claim)
    chat.submit(text="gone, edited", replaces=gone, owner=None)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert texts(chat)[:3] == ["first", "said before", "steered"]
    assert chat.get(steered)["turn"]["status"] == "completed"


def test_forty_at_once_are_taken_once_or_answered_by_themselves(chat: Chat) -> None:
    """Messages, their cancels and edits against the intents of one turn; every message has one end."""
    claim = chat.submit(text="first")["claim"]
    turns: list[str] = []

    def work(session: Session, number: int) -> None:
        if number == 0:
            for run in range(6):
                step(chat, claim, run=f"r{run}")
                next_run(chat, claim, session)
        elif number < 30:
            turn = chat.submit(session, text=new_id(), strategy="steer", owner=None)["turn"]["turn_id"]
            turns.append(turn)
        elif turns:
            if number % 2:
                session.call("chat_cancel_turn", user=chat.user, turn=turns[-1])
            else:
                session.call("chat_edit_turn", user=chat.user, turn=turns[-1], text=new_id(), op=new_id())

    chat.db.together(40, work)
    check(chat)
    lead = chat.get(claim["turn"]["turn_id"])["turn"]
    to = "cancelled" if lead["cancel_requested"] else "completed"
    patch = "{}" if lead["cancel_requested"] else '{"reply": "to all"}'
    chat.advance(claim["epoch"], lead["turn_id"], to, patch, lease_ms=0)
    served(chat)
    check(chat, over=True)
    rows = [chat.get(turn)["turn"] for turn in turns]
    told_to = {one["turn_id"] for one in lead["steered"]}
    assert {row["turn_id"] for row in rows if row["steered_into"]} == told_to
    for row in rows:
        assert row["status"] == (to if row["turn_id"] in told_to else row["status"])
        assert texts(chat).count(row["text"]) == (row["status"] == "completed" or row["turn_id"] in told_to)


@pytest.mark.parametrize("arriving", MultitaskStrategy)
@pytest.mark.parametrize("running", MultitaskStrategy)
def test_every_strategy_meets_every_other(chat: Chat, running: MultitaskStrategy, arriving: MultitaskStrategy) -> None:
    """What is under way makes no difference to what arrives; `coalesce` and `steer` do not displace it."""
    claim = chat.submit(text="first", strategy=running.value)["claim"]
    lead = claim["turn"]["turn_id"]
    step(chat, claim)
    answer = chat.submit(text="second", strategy=arriving.value)
    if arriving is MultitaskStrategy.REJECT:
        assert answer["outcome"] == "run_in_progress"
    else:
        assert answer["turn"]["status"] == "queued"
    marked = chat.get(lead)["turn"]
    assert marked["cancel_requested"] == arriving.displaces
    assert marked["superseded_how"] == (arriving.value if arriving.displaces else None)
    after = next_run(chat, claim)
    assert told(after) == ([("second", 1)] if arriving is MultitaskStrategy.STEER else [])
    assert after["turn"]["joined"] == []
    ends = ("cancelled", "{}") if arriving.displaces else ("completed", '{"reply": "answer"}')
    chat.advance(claim["epoch"], lead, *ends, lease_ms=0)
    alone = arriving not in (MultitaskStrategy.REJECT, MultitaskStrategy.STEER)
    assert served(chat) == (["second"] if alone else [])
    check(chat, over=True)
