"""What operators read of all turns: the same figures whether they come from events, from slices or from hours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database

FILL = """
insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, code, nth, ms, waited_ms,
  input_tokens, output_tokens)
select chat_internal.ring_day(at), at, gen_random_uuid(), gen_random_uuid(), e.name,
  case when n %% 2 = 0 then 'orchestrator' else 'a users own' end, e.code, e.nth, e.ms, e.waited_ms, e.input, e.output
from generate_series(0, %s - 1) n, lateral (select chat_internal.now() - make_interval(secs => n * %s) as at) clock,
  lateral (values
    ('turn.accepted', 'enqueue', 0, null, null, null, null),
    ('turn.claimed', null, 1, 40, null, null, null),
    ('turn.completed', null, case when n %% 10 = 0 then 2 else 0 end, 1000 + n, 100, 3, 4)
  ) e (name, code, nth, ms, waited_ms, input, output)"""


@pytest.fixture
def filled(db: Database) -> Iterator[Database]:
    """A turn every minute for fifty hours, and nothing counted yet."""
    forget = "truncate public.chat_turn_events, chat_internal.turn_counts, chat_internal.turns_counted,"
    forget += " chat_internal.turn_points"
    db.run(forget)
    db.run(FILL, 3000, 60)
    yield db
    db.run(forget)


def read(db: Database, window: int, bucket: int) -> dict[Any, Any]:
    answer: Answer = db.call("chat_get_statistics", window_seconds=window, bucket_seconds=bucket)
    return {part["at"]: part["counts"] for part in answer["buckets"]}


def count(db: Database) -> None:
    for _ in range(12):
        db.call("chat_tidy_events", slices=60)


@pytest.mark.parametrize(("window", "bucket"), [(86_400, 3600), (3600, 300), (86_400, 300), (604_800, 86_400)])
def test_counting_changes_no_figure(filled: Database, window: int, bucket: int) -> None:
    before = read(filled, window, bucket)
    count(filled)
    assert filled.rows("select count(*) as n from chat_internal.turn_counts where seconds = 3600")[0]["n"] > 100
    assert read(filled, window, bucket) == before
    filled.run("delete from public.chat_turn_events where at < chat_internal.now() - interval '20 minutes'")
    assert read(filled, window, bucket) == before, "what is counted needs no events any more"


def test_the_figures_of_a_window(filled: Database) -> None:
    parts = read(filled, 86_400, 3600)
    whole = parts.pop(None)
    assert len(parts) == 24
    turns = whole["events"]["turn.accepted"]
    assert 23 * 60 < turns <= 24 * 60
    assert sum(part["events"]["turn.accepted"] for part in parts.values()) == turns
    assert whole["conflicted"]["turn.completed"] == whole["tries"]["2"] == -(-turns // 10)
    assert sum(whole["agent_turns"].values()) == turns
    assert set(whole["agent_turns"]) == {"orchestrator", "own"}, "a user's own agents have no name here"
    assert (sum(whole["input_tokens"].values()), sum(whole["output_tokens"].values())) == (3 * turns, 4 * turns)
    for told, real in ((whole["waited_ms"], [100] * 3), (whole["handoff_ms"], [40] * 3)):
        assert [told[name] for name in ("p50", "p95", "p99")] == [pytest.approx(one, rel=0.05) for one in real]
    assert whole["answered_ms"]["p95"] == pytest.approx(1000 + 0.95 * turns, rel=0.06)


def test_counting_twice_at_once_counts_once(filled: Database) -> None:
    before = read(filled, 86_400, 3600)
    filled.together(4, lambda session, _: session.call("chat_tidy_events", slices=60))
    count(filled)
    assert read(filled, 86_400, 3600) == before


def test_a_pause_of_hours_is_no_work(db: Database, filled: Database) -> None:
    filled.run("delete from public.chat_turn_events where at between chat_internal.now() - interval '40 hours'"
               " and chat_internal.now() - interval '1 hour'")  # fmt: skip
    for _ in range(3):
        filled.call("chat_tidy_events", slices=60)
    (row,) = filled.rows("select until > chat_internal.now() - interval '15 minutes' as done"
                         " from chat_internal.turns_counted where seconds = 300")  # fmt: skip
    assert row["done"]


def test_events_are_kept_for_a_week(filled: Database) -> None:
    count(filled)
    for _ in range(9):
        filled.let_pass(86_400)
        filled.call("chat_tidy_events", slices=1)
    assert filled.rows("select 1 from public.chat_turn_events") == []


def test_a_reader_holds_up_no_tidying(filled: Database) -> None:
    filled.let_pass(6 * 86_400)
    with filled.session(autocommit=False) as reader:
        reader.connection.execute("select count(*) from public.chat_turn_events").fetchone()
        assert filled.call("chat_tidy_events", slices=1)["outcome"] == "ok"
    assert filled.rows("select 1 from public.chat_turn_events limit 1")


def test_the_live_queue_has_the_longest_waiting_first(chat: Chat) -> None:
    chat.db.run("delete from public.chat_conversations")
    first = chat.submit()["turn"]["turn_id"]
    chat.db.let_pass(20)
    second = chat.submit(owner=None)["turn"]["turn_id"]
    turns = chat.db.call("chat_list_watched", state="open", limit=10)["turns"]
    assert [one["turn_id"] for one in turns] == [first, second]
    assert [one["lease"] for one in turns] == ["lapsed", "lapsed"]
    assert turns[1]["head_turn_id"] == first
    assert turns[0]["age_ms"] >= 20_000
    figures = chat.db.call("chat_get_statistics", window_seconds=3600, bucket_seconds=300)
    assert figures["open"] == 2
    assert figures["oldest_open_ms"] >= 20_000


def test_failed_and_slow_turns_are_found(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "failed", '{"error": {"code": "run_failed"}}', lease_ms=0)
    quick = claim["turn"]["turn_id"]
    claim = chat.submit()["claim"]
    chat.db.let_pass(31)
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "failed", '{"error": {"code": "run_failed"}}', lease_ms=0)
    slow = claim["turn"]["turn_id"]
    failed = chat.db.call("chat_list_watched", state="failed", limit=2)["turns"]
    assert [(one["turn_id"], one["code"]) for one in failed] == [(slow, "run_failed"), (quick, "run_failed")]
    assert [one["turn_id"] for one in chat.db.call("chat_list_watched", state="slow", limit=1)["turns"]] == [slow]
    assert "text" not in failed[0]


def test_a_timeline_of_no_turn(chat: Chat) -> None:
    assert chat.db.call("chat_get_timeline", turn=chat.user) == {"outcome": "not_found"}


FEEDBACK = "turn_id, user_id, conversation_id, good, comment"


def test_feedback_is_told_by_agent_and_the_newest_first(chat: Chat) -> None:
    before = {one["slug"]: one for one in chat.db.call("chat_list_feedback", limit=1)["agents"]}
    turns = []
    for good, comment in ((True, None), (False, "too long")):
        held = chat.submit()["claim"]
        chat.complete(held["epoch"], held["turn"]["turn_id"])
        turns.append(held["turn"]["turn_id"])
        row = (turns[-1], chat.user, chat.conversation, good, comment)
        chat.db.run(f"insert into public.chat_feedback ({FEEDBACK}) values (%s, %s, %s, %s, %s)", *row)
    told = chat.db.call("chat_list_feedback", limit=2)
    assert [(one["turn_id"], one["good"], one["comment"]) for one in told["feedback"]] == [
        (turns[1], False, "too long"),
        (turns[0], True, None),
    ]
    own = chat.db.call("chat_read_feedback", user=chat.user, conversation=chat.conversation)["feedback"]
    assert [(one["turn_id"], one["good"], one["comment"]) for one in own] == [
        (turns[0], True, None),
        (turns[1], False, "too long"),
    ]
    (now,) = [one for one in told["agents"] if one["slug"] == "orchestrator"]
    was = before.get("orchestrator", {"good": 0, "bad": 0})
    assert (now["good"] - was["good"], now["bad"] - was["bad"]) == (1, 1)
    chat.db.call("chat_delete_conversations", user=chat.user, limit=9)
    assert chat.db.call("chat_read_feedback", user=chat.user, conversation=chat.conversation)["feedback"] == []
    assert chat.db.call("chat_list_feedback", limit=200)["feedback"] == [
        one for one in told["feedback"] if one["turn_id"] not in turns
    ]
