"""What a page's first look costs, and the operators': rows read where tables grow; and what a turn adds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database, Session, new_id

CONVERSATIONS, PAGE = 3000, 50
FILL = """
insert into public.chat_conversations (user_id, id, title, active_agent, preview, unread, last_message_at, created_at,
  updated_at, archived_at)
select %s, gen_random_uuid(), case when n %% 500 = 0 then 'Zirbelkiefer' else 'about ' || n end, 'a', 'hello', 1, v, v,
  v - make_interval(secs => n), case when n %% 3 = 0 then v end
from generate_series(1, %s) n, (select chat_internal.now() as v) clock"""
FILL_LINES = """
insert into public.chat_messages (user_id, conversation_id, seq, turn_id, turn_seq, role, text, created_at)
select c.user_id, c.id, n, gen_random_uuid(), n, 'user', 'hello ' || n, c.created_at
from public.chat_conversations c, generate_series(1, 3) n where c.user_id = %s"""
EVENTS = """
insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, nth, ms, waited_ms,
  input_tokens, output_tokens)
select chat_internal.ring_day(at), at, gen_random_uuid(), gen_random_uuid(), 'turn.completed', 'a', 0, n, n, 1, 1
from generate_series(1, 20000) n, lateral (select chat_internal.now() - n * interval '4 seconds' as at) clock"""
TOUCHED = """
select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int as read,
  coalesce(sum(n_tup_ins), 0)::int as added
from pg_stat_xact_all_tables where relname like %s"""


@pytest.fixture(scope="module")
def sidebar(server: Database) -> Iterator[Chat]:
    """A user with thousands of conversations, beside others who have as many."""
    chat, other = Chat(server), Chat(server)
    server.run("set session_replication_role = replica")  # the lines have no turns
    for user in (chat.user, other.user):
        server.run(FILL, user, CONVERSATIONS)
        server.run(FILL_LINES, user)
    server.run("set session_replication_role = origin")
    server.run("vacuum analyze public.chat_conversations")
    server.run("vacuum analyze public.chat_messages")
    yield chat
    server.run("delete from public.chat_messages where user_id in (%s, %s)", chat.user, other.user)
    server.run("delete from public.chat_conversations where user_id in (%s, %s)", chat.user, other.user)


def touched(session: Session, table: str) -> dict[str, int]:
    row = session.connection.execute(TOUCHED.encode(), (table,)).fetchone()
    assert row is not None
    return dict(row)


LOOKS: dict[str, tuple[dict[str, Any], int, int]] = {  # arguments; most rows of conversations, and of lines
    "a sidebar": ({}, PAGE, 0),
    "its next page": ({"before": ""}, PAGE + 2, 0),
    "what is archived": ({"archived": True}, PAGE, 0),
    "a search": ({"q": "zirbelkiefer"}, 50, 10),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_list_is_one_call_that_reads_what_it_shows(sidebar: Chat, name: str) -> None:
    arguments, conversations, lines = LOOKS[name]
    named = {"user": sidebar.user, "limit": PAGE, "before": None} | arguments
    if named["before"] == "":
        newest = sidebar.db.call("chat_list_conversations", **(named | {"before": None}))["conversations"]
        named["before"] = newest[-1]["conversation_id"]
    with sidebar.db.session(autocommit=False) as session:
        answer = session.call("chat_list_conversations", **named)
        read = {table: touched(session, table) for table in ("chat_conversations", "chat_messages", "chat_turns")}
    assert len(answer["conversations"]) == (4 if "q" in named else PAGE)
    assert read["chat_conversations"]["read"] <= conversations, read
    assert read["chat_messages"]["read"] <= lines, read
    assert read["chat_turns"]["read"] == 0, read


@pytest.mark.parametrize("bucket", [300, 3600])
def test_statistics_read_no_event_that_was_counted(db: Database, bucket: int) -> None:
    clear = "truncate public.chat_turn_events, chat_internal.turn_counts, chat_internal.turns_counted,"
    db.run(f"{clear} chat_internal.turn_points")
    db.run(EVENTS)
    db.call("chat_tidy_events", slices=300)
    db.run("analyze")
    with db.session(autocommit=False) as session:
        answer: Answer = session.call("chat_get_statistics", window_seconds=86_400, bucket_seconds=bucket)
        events, points = touched(session, "turn_events_%"), touched(session, "turn_points")
    db.run(f"{clear} chat_internal.turn_points")
    assert sum(part["counts"]["events"]["turn.completed"] for part in answer["buckets"] if part["at"]) > 15_000
    assert events["read"] < 2 * 15 * 12, "twice what is not counted yet: at most a quarter of an hour"
    assert points["read"] <= 320, "a day of slices and hours, where so small a table is read as a whole"


def undisturbed(chat: Chat, session: Session) -> None:
    claim = chat.submit(session)["claim"]
    held = (claim["epoch"], claim["turn"]["turn_id"])
    for status in ("in_progress", "completed"):
        run = f'"run": {{"run_id": "r", "agent": "a", "status": "{status}"}}'
        to, reply = ("running", "") if status == "in_progress" else ("completed", ', "reply": "answer"')
        assert chat.advance(*held, to, f"{{{run}{reply}}}", session=session)["outcome"] == "ok"


def cancelled_in_the_queue(chat: Chat, session: Session) -> None:
    chat.submit(session)
    turn = chat.submit(session, owner=None)["turn"]["turn_id"]
    session.call("chat_cancel_turn", user=chat.user, turn=turn)


@pytest.mark.parametrize(("work", "most"), [(undisturbed, 5), (cancelled_in_the_queue, 5)])
def test_a_turn_adds_few_events_and_no_call(db: Database, work: Callable[[Chat, Session], None], most: int) -> None:
    """They are written by the statements that change it."""
    chat = Chat(db, new_id())
    with chat.db.session(autocommit=False) as session:
        work(chat, session)
        added, outbox = touched(session, "turn_events_%")["added"], touched(session, "chat_webhooks")["added"]
        session.connection.rollback()
    assert 3 <= added <= most
    assert outbox == 0, "no other service is to be told"
