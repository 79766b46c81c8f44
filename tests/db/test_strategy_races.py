"""Messages of every strategy, workers and cancellers at once; the rules are checked afterwards, and on the way."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, Session, new_id
from tests.db.test_displacement import DISPLACING, RUN, under_way

STRATEGIES = ("enqueue", "interrupt", "rollback", "coalesce", "coalesce", "coalesce")
ENDS = ("completed", "completed", "failed", "queued", "starting", "running", "requires_action")


def step(chat: Chat, epoch: int, turn: str, to: str | None, session: Session | None, **patch: Any) -> Answer:
    run = {"run_id": new_id(), "agent": "a", "status": "s"}
    lease_ms = 0 if to in ("completed", "failed", "cancelled") else 15_000
    return chat.advance(epoch, turn, to, json.dumps({"run": run} | patch), session, lease_ms=lease_ms)


def serve(chat: Chat, dice: random.Random, session: Session | None = None) -> bool:
    """What a holder does: a few steps, each of which may tell it to end the turn."""
    claim = chat.claim(session)
    if claim["outcome"] != "claimed":
        return False
    epoch, turn = claim["epoch"], claim["turn"]
    while turn["finished_at"] is None:
        if turn["cancel_requested"]:
            never = dice.random() < 0.1 and turn["status"] != "queued" and turn["superseded_by"] is not None
            patch: dict[str, Any] = {"undisturbed": True} if never else {"partial": dice.choice(["", "once upon"])}
            answer = step(chat, epoch, turn["turn_id"], None if never else "cancelled", session, **patch)
        else:
            to = "starting" if turn["status"] == "queued" else dice.choice(ENDS)
            patch = {"completed": {"reply": turn["text"]}, "failed": {"error": {"code": "x"}}}.get(to, {})
            answer = step(chat, epoch, turn["turn_id"], to, session, **patch)
        if answer["outcome"] not in ("ok", "final"):
            assert answer["outcome"] == "fenced", answer
            return True
        turn = answer["turn"]
    chat.fenced("chat_release_lease", session, epoch=epoch)
    return True


@pytest.mark.parametrize("seed", range(3))
def test_forty_at_once_keep_every_rule(chat: Chat, seed: int) -> None:
    turns: list[str] = []

    def work(session: Session, number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        for _ in range(8):
            if number < 16:
                gather = dice.choice([0, 0, 1])
                strategy = dice.choice(STRATEGIES)
                answer = chat.submit(session, text=new_id(), strategy=strategy, owner=None, gather_ms=gather)
                turns.append(answer["turn"]["turn_id"])
            elif number < 22 and turns:
                session.call("chat_cancel_turn", user=chat.user, turn=dice.choice(turns))
            elif number < 25 and turns:
                session.call("chat_edit_turn", user=chat.user, turn=dice.choice(turns), text=new_id(), op=new_id())
            elif number < 27:
                session.call("chat_list_orphans", limit=200)
                session.call("chat_get_conversation", user=chat.user, conversation=chat.conversation)
            elif number < 29:
                chat.submit(session, strategy="reject", owner=None)
            else:
                serve(chat, dice, session)

    chat.submit(owner=None)
    chat.db.together(40, work)
    check(chat)
    dice = random.Random(seed)
    for _ in range(1000):
        chat.db.let_pass(0.01)  # the pauses in which messages gather
        if not serve(chat, dice):
            break
        check(chat)
    check(chat, over=True)
    for turn in turns:
        row = chat.get(turn)["turn"]
        assert (row["reply"] is not None) == (row["status"] == "completed")


@pytest.mark.parametrize("strategy", DISPLACING)
def test_interrupts_against_completions(chat: Chat, strategy: str) -> None:
    """A hundred times at once: the turn is answered or displaced, and its row, its sender and its lines agree."""
    chats = [Chat(chat.db, user=chat.user) for _ in range(100)]
    started = [under_way(one, open_per_user=1000) for one in chats]

    def work(session: Session, number: int) -> list[Answer]:
        answers = []
        for one, (epoch, turn) in zip(chats, started, strict=True):
            if number:
                answers.append(one.submit(session, strategy=strategy, open_per_user=1000))
            else:
                told = one.advance(epoch, turn, None, RUN, session)["turn"]
                to = "cancelled" if told["cancel_requested"] else "completed"
                patch = json.dumps({"reply": "answer", "partial": "ans"})
                answers.append(one.advance(epoch, turn, to, patch, session, lease_ms=0))
        return answers

    ended, newer = chat.db.together(2, work)
    seen = Counter(answer["turn"]["status"] for answer in ended)
    assert sum(seen.values()) == 100
    for one, (_, turn), by in zip(chats, started, newer, strict=True):
        row = one.get(turn)["turn"]
        displaced = row["status"] == "cancelled"
        assert row["superseded_by"] == (by["turn"]["turn_id"] if displaced else None)
        said = [] if displaced and strategy == "rollback" else ["hello", "ans" if displaced else "answer"]
        assert [line[2] for line in one.lines()][: len(said)] == said
        assert len(one.lines()) == len(said) + ("claim" in by)


def test_cancels_against_joins(chat: Chat) -> None:
    """A message is cancelled before it is joined or afterwards; its neighbours are answered in both cases."""
    for _ in range(10):
        one = Chat(chat.db)
        turns = [one.submit(owner=None, text=str(n), strategy="coalesce")["turn"]["turn_id"] for n in range(20)]

        def work(session: Session, number: int, one: Chat = one, turns: list[str] = turns) -> Answer:
            if number == 0:
                return one.claim(session)
            return session.call("chat_cancel_turn", user=one.user, turn=turns[number])

        claim = one.db.together(20, work)[0]
        check(one)
        one.complete(claim["epoch"], turns[0])
        rows = [one.get(turn)["turn"] for turn in turns]
        assert [row["status"] for row in rows] == ["completed"] + ["cancelled"] * 19
        check(one, over=True)


def test_forty_interrupts_at_once(chat: Chat) -> None:
    _, first = under_way(chat)
    for text in ("waiting 1", "waiting 2"):
        chat.submit(text=text)
    answers = chat.db.together(40, lambda session, n: chat.submit(session, text=str(n), strategy=DISPLACING[n % 2]))
    check(chat)
    by = chat.get(first)["turn"]["superseded_by"]
    earliest = min(answers, key=lambda answer: answer["turn"]["seq"])
    assert by == earliest["turn"]["turn_id"], "the first one to be stored"
    detail = chat.db.call("chat_get_conversation", user=chat.user, conversation=chat.conversation)["conversation"]
    newest_first = sorted((answer["turn"]["seq"] for answer in answers), reverse=True)
    assert [turn["seq"] for turn in detail["open_turns"]] == [1, *newest_first, 2, 3]
    assert [turn["position"] for turn in detail["open_turns"]] == list(range(43))


@pytest.mark.parametrize("strategy", [*DISPLACING, "coalesce"])
def test_one_key_is_one_turn_with_every_strategy(chat: Chat, strategy: str) -> None:
    _, first = under_way(chat)
    answers = chat.db.together(40, lambda session, _: chat.submit(session, strategy=strategy, key="key"))
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "replayed": 39}
    (newer,) = {answer["turn"]["turn_id"] for answer in answers}
    assert chat.get(first)["turn"]["superseded_by"] == (None if strategy == "coalesce" else newer)
