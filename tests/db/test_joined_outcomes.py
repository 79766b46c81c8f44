"""Messages that share a run share its outcome: answered, failed, displaced; cancelled only each by its user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Chat, new_id
from tests.db.test_coalescing import cancel, joined, queue
from tests.db.test_displacement import RUN, served


@pytest.mark.parametrize(
    ("to", "patch"),
    [("completed", {"reply": "to all"}), ("failed", {"error": {"code": "x", "partial_text": "secret"}})],
)
def test_they_share_the_outcome(chat: Chat, to: str, patch: dict[str, Any]) -> None:
    turns = queue(chat, "a", "b", "c")
    claim = chat.claim()
    cancel(chat, turns[1])
    chat.db.let_pass(5)
    run = {"run_id": "r", "agent": "a", "status": to}
    lead = chat.advance(claim["epoch"], turns[0], to, json.dumps(patch | {"run": run}), lease_ms=0)["turn"]
    own, other = chat.get(turns[1])["turn"], chat.get(turns[2])["turn"]
    assert (own["status"], own["reply"], own["error"]) == ("cancelled", None, None)
    for shared in ("status", "reply", "runs", "handoffs", "agent", "finished_at"):
        assert other[shared] == lead[shared], shared
    assert other["error"] == (None if lead["error"] is None else {"code": "x"})
    assert [one["status"] for one in other["joined"]] == [to, "cancelled", to]
    assert abs(other["waited_ms"] - lead["waited_ms"]) < 1000
    check(chat, over=True)


def test_what_was_asked_is_shown_also_of_one_that_its_user_cancelled(chat: Chat) -> None:
    turns = queue(chat, "a", "b")
    claim = chat.claim()
    assert cancel(chat, turns[1])["turn"]["status"] == "cancelled"
    assert joined(chat.get(turns[0])) == ["a", "b"], "it has been sent"
    assert [line[2] for line in chat.lines()[2:]] == ["a", "b"]
    chat.complete(claim["epoch"], turns[0])
    check(chat, over=True)


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
@pytest.mark.parametrize("requeued", [False, True])
def test_they_are_displaced_together(chat: Chat, strategy: str, requeued: bool) -> None:
    turns = queue(chat, "a", "b", "c", "d")
    claim = chat.claim()
    cancel(chat, turns[1])
    if requeued:
        chat.advance(claim["epoch"], turns[0], "queued")
    newer = chat.submit(text="now", strategy=strategy)["turn"]["turn_id"]
    if not requeued:
        chat.advance(claim["epoch"], turns[0], "cancelled", '{"partial": "to"}', lease_ms=0)
    for turn in (turns[0], *turns[2:]):
        row = chat.get(turn)["turn"]
        assert (row["status"], row["superseded_by"], row["error"]["superseded_by"]) == ("cancelled", newer, newer)
        assert ("partial_text" in row["error"]) == (turn == turns[0] and not requeued)
    assert chat.get(turns[1])["turn"]["superseded_by"] is None
    check(chat)
    chat.db.let_pass(15)
    asked, said = ("a\n\nb\n\nc\n\nd", "" if requeued else "to")
    expected = [(turns[0], asked, said)] if strategy == "interrupt" else []
    told = [(one["turn_id"], one["text"], one["partial"]) for one in chat.claim()["displaced"]]
    assert told == expected, "asked as one, told as one"
    lines = ["a", "b", "c", "d"] if strategy == "interrupt" else []
    assert [line[2] for line in chat.lines()[2:] if line[2] != "to"] == [*lines, "now"]


@pytest.mark.parametrize("status", ["queued", "starting", "running"])
def test_a_head_that_its_user_cancels_lets_the_others_go_on(chat: Chat, status: str) -> None:
    turns = queue(chat, "a", "b", "c", "d")
    claim = chat.claim()
    if status != "starting":
        chat.advance(claim["epoch"], turns[0], status, RUN if status == "running" else "{}")
    cancel(chat, turns[2])
    cancel(chat, turns[0])
    if status != "queued":
        chat.advance(claim["epoch"], turns[0], "cancelled", '{"partial": "to"}', lease_ms=0)
    chat.fenced("chat_release_lease", epoch=claim["epoch"])
    kept = ["first", "answer"] if status == "queued" else ["first", "answer", "a", "to"]
    assert [line[2] for line in chat.lines()] == kept, "the others are asked when they are"
    edit = chat.db.call("chat_edit_turn", user=chat.user, turn=turns[1], text="b2", op=new_id())
    assert edit["outcome"] == "ok", "the next one had not been sent by itself"
    chat.submit(text="now", strategy="rollback", owner=None)
    superseded = chat.get(turns[1])["turn"]
    assert superseded["superseded_how"] == "rollback"
    check(chat)
    assert served(chat)[-1] == "d"


def test_a_request_to_cancel_lets_no_other_claim_in(chat: Chat) -> None:
    turns = queue(chat, "a", "b")
    claim = chat.claim()
    newer = chat.submit(text="now", strategy="interrupt")["turn"]["turn_id"]
    cancel(chat, newer)
    late = chat.submit(text="late", strategy="coalesce")["turn"]["turn_id"]
    chat.advance(claim["epoch"], turns[0], "starting")
    chat.advance(claim["epoch"], turns[0], "cancelled", lease_ms=0)
    assert chat.get(late)["turn"]["status"] == "queued"
    assert served(chat) == ["late"]


def test_they_are_not_stranded_when_their_head_is_taken_back(chat: Chat) -> None:
    turns = queue(chat, "a", "b")
    claim = chat.claim()
    assert chat.fenced("chat_withdraw_turn", turn=turns[0], epoch=claim["epoch"])["outcome"] == "ok"
    assert chat.lines()[2:] == []
    chat.fenced("chat_release_lease", epoch=claim["epoch"])
    assert served(chat) == ["b"]


def test_deadlines_pass_for_the_run_and_not_for_each(chat: Chat) -> None:
    first = chat.submit(text="first")["claim"]
    lead = chat.submit(text="a", strategy="coalesce")["turn"]["turn_id"]
    other = chat.submit(text="b", strategy="coalesce", ttl_ms=5000)["turn"]["turn_id"]
    chat.complete(first["epoch"], first["turn"]["turn_id"])
    claim = chat.claim()
    chat.db.let_pass(6)
    assert chat.get(other)["turn"]["remaining_ms"] == 0
    assert chat.claim()["outcome"] == "busy"
    chat.complete(claim["epoch"], lead)
    assert chat.get(other)["turn"]["status"] == "completed"
