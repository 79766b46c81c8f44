"""What operators' statistics cost when a day has a million turns: `python -m bench.operator_reads`.

Five events of every turn are filled in, evenly over a day, then counted as the scheduled function does. The plans of
the reads are printed behind the figures.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

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


PLANNED = (
    "select what, key, sum(n) from chat_internal.turn_counts where seconds = 3600"
    " and at >= now() - interval '1 day' group by what, key",
    "select at, counts from chat_internal.turn_points where seconds = 300 and at >= now() - interval '1 day'",
    "select name, count(*) from public.chat_turn_events where at >= now() - interval '7 minutes' group by name",
    "select turn_id from public.chat_turn_events where name = 'turn.failed' order by at desc limit 50",
)


async def measure() -> Figures:
    return (await asyncio.to_thread(_measure, TURNS))[0]


def _measure(turns: int) -> tuple[Figures, str]:
    figures = Figures()
    with postgres() as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        with closing(Database(dsn)) as database:
            database.run(FILL.replace("%(turns)s", str(turns)).replace("%%", "%"))
            database.run("vacuum analyze")
            turn = Chat(database).submit()["turn"]["turn_id"]
            began = time.perf_counter()
            database.call("chat_tidy_events", slices=300)
            figures["counting_a_day_seconds"] = round(time.perf_counter() - began, 1)
            database.run("analyze")
            spent = _cpu_seconds(database)
            for _ in range(ROUNDS):
                database.call("chat_get_statistics", window_seconds=86_400, bucket_seconds=3600)
            figures["day_by_hours_postgres_cpu_ms"] = round(1000 * (_cpu_seconds(database) - spent) / ROUNDS, 1)
            for name, (function, arguments) in (READS | {"timeline": ("chat_get_timeline", {"turn": turn})}).items():
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    database.call(function, **arguments)
                    figures.sample(f"{name}_ms", time.perf_counter() - began)
            return figures, _plans(database)


def _cpu_seconds(database: Database) -> float:
    """Of all server processes together: the one that answers is among them, and the others are idle."""
    total = 0
    for row in database.rows("select pid from pg_stat_activity where pid is not null"):
        fields = Path(f"/proc/{row['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _plans(database: Database) -> str:
    """Of what the reads consist of: counted hours and slices, events not counted yet, the newest failures."""
    shown = []
    for query in PLANNED:
        rows = database.rows(f"explain (analyze, buffers, costs off) {query}")
        shown.append("\n".join([query.strip(), *(str(row["QUERY PLAN"]) for row in rows)]))
    return "\n\n".join(shown)


if __name__ == "__main__":
    measured, plans = _measure(int(sys.argv[1]) if sys.argv[1:] else TURNS)
    measured.show()
    print(plans)
