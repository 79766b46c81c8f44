"""What a look at a long conversation costs: rows read, once the planner knows the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database, Session, new_id

TURNS = 5000
FILL_TURNS = """
insert into public.chat_turns (id, user_id, conversation_id, seq, place, text, agent, agent_named, strategy,
  request_hash, deadline_at, created_at, updated_at, finished_at, status, reply, superseded_by, superseded_how,
  joined_to)
select gen_random_uuid(), c.user_id, c.id, n, n, 'hello', 'a', false, 'coalesce', repeat('0', 64), v, v, v, v,
  case when n %% 2 = 0 then 'cancelled' else 'completed' end, case when n %% 2 = 1 then 'answer' end,
  case when n %% 2 = 0 then gen_random_uuid() end, case when n %% 2 = 0 then 'interrupt' end,
  case when n %% 3 = 0 then gen_random_uuid() end
from public.chat_conversations c, generate_series(2, %s) n, (select now() - interval '1 day' as v) clock
where c.user_id = %s"""
FILL_LINES = """
insert into public.chat_messages (user_id, conversation_id, seq, turn_id, turn_seq, role, text, created_at)
select t.user_id, t.conversation_id, t.seq, t.id, t.seq, 'user', t.text, t.created_at
from public.chat_turns t where t.user_id = %s and t.seq > 1"""
# of the tables that grow; the others are small, and best read whole
READ = """
select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int as tuples
from pg_stat_xact_user_tables where relname in ('chat_turns', 'chat_messages')"""


@pytest.fixture(scope="module")
def long_chat(server: Database) -> Iterator[Chat]:
    """One open turn at the head, thousands that are over behind it, half of them interrupted."""
    chat = Chat(server)
    chat.submit(strategy="coalesce")
    server.run(FILL_TURNS, TURNS, chat.user)
    server.run(FILL_LINES, chat.user)
    server.run(
        "update public.chat_conversations set next_seq = %s, next_message_seq = %s, answered_at = now()"
        " where user_id = %s",
        TURNS + 1,
        TURNS + 1,
        chat.user,
    )
    server.run("analyze")  # as a server does by itself, sooner or later: figures of an empty table mislead its planner
    yield chat
    server.run("delete from public.chat_conversations where user_id = %s", chat.user)


def turn_at(chat: Chat, seq: int) -> str:
    query = "select id::text from public.chat_turns where user_id = %s and seq = %s"
    return str(chat.db.rows(query, chat.user, seq)[0]["id"])


def claim(chat: Chat, session: Session) -> Answer:
    chat.db.run(
        "update public.chat_conversations set lease_owner = null, lease_until = null where user_id = %s", chat.user
    )
    return chat.claim(session)


def displace(chat: Chat, session: Session) -> Answer:
    return chat.submit(session, strategy="rollback", per_minute=5)


def cancel(chat: Chat, session: Session) -> Answer:
    return session.call("chat_cancel_turn", user=chat.user, turn=turn_at(chat, 1))


def page(chat: Chat, session: Session, newest: bool) -> Answer:
    arguments: dict[str, Any] = {"after_seq": 2000, "limit": 10, "newest": newest}
    return session.call("chat_list_messages", user=chat.user, conversation=chat.conversation, **arguments)


CALLS: dict[str, Callable[[Chat, Session], Answer]] = {
    "chat_get_turn, open": lambda chat, session: session.call("chat_get_turn", user=chat.user, turn=turn_at(chat, 1)),
    "chat_get_turn, over": lambda chat, session: session.call(
        "chat_get_turn", user=chat.user, turn=turn_at(chat, 3000)
    ),
    "chat_get_conversation": lambda chat, session: session.call(
        "chat_get_conversation", user=chat.user, conversation=chat.conversation
    ),
    "chat_list_conversations": lambda chat, session: session.call(
        "chat_list_conversations", user=chat.user, limit=20, before=None
    ),
    "chat_claim_turn": claim,
    "chat_cancel_turn": cancel,
    "chat_submit_turn": displace,
    "chat_list_messages, oldest": lambda chat, session: page(chat, session, newest=False),
    "chat_list_messages, newest": lambda chat, session: page(chat, session, newest=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_reads_few_rows(long_chat: Chat, name: str) -> None:
    with long_chat.db.session(autocommit=False) as session:
        answer = CALLS[name](long_chat, session)
        row = session.connection.execute(READ.encode()).fetchone()
        session.connection.rollback()
    assert answer["outcome"] in ("ok", "claimed", "created")
    assert row is not None
    assert (row["tuples"] > 0) == (name != "chat_list_conversations"), "what it needs, its conversations' rows have"
    assert row["tuples"] < 150, row


def test_taking_lines_back_reads_few_rows(long_chat: Chat) -> None:
    waiting = long_chat.submit(owner=None, text=new_id(), per_minute=5)["turn"]["turn_id"]
    with long_chat.db.session(autocommit=False) as session:
        ended = session.call("chat_cancel_turn", user=long_chat.user, turn=waiting)
        row = session.connection.execute(READ.encode()).fetchone()
        session.connection.rollback()
    assert ended["turn"]["status"] == "cancelled"
    assert row is not None
    assert 0 < row["tuples"] < 150, row
