"""What operators' statistics cost when a day has a million turns: `python -m bench.operator_reads`.

Five events of every turn are filled in, evenly over a day, then counted as the scheduled function does. The plans of
the reads are printed behind the figures.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Any

import psycopg

from bench.figures import Figures
from dev.postgres import apply_sql, postgres
from tests.db.database import MIGRATIONS, SEED, Chat, Database

TURNS = 1_000_000
ROUNDS = 20
FILL = """
insert into public.chat_turn_events (day, at, turn_id, conversation_id, name, agent, code, nth, ms, waited_ms,
  input_tokens, output_tokens)
select chat_internal.ring_day(at), at, turn, turn, e.name, 'orchestrator', e.code, e.nth, e.ms, e.waited,
  e.tokens, e.tokens
from generate_series(1, %(turns)s) n,
  lateral (select gen_random_uuid() as turn, clock.v - (%(turns)s - n) * interval '1 day' / %(turns)s as at
           from (select chat_internal.now() as v) clock) one,
  lateral (values
    ('turn.accepted', 'enqueue', 0, null::bigint, null::bigint, null::bigint),
    ('turn.claimed', null, 1, n %% 900, null, null),
    ('run.started', null, 1, 300, null, null),
    ('run.ended', 'completed', null, null, null, null),
    (case when n %% 1000 = 0 then 'turn.failed' else 'turn.completed' end,
     case when n %% 1000 = 0 then 'run_failed' end, (n %% 20 = 0)::int, 500 + n %% 40000, n %% 3000, 100)
  ) e (name, code, nth, ms, waited, tokens)
"""
READS: dict[str, tuple[str, dict[str, Any]]] = {
    "day_by_hours": ("chat_get_statistics", {"window_seconds": 86_400, "bucket_seconds": 3600}),
    "day_by_5_minutes": ("chat_get_statistics", {"window_seconds": 86_400, "bucket_seconds": 300}),
    "open": ("chat_list_watched", {"state": "open", "limit": 50}),
    "failed": ("chat_list_watched", {"state": "failed", "limit": 50}),
    "slow": ("chat_list_watched", {"state": "slow", "limit": 50}),
}


def measure(turns: int = TURNS) -> tuple[Figures, str]:
    figures = Figures()
    with postgres() as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        with closing(Database(dsn)) as database:
            database.run(FILL.replace("%(turns)s", str(turns)).replace("%%", "%"))
            database.run("vacuum analyze")
            turn = Chat(database).submit()["turn"]["turn_id"]
            began = time.perf_counter()
            database.call("chat_tidy_events", slices=300)
            figures["counting_a_day_s"] = round(time.perf_counter() - began, 1)
            database.run("analyze")
            for name, (function, arguments) in (READS | {"timeline": ("chat_get_timeline", {"turn": turn})}).items():
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    database.call(function, **arguments)
                    figures.sample(f"{name}_ms", time.perf_counter() - began)
        return figures, _plans(dsn)


def _plans(dsn: str) -> str:
    """As `explain (analyze, buffers)` shows them, of every statement inside the function."""
    notes: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda note: notes.append(str(note.message_primary)))
        connection.execute("load 'auto_explain'")
        for setting in ("log_min_duration = 0", "log_analyze = on", "log_buffers = on", "log_nested_statements = on"):
            connection.execute(f"set auto_explain.{setting}".encode())
        connection.execute("set client_min_messages = log")
        connection.execute("select public.chat_get_statistics(86400, 3600)")
    return "\n\n".join(notes)


if __name__ == "__main__":
    measured, plans = measure(*(int(one) for one in sys.argv[1:2]))
    measured.show()
    print(plans)
