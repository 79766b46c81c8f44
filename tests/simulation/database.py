"""The real database functions, on virtual time. Everything the service is told passes here, so it is watched here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from postgrest import APIError
from psycopg import sql
from psycopg.rows import dict_row

from dev.postgres import apply_sql, postgres
from shared.core.turns import ConversationKey
from tests.db.database import MIGRATIONS, SEED
from tests.simulation.changes import Doomed
from tests.simulation.team import APPROVALS, CLIENT_TOOL, MEMBERS, WRITER

EPOCH = 1_800_000_000.0  # what the loop's time 0 is to the database
CLOCK = """
create or replace function chat_internal.now() returns timestamptz language sql volatile set search_path = '' as $$
  select pg_catalog.to_timestamp(pg_catalog.current_setting('simulation.now')::double precision)
$$
"""
TURNS = """
select id::text as turn_id, user_id::text, conversation_id::text, seq, status, text, idempotency_key as key, reply,
  error, attempt, failures, conflicts, runs, strategy, cancel_requested, place, superseded_by::text, superseded_how,
  joined_to::text, steered_step, replaced::text, agent, agent_named, handoffs,
  (select array_agg(e.name order by e.number) from public.chat_turn_events e where e.turn_id = id) as events,
  (extract(epoch from created_at) - 1800000000)::float8 as created,
  (extract(epoch from finished_at) - 1800000000)::float8 as finished
from public.chat_turns order by user_id, conversation_id, seq
"""
LINES = """
select user_id::text, conversation_id::text, seq, turn_id::text, turn_seq, role, text, partial, agent, handoff_to
from public.chat_messages
order by user_id, conversation_id, seq
"""
THREADS = "select user_id::text, id::text as conversation_id, thread_id from public.chat_conversations"
TITLES = "select user_id::text, id::text as conversation_id, title from public.chat_conversations"
ACTIVE = "select user_id::text, id::text as conversation_id, active_agent from public.chat_conversations"
PERSON_CALLS = "select turn_id::text, call_id, name, kind, status from public.chat_person_calls"
CALLS = "select turn_id::text, call_id, name, status, output from public.chat_tool_calls"
DOOMED = """
select c.id::text as conversation_id, t.id::text as turn_id,
  case when t.finished_at is null then t.run_id end as run_id,
  (select array_agg(r.run ->> 'run_id') from jsonb_array_elements(t.runs) r (run)) as run_ids
