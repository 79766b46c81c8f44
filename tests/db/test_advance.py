"""The steps of a turn: which are legal, and what each one leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.db.database import Chat, new_id

OPEN = ("queued", "starting", "running", "requires_action")
FINAL = ("completed", "failed", "cancelled")
PATCH = {"reply": "answer", "error": {"code": "run_failed"}, "run": {"run_id": "r", "agent": "a", "status": "s"}}
# from queued a turn may only be started or ended; once under way it may go anywhere
LEGAL = {(before, to) for before in OPEN[1:] for to in OPEN + FINAL} | {
    ("queued", to) for to in ("starting", "failed", "cancelled")
}


def bring(chat: Chat, status: str) -> tuple[int, str]:
    """A turn in that status, with the lease held."""
    claim = chat.submit()["claim"]
    epoch, turn = claim["epoch"], claim["turn"]["turn_id"]
    if status != "starting":
        assert chat.advance(epoch, turn, status, json.dumps(PATCH))["outcome"] == "ok"
    return epoch, turn


@pytest.mark.parametrize("to", OPEN + FINAL)
@pytest.mark.parametrize("before", OPEN + FINAL)
def test_every_step(chat: Chat, before: str, to: str) -> None:
    epoch, turn = bring(chat, before)
    answer = chat.advance(epoch, turn, to, json.dumps(PATCH))
    if before in FINAL:
        assert (answer["outcome"], answer["turn"]["status"]) == ("final", before)
    elif (before, to) in LEGAL:
        assert (answer["outcome"], answer["turn"]["status"]) == ("ok", to)
        assert (answer["turn"]["reply"] is not None) == (to == "completed")
        assert (answer["turn"]["error"] is not None) == (to == "failed")
        assert (answer["turn"]["finished_at"] is not None) == (to in FINAL)
    else:
        assert (answer["outcome"], answer["turn"]["status"]) == ("conflict", before)


def test_only_the_head_starts(chat: Chat) -> None:
    epoch, turn = bring(chat, "queued")
    second = chat.submit(owner=None)["turn"]["turn_id"]
    assert chat.advance(epoch, second, "starting")["outcome"] == "conflict"
    assert chat.advance(epoch, turn, "starting")["outcome"] == "ok"


def test_every_attempt_has_a_run_key_of_its_own(chat: Chat) -> None:
    epoch, turn = bring(chat, "starting")
    keys = [chat.advance(epoch, turn, "starting")["turn"]["run_key"] for _ in range(3)]
    assert keys == [f"{turn}.{attempt}" for attempt in (2, 3, 4)]


def test_what_a_step_carries(chat: Chat) -> None:
    epoch, turn = bring(chat, "starting")
    steps: list[tuple[str | None, dict[str, Any]]] = [
        (None, {"thread": {"provider": "responses", "thread_id": "t", "cursor": None}}),
        ("queued", {"conflict": True}),
        ("starting", {"count_failure": True}),
        ("running", {"run": {"run_id": None, "agent": "a", "status": "queued"}}),
        ("running", {"run": {"run_id": "r1", "agent": "a", "status": "in_progress"}}),
        ("starting", {"run": {"run_id": "r1", "agent": "a", "status": "completed"}, "usage": usage(1, 2)}),
        ("running", {"run": {"run_id": "r2", "agent": "b", "status": "queued"}, "usage": usage(10, 20)}),
        ("completed", {"run": {"run_id": "r2", "agent": "b", "status": "completed"}, "reply": "done"}),
    ]
    for to, patch in steps:
        answer = chat.advance(epoch, turn, to, json.dumps(patch))
        assert answer["outcome"] == "ok"
    done = answer["turn"]
    assert [(run["run_id"], run["agent"], run["status"]) for run in done["runs"]] == [
        ("r1", "a", "completed"),
        ("r2", "b", "completed"),
    ]
    assert done["usage"] == usage(11, 22)
    assert (done["conflicts"], done["failures"], done["attempt"], done["run_id"]) == (1, 1, 3, "r2")
    chat.fenced("chat_release_lease", epoch=epoch)
    chat.submit(owner=None)
    claim = chat.claim()
    assert (claim["thread_provider"], claim["thread_id"], claim["last_run_id"]) == ("responses", "t", "r2")
    assert claim["message_count"] == 2
    assert claim["turn"]["agent"] == "b"
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, '{"forget_thread": true}', lease_ms=0)
    claim = chat.claim()
    assert (claim["thread_provider"], claim["thread_id"], claim["thread_cursor"]) == (None, None, None)


def usage(given: int, taken: int) -> dict[str, int]:
    return {"input_tokens": given, "output_tokens": taken}


def test_times_are_the_databases(chat: Chat) -> None:
    queued = chat.submit(owner=None)["turn"]
    assert (queued["starting_ms"], queued["running_ms"]) == (None, None)
    turn = queued["turn_id"]
    chat.db.let_pass(3)
    claim = chat.claim()
    assert 3000 <= claim["turn"]["waited_ms"] < 4000
    chat.db.let_pass(2)
    run = json.dumps({"run": {"run_id": "r", "agent": "a", "status": "queued"}})
    running = chat.advance(claim["epoch"], turn, "running", run)["turn"]
    assert 3000 <= running["waited_ms"] < 4000, "until the create that led to the first run was sent"
    assert 2000 <= running["starting_ms"] < 3000
    assert running["running_ms"] < 1000
    chat.db.let_pass(4)
    looked = chat.advance(claim["epoch"], turn, "running", run)["turn"]
    assert 4000 <= looked["running_ms"] < 5000, "the same run goes on"
    assert 3000 <= looked["waited_ms"] < 4000
    assert 890_000 < looked["remaining_ms"] <= 891_000


def test_a_create_may_still_arrive_for_as_long_as_if_it_were_sent_with_its_threads_record(chat: Chat) -> None:
    chat.submit(owner=None)
    claim = chat.claim()
    turn = claim["turn"]["turn_id"]
    chat.db.let_pass(9)
    thread = json.dumps({"thread": {"provider": "responses", "thread_id": "t", "cursor": None}})
    assert chat.advance(claim["epoch"], turn, None, thread)["turn"]["starting_ms"] < 1000
    chat.db.let_pass(9)
    assert 9000 <= chat.advance(claim["epoch"], turn, None)["turn"]["starting_ms"] < 10_000


def test_a_known_write_is_not_written_again(chat: Chat) -> None:
    epoch, turn = bring(chat, "starting")
    op = new_id()
    patch = json.dumps({"usage": usage(1, 1), "conflict": True})
    first = chat.advance(epoch, turn, "running", patch, op=op)
    chat.advance(epoch, turn, "requires_action")
    late = chat.advance(epoch, turn, "running", patch, op=op)
    assert first["outcome"] == late["outcome"] == "ok"
    assert (late["turn"]["status"], late["turn"]["conflicts"]) == ("requires_action", 1)
    assert late["turn"]["usage"] == usage(1, 1)


def test_a_lost_answer_to_the_last_step_is_told_to_a_holder_of_yesterday(chat: Chat) -> None:
    epoch, turn = bring(chat, "running")
    chat.submit(owner=None)
    op = new_id()
    chat.advance(epoch, turn, "completed", '{"reply": "answer"}', op=op, lease_ms=0)
    assert chat.claim()["outcome"] == "claimed"
    again = chat.advance(epoch, turn, "completed", '{"reply": "answer"}', op=op, lease_ms=0)
    assert (again["outcome"], again["turn"]["reply"]) == ("ok", "answer")
    assert chat.claim()["outcome"] == "busy", "and it has given no other lease up"


def test_the_transcript_shows_what_was_started(chat: Chat) -> None:
    asked = ["answered", "edited", "cancelled", "failed in the queue", "cancelled at work", "last"]
    turns = {text: chat.submit(owner=None, text=text)["turn"]["turn_id"] for text in asked}
    assert chat.lines() == []
    claim = chat.claim()
    assert chat.lines() == [(1, "user", "answered")]
    chat.db.call("chat_edit_turn", user=chat.user, turn=turns["edited"], text="edited since", op=new_id())
    chat.db.call("chat_cancel_turn", user=chat.user, turn=turns["cancelled"])
    chat.complete(claim["epoch"], turns["answered"], "one")
    chat.complete(chat.claim()["epoch"], turns["edited"], "two")
    claim = chat.claim()
    deferred = chat.advance(claim["epoch"], claim["turn"]["turn_id"], "queued", '{"delay_ms": 1000}')
    assert deferred["turn"]["text"] == "failed in the queue"
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "failed", '{"error": {"code": "x"}}', lease_ms=0)
    claim = chat.claim()
    chat.advance(claim["epoch"], turns["cancelled at work"], "running", json.dumps({"run": PATCH["run"]}))
    chat.advance(claim["epoch"], turns["cancelled at work"], "cancelled", lease_ms=0)
    claim = chat.claim()
    # deferred by the provider, then cancelled: it never ran, so it is not shown either
    chat.advance(claim["epoch"], turns["last"], "queued", '{"delay_ms": 1000}')
    chat.db.call("chat_cancel_turn", user=chat.user, turn=turns["last"])
    chat.fenced("chat_release_lease", epoch=claim["epoch"])
    assert chat.lines() == [
        (1, "user", "answered"),
        (2, "assistant", "one"),
        (3, "user", "edited since"),
        (4, "assistant", "two"),
        (5, "user", "failed in the queue"),
        (6, "user", "cancelled at work"),
    ]
    chat.submit(text="next")
    assert chat.lines()[-1] == (7, "user", "next")


def test_a_failure_before_any_start_shows_its_message(chat: Chat) -> None:
    turn = chat.submit(owner=None, ttl_ms=1000)["turn"]["turn_id"]
    chat.db.let_pass(1)
    claim = chat.claim()
    assert chat.lines() == []
    chat.advance(claim["epoch"], turn, "failed", '{"error": {"code": "turn_expired"}}', lease_ms=0)
    assert chat.lines() == [(1, "user", "hello")]
