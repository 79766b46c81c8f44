"""Two sessions step by step: the second one is seen waiting for the first, then finds the world the first one left."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.db.database import Chat, Session, new_id

RUN = json.dumps({"run": {"run_id": "r", "agent": "a", "status": "queued"}})


def test_submit_waits_for_submit(chat: Chat) -> None:
    with chat.db.while_open(lambda one: chat.submit(one), lambda other: chat.submit(other)) as (first, waiting):
        pass
    second = waiting.result()
    assert [answer["turn"]["seq"] for answer in (first, second)] == [1, 2]
    assert "claim" in first
    assert "claim" not in second


def test_the_same_key_waits_and_is_a_replay(chat: Chat) -> None:
    def send(session: Session) -> dict[str, Any]:
        return chat.submit(session, key="key", conversation=new_id())

    with chat.db.while_open(send, send) as (first, waiting):
        pass
    assert waiting.result()["outcome"] == "replayed"
    assert waiting.result()["turn"]["turn_id"] == first["turn"]["turn_id"]


def test_submits_of_two_users_do_not_wait_for_each_other(chat: Chat) -> None:
    other = Chat(chat.db, conversation=chat.conversation)
    with chat.db.session(autocommit=False) as one:
        chat.submit(one)
        assert other.submit()["outcome"] == "created"


def test_claim_waits_for_advance(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.submit()

    def complete(session: Session) -> dict[str, Any]:
        return chat.advance(claim["epoch"], turn, "completed", '{"reply": "x"}', session, lease_ms=0)

    with chat.db.while_open(complete, chat.claim) as (_, waiting):
        pass
    assert waiting.result()["turn"]["seq"] == 2


def test_advance_waits_for_a_claim_and_is_fenced(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    chat.db.let_pass(15)

    def late(session: Session) -> dict[str, Any]:
        return chat.advance(claim["epoch"], claim["turn"]["turn_id"], "running", RUN, session)

    with chat.db.while_open(chat.claim, late) as (first, waiting):
        pass
    assert first["outcome"] == "claimed"
    assert waiting.result()["outcome"] == "fenced"


def test_edit_waits_for_a_claim_and_comes_too_late(chat: Chat) -> None:
    turn = chat.submit(owner=None)["turn"]["turn_id"]

    def edit(session: Session) -> dict[str, Any]:
        return session.call("chat_edit_turn", user=chat.user, turn=turn, text="other", op=new_id())

    with chat.db.while_open(chat.claim, edit) as (_, waiting):
        pass
    assert waiting.result()["outcome"] == "already_started"
    assert chat.lines() == [(1, "user", "hello")]


def test_claim_waits_for_an_edit_and_takes_the_new_text(chat: Chat) -> None:
    turn = chat.submit(owner=None)["turn"]["turn_id"]

    def edit(session: Session) -> dict[str, Any]:
        return session.call("chat_edit_turn", user=chat.user, turn=turn, text="other", op=new_id())

    with chat.db.while_open(edit, chat.claim) as (_, waiting):
        pass
    assert waiting.result()["turn"]["text"] == "other"
    assert chat.lines() == [(1, "user", "other")]


def test_submit_waits_for_a_withdrawal_and_makes_the_conversation_anew(chat: Chat) -> None:
    first = chat.submit(strategy="reject")

    def withdraw(session: Session) -> dict[str, Any]:
        return chat.fenced("chat_withdraw_turn", session, turn=first["turn"]["turn_id"], epoch=first["claim"]["epoch"])

    with chat.db.while_open(withdraw, lambda other: chat.submit(other, strategy="reject")) as (_, waiting):
        pass
    second = waiting.result()
    assert (second["outcome"], second["turn"]["seq"]) == ("created", 1)
    assert chat.lines() == [(1, "user", "hello")]
    scoped = chat.submit(conversation=None, scope_kind="topic", scope_key="x")
    assert scoped["outcome"] == "created"


def test_withdraw_waits_for_a_submit_and_leaves_an_empty_row(chat: Chat) -> None:
    first = chat.submit(strategy="reject", key="key")

    def withdraw(session: Session) -> dict[str, Any]:
        return chat.fenced("chat_withdraw_turn", session, turn=first["turn"]["turn_id"], epoch=first["claim"]["epoch"])

    with chat.db.while_open(lambda one: chat.submit(one, text="second"), withdraw) as (second, waiting):
        pass
    assert waiting.result()["outcome"] == "ok"
    assert second["turn"]["seq"] == 2
    left = chat.get(first["turn"]["turn_id"])["turn"]
    assert (left["status"], left["text"], left["seq"]) == ("cancelled", "", 1)
    assert chat.lines() == []
    assert chat.submit(key="key")["outcome"] == "created", "its key is free again"


def test_cancel_against_complete(chat: Chat) -> None:
    """Two hundred times at once: always the real outcome, and both sides are told the same."""
    told: Counter[tuple[str, bool]] = Counter()
    turns: list[tuple[Chat, int, str]] = []
    for _ in range(200):
        one = Chat(chat.db, user=chat.user)
        claim = one.submit(open_per_user=200)["claim"]
        turns.append((one, claim["epoch"], claim["turn"]["turn_id"]))
    chat.db.run("update public.chat_turns set status = 'running' where user_id = %s", chat.user)

    def work(session: Session, number: int) -> list[dict[str, Any]]:
        answers = []
        for one, epoch, turn in turns:
            if number:
                answer = one.advance(epoch, turn, "completed", '{"reply": "x"}', session, lease_ms=0)
            else:
                answer = session.call("chat_cancel_turn", user=one.user, turn=turn)
            answers.append(answer["turn"])
        return answers

    cancelled, completed = chat.db.together(2, work)
    for (_, _, turn), seen, done in zip(turns, cancelled, completed, strict=True):
        final = chat.get(turn)["turn"]
        assert (final["status"], done["status"]) == ("completed", "completed")
        assert final["cancel_requested"] == done["cancel_requested"]
        told[seen["status"], seen["cancel_requested"]] += 1
        assert seen["status"] in ("running", "completed")
        assert seen["cancel_requested"] == (seen["status"] == "running")
    assert sum(told.values()) == 200


def test_cancel_against_claim(chat: Chat) -> None:
    """A queued turn is cancelled at once or claimed with the request on record; never both, never neither."""
    for _ in range(25):
        one = Chat(chat.db)
        turn = one.submit(owner=None)["turn"]["turn_id"]

        def work(session: Session, number: int, one: Chat = one, turn: str = turn) -> dict[str, Any]:
            return session.call("chat_cancel_turn", user=one.user, turn=turn) if number else one.claim(session)

        claim, cancel = chat.db.together(2, work)
        if claim["outcome"] == "claimed":
            assert (cancel["turn"]["status"], cancel["turn"]["cancel_requested"]) == ("starting", True)
        else:
            assert (claim["outcome"], cancel["turn"]["status"]) == ("idle", "cancelled")
            assert one.lines() == []


def test_everything_at_once_keeps_every_rule(chat: Chat) -> None:
    """Senders, workers and cancellers on one conversation, until all is done: each turn has one outcome, in order."""
    turns = [new_id() for _ in range(60)]

    def work(session: Session, number: int) -> None:
        if number < 6:
            for turn in turns[number::6]:
                chat.submit(session, turn=turn, text=turn, owner=None)
        elif number < 9:
            for turn in turns[number::9]:
                session.call("chat_cancel_turn", user=chat.user, turn=turn)
        else:
            for _ in range(120):
                claim = chat.claim(session)
                if claim["outcome"] == "claimed":
                    reply = json.dumps({"reply": claim["turn"]["text"]})
                    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "completed", reply, session, lease_ms=0)

    chat.db.together(12, work)
    while (claim := chat.claim())["outcome"] == "claimed":
        chat.complete(claim["epoch"], claim["turn"]["turn_id"], claim["turn"]["text"])
    rows = chat.db.rows(
        "select seq, status, text, reply from public.chat_turns where user_id = %s order by seq", chat.user
    )
    assert [row["seq"] for row in rows] == list(range(1, 61))
    assert {row["status"] for row in rows} <= {"completed", "cancelled"}
    answered = [row["text"] for row in rows if row["status"] == "completed"]
    assert all(row["reply"] == row["text"] for row in rows if row["status"] == "completed")
    expected = [line for text in answered for line in (("user", text), ("assistant", text))]
    assert [(role, text) for _, role, text in chat.lines()] == expected
    assert [seq for seq, _, _ in chat.lines()] == list(range(1, 2 * len(answered) + 1))
