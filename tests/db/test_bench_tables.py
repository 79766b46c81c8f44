"""The tables that the bench fills are the tables there are: it is run too seldom to be told by itself."""

from __future__ import annotations

import psycopg

from bench.size import FILL
from tests.db.database import Database

COUNTS = """
select (select count(*) from public.chat_conversations) as conversations,
       (select count(*) from public.chat_turns) as turns,
       (select count(*) from public.chat_messages) as messages,
       (select count(*) from public.chat_turn_events) as events
"""


def test_the_bench_fills_the_tables(db: Database) -> None:
    with psycopg.connect(db.dsn) as connection:
        connection.execute("set session_replication_role = replica")  # as the bench does
        before = connection.execute(COUNTS).fetchone()
        connection.execute(FILL, {"conversations": 2, "each": 3})
        after = connection.execute(COUNTS).fetchone()
        connection.rollback()  # other tests count too
    assert before is not None
    assert after is not None
    assert [now - then for then, now in zip(before, after, strict=True)] == [2, 6, 12, 6]
