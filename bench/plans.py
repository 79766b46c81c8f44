"""How the database's functions find rows at a million turns: `python -m bench.plans`, which writes supabase/plans.

One file for each function: the plan of every statement in it that reads a table, as it was run, with the pages that it
touched. They come from auto_explain, so from the Postgres that tests.platform.checked_postgres installs.
"""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.size import fill
from dev.postgres import apply_sql, postgres
from tests.db.database import MIGRATIONS, SEED, Chat, Database, Session
from tests.platform import checked_postgres

TURNS = 1_000_000
PLANS = Path(__file__).parents[1] / "supabase/plans"
ROUNDS = 6  # by then the statements run by the plans that a connection keeps
EXPLAIN = {
    "log_min_duration": "0",
    "log_nested_statements": "on",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "off",
    "log_level": "notice",
}
GROWING = r"(chat_conversations|chat_turns|chat_messages|chat_turn_events|turn_events_\d|chat_threads)\b"
READS = re.compile(rf"Scan.* on {GROWING}")
# A table from end to end, or more rows than are wanted: a plan that is kept does so for the longest conversation too.
READS_TOO_MUCH = re.compile(rf"Seq Scan on {GROWING}|Rows Removed by Filter: ([5-9]|\d\d)")
_COSTS = re.compile(r" {2}\(cost=\S+ rows=\d+ width=\d+\)")
_VALUES = re.compile(r"'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'|'\d{4}-\d\d-\d\d [0-9:.+]+'")


class Planned:
    """A session whose statements tell their plans, by the function that was called."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.plans: dict[str, list[str]] = {}
        self._function = ""
        connection.add_notice_handler(self._note)

    def of(self, function: str) -> None:
        """What is told from now on is this function's."""
        self._function = function
        self.plans[function] = []

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        told = (diagnostic.message_primary or "").partition("plan:\n")[2].removeprefix("Query Text: ")
        plan = _VALUES.sub("'...'", _COSTS.sub("", told))
        if READS.search(plan) and plan not in self.plans.get(self._function, []):
            self.plans[self._function].append(plan)


def measure(turns: int, binaries: Path) -> dict[str, list[str]]:
    """The plans by function, with so many turns in the tables."""
    with postgres(binaries=binaries) as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        fill(dsn, turns)
        with closing(Database(dsn)) as database, psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as own:
            own.execute("load 'auto_explain'")
            for name, value in EXPLAIN.items():
                own.execute(f"select set_config('auto_explain.{name}', '{value}', false)")
            own.execute("set role service_role")
            planned = Planned(own)
            for _ in range(ROUNDS):
                _call(_known(database), Session(own), planned)
            return planned.plans


def _known(database: Database) -> Chat:
    """A conversation that has been going on for a while, among all the others."""
    chat = Chat(database)
    for _ in range(10):
        accepted = chat.submit()
        chat.complete(accepted["claim"]["epoch"], accepted["turn"]["turn_id"])
    return chat


def _call(chat: Chat, session: Session, planned: Planned) -> None:
    user = {"user": chat.user}
    conversation = {**user, "conversation": chat.conversation}
    planned.of("chat_submit_turn")
    accepted = chat.submit(session)
    turn, epoch = accepted["turn"]["turn_id"], accepted["claim"]["epoch"]
    chat.submit(session)  # waits behind it
    planned.of("chat_get_turn")
    session.call("chat_get_turn", **user, turn=turn)
    planned.of("chat_advance_turn")
    run = '{"run": {"run_id": "r", "agent": "project-manager", "status": "in_progress"}}'
    chat.advance(epoch, turn, "running", run, session)
    chat.advance(epoch, turn, "completed", '{"reply": "answer"}', session, lease_ms=0)
    planned.of("chat_claim_turn")
    chat.claim(session)
    reads: dict[str, dict[str, Any]] = {
        "chat_list_conversations": {**user, "limit": 20, "before": None},
        "chat_get_conversation": conversation,
        "chat_follow_conversation": conversation,
        "chat_list_messages": {**conversation, "after_seq": 0, "limit": 50, "newest": True},
        "chat_list_orphans": {"limit": 100},
        "chat_find_run": {"run": "r"},
    }
    for function, arguments in reads.items():
        planned.of(function)
        session.call(function, **arguments)


def main() -> None:
    binaries = checked_postgres.find()
    if binaries is None:
        sys.exit("auto_explain is missing: python -m tests.platform.checked_postgres")
    PLANS.mkdir(exist_ok=True)
    measured = measure(int(sys.argv[1]) if sys.argv[1:] else TURNS, binaries)
    for function, plans in measured.items():
        (PLANS / f"{function}.txt").write_text("\n\n".join(plan.strip() for plan in plans) + "\n")
        print(f"{function}: {len(plans)} statements")
    if found := [function for function, plans in measured.items() if any(map(READS_TOO_MUCH.search, plans))]:
        sys.exit(f"more is read than is wanted by {', '.join(found)}")


if __name__ == "__main__":
    main()