from public.chat_conversations c left join public.chat_turns t on t.user_id = c.user_id and t.conversation_id = c.id
where c.user_id = %(user)s and (%(conversation)s::uuid is null or c.id = %(conversation)s)"""
TABLES = """
select table_schema || '.' || table_name as name from information_schema.tables
where table_schema in ('public', 'chat_internal') and table_type = 'BASE TABLE'"""
Row = dict[str, Any]


class Database:
    """One connection as service_role for the service, one as superuser for the checker."""

    def __init__(self, dsn: str) -> None:
        self._service = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        self._service.execute("set role service_role")
        self._admin = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        self._queries: dict[tuple[str, ...], sql.Composed] = {}

    def close(self) -> None:
        self._service.close()
        self._admin.close()

    def clear(self) -> None:
        self._admin.execute("truncate public.chat_conversations cascade")
        self._admin.execute(
            "truncate public.chat_threads, public.chat_left_runs, public.chat_deleted_conversations,"
            " public.chat_deleted_keys, public.chat_turn_events, public.chat_webhooks, public.chat_remote_objects,"
            " public.chat_breakers"
        )

    def hire(self, owner_ids: Iterable[str], *, asking: bool = False) -> None:
        """Give each of them the team of `team`, of which some functions need their word where it is `asking`."""
        for owner_id in owner_ids:
            for slug, handoffs, tools, as_tool in MEMBERS:
                self._admin.execute(
                    "insert into public.chat_agents (owner_id, slug, name, model, handoffs, tools, as_tool)"
                    " values (%s, %s, %s, 'simulated', %s, %s, %s) on conflict do nothing",
                    (owner_id, slug, slug, handoffs, tools, as_tool),
                )
                self._admin.execute(
                    "update public.chat_agents set approvals = %s, ask_user = %s, client_tools = %s"
                    " where owner_id = %s and slug = %s",
                    (
                        APPROVALS.get(slug, []) if asking else [],
                        asking and slug == WRITER,
                        json.dumps([CLIENT_TOOL] if asking and slug == WRITER else []),
                        owner_id,
                        slug,
                    ),
                )

    def set_fallbacks(self, others: Sequence[Mapping[str, str]]) -> None:
        """Give all agents these models and wires to fall back to."""
        fallbacks = json.dumps(others)
        self._admin.execute(
            "update public.chat_agents set fallbacks = %s::jsonb where fallbacks <> %s::jsonb",
            (fallbacks, fallbacks),
        )

    def execute(self, statement: str) -> None:
        self._admin.execute(statement.encode())

    def definition(self, function: str) -> str:
        """The text of one of the project's functions as it stands in the database."""
        query = "select pg_get_functiondef(%s::regproc) as text"
        row = self._admin.execute(query, (function,)).fetchone()
        assert row is not None
        return str(row["text"])

    def call(self, now: float, function: str, arguments: Mapping[str, Any]) -> Row:
        """One function in one transaction. Raises APIError as PostgREST would answer."""
        names = (function, *arguments)
        if names not in self._queries:
            named = sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in arguments
            )
            # a target list is evaluated from left to right: the clock first
            self._queries[names] = sql.SQL(
                "select set_config('simulation.now', {}, false), public.{}({}) as answer"
            ).format(sql.Placeholder("now"), sql.Identifier(function), named)
        values = {**arguments, "now": f"{EPOCH + now:.6f}"}
        try:
            row = self._service.execute(self._queries[names], values, prepare=True).fetchone()
        except psycopg.Error as error:
            raise APIError({"code": error.sqlstate or "XX000", "message": str(error)}) from error
        assert row is not None
        answer: Row = row["answer"]
        return answer

    def breakers(self, now: float) -> list[Row]:
        """All that count failures; `shut`: turns leave them alone now."""
        query = """
            select provider, model, openings,
              coalesce(greatest(opened_until, probed_until) > to_timestamp(%s), false) as shut
            from public.chat_breakers"""
        return self._admin.execute(query, (f"{EPOCH + now:.6f}",), prepare=True).fetchall()

    def turns(self) -> list[Row]:
        return self._admin.execute(TURNS).fetchall()

    def texts(self, query: str) -> list[str]:
        """The first column of each row, past every right."""
        return [str(next(iter(row.values()))) for row in self._admin.execute(query.encode()).fetchall()]

    def lines(self) -> list[Row]:
        return self._admin.execute(LINES).fetchall()

    def threads(self) -> dict[tuple[str, str], str | None]:
        """Of each conversation, the one it would go on with."""
        rows = self._admin.execute(THREADS).fetchall()
        return {(row["user_id"], row["conversation_id"]): row["thread_id"] for row in rows}

    def active_agents(self) -> dict[tuple[str, str], str]:
        """Who would answer the next message of each conversation."""
        rows = self._admin.execute(ACTIVE).fetchall()
        return {(row["user_id"], row["conversation_id"]): row["active_agent"] for row in rows}

    def titles(self) -> dict[ConversationKey, str]:
        rows = self._admin.execute(TITLES).fetchall()
        return {ConversationKey(row["user_id"], row["conversation_id"]): row["title"] for row in rows}

    def doomed(self, deletion: Mapping[str, Any]) -> Doomed:
        """What a call that deletes is to take."""
        user_id = str(deletion["p_user"])
        named = {"user": user_id, "conversation": deletion.get("p_conversation")}
        rows = self._admin.execute(DOOMED, named).fetchall()
        return Doomed(
            tuple({ConversationKey(user_id, row["conversation_id"]) for row in rows}),
            tuple(row["turn_id"] for row in rows if row["turn_id"] is not None),
            tuple(row["run_id"] for row in rows if row["run_id"] is not None),
            tuple(run_id for row in rows for run_id in row["run_ids"] or () if run_id is not None),
        )

    def mentions(self, texts: Sequence[str]) -> list[str]:
        """The tables in which a row has one of these anywhere."""
        found = []
        for name in self.texts(TABLES) if texts else ():
            query = f"select count(*) as n from {name} t where t::text like any (%s)"
            row = self._admin.execute(query.encode(), ([f"%{text}%" for text in texts],)).fetchone()
            found += [name] if row is not None and row["n"] else []
        return found

    def person_calls(self) -> list[Row]:
        return self._admin.execute(PERSON_CALLS.encode()).fetchall()

    def tool_calls(self) -> list[Row]:
        return self._admin.execute(CALLS).fetchall()

    def scratch_left(self) -> int:
        row = self._admin.execute("select count(*) as n from public.chat_scratch_threads").fetchone()
        assert row is not None
        return int(row["n"])

    def lease_left(self, now: float) -> float:
        """Seconds until the last lease lapses; 0 where there is none."""
        query = "select max(extract(epoch from lease_until))::float8 as until from public.chat_conversations"
        row = self._admin.execute(query).fetchone()
        assert row is not None
        return max(row["until"] - EPOCH - now, 0.0) if row["until"] is not None else 0.0

    def overtaken(self, write: Mapping[str, Any]) -> bool:
        """Whether this call of advance_turn comes from a holder that has been followed by another, and is no repeat."""
        query = """
            select c.lease_epoch <> %(p_epoch)s and not %(p_op)s = any (t.ops) as overtaken
            from public.chat_turns t
            join public.chat_conversations c on c.user_id = t.user_id and c.id = t.conversation_id
            where t.id = %(p_turn)s"""
        row = self._admin.execute(query, dict(write)).fetchone()
        return row is not None and bool(row["overtaken"])

    def run_key(self, turn_id: str) -> str | None:
        """Of the attempt that is under way; None where there is none."""
        query = "select run_key from public.chat_turns where id = %s and status in ('starting', 'running')"
        row = self._admin.execute(query, (turn_id,)).fetchone()
        return None if row is None else str(row["run_key"])

    def note_accepted(self, turn_id: str) -> None:
        """As the trigger of this name, for a mutant in which it is gone."""
        self._admin.execute(
            "insert into public.chat_turn_events (day, at, turn_id, conversation_id, name)"
            " select 0, t.created_at, t.id, t.conversation_id, 'turn.accepted' from public.chat_turns t"
            " where t.id = %s and not exists (select 1 from public.chat_turn_events e where e.turn_id = t.id"
            " and e.name = 'turn.accepted')",
            (turn_id,),
        )

    def untold(self) -> int:
        """What another service has not been told yet."""
        return len(self.texts("select id from public.chat_webhooks"))

    def open_turns(self) -> int:
        row = self._admin.execute("select count(*) as n from public.chat_turns where finished_at is null").fetchone()
        assert row is not None
        return int(row["n"])


@contextmanager
def database() -> Iterator[Database]:
    """A fresh server with the project's migrations and the virtual clock."""
    with postgres() as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        with closing(Database(dsn)) as made:
            made.execute(CLOCK)
            yield made
