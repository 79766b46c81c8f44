"""What Supabase's linters say of the database: nothing, but for what each exception here gives a reason for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.postgres import apply_sql
from tests.db.database import MIGRATIONS, SEED
from tests.platform import checked_postgres
from tests.platform.hosted import OWNER, SUPERUSER, Project, Server, hosted_server
from tests.platform.supabase_cli import SupabaseCli

# All warnings of plpgsql_check, where `supabase db lint` shows those of the default level.
PLPGSQL_CHECK = """
select f.oid::regprocedure::text as function, c.level, c.sqlstate, c.message, c.lineno
from pg_proc f join pg_namespace n on n.oid = f.pronamespace join pg_language l on l.oid = f.prolang
left join pg_trigger t on t.tgfoid = f.oid and not t.tgisinternal
cross join lateral extensions.plpgsql_check_function_tb(f.oid, coalesce(t.tgrelid, 0),
  oldtable => t.tgoldtable, newtable => t.tgnewtable, all_warnings => true) c
where l.lanname = 'plpgsql' and n.nspname in ('public', 'chat_internal')
  and not (c.level = 'performance' and c.sqlstate = '42804') -- a number that is cast where it is assigned
  and not (c.level = 'performance' and f.proname = 'join_realtime') -- it makes a policy by statements that are text
"""
CHECKED = """
select count(*) from pg_proc f join pg_namespace n on n.oid = f.pronamespace join pg_language l on l.oid = f.prolang
where l.lanname = 'plpgsql' and n.nspname in ('public', 'chat_internal')
"""


def migrated(server: Server, name: str) -> Project:
    project = server.project(name)
    apply_sql(project.dsn(OWNER), *MIGRATIONS, SEED)
    return project


@pytest.fixture(scope="module")
def checked() -> Iterator[Project]:
    """A project on a Postgres that has plpgsql_check."""
    if trouble := checked_postgres.install():
        pytest.skip(trouble)
    with hosted_server(checked_postgres.find()) as server:
        project = migrated(server, "checked")
        project.run("create extension plpgsql_check with schema extensions", SUPERUSER)
        yield project


def test_supabase_db_lint_finds_nothing(checked: Project, supabase: SupabaseCli, tmp_path: Path) -> None:
    done = supabase.run("db", "lint", "--level=warning", "--fail-on=warning", checkout=tmp_path, project=checked)
    assert done.status == 0, done
    assert "Linting schema: chat_internal" in done.said + done.printed


def test_plpgsql_check_finds_nothing(checked: Project) -> None:
    assert checked.rows(PLPGSQL_CHECK) == []
    assert checked.rows(CHECKED)[0]["count"] > 20


def test_plpgsql_check_would_find_a_mistake(checked: Project) -> None:
    checked.run(
        "create function public.chat_wrong() returns int language plpgsql as"
        " $$ begin return (select no_such_column from public.chat_turns limit 1); end $$"
    )
    try:
        assert [row["sqlstate"] for row in checked.rows(PLPGSQL_CHECK)] == ["42703"]
    finally:
        checked.run("drop function public.chat_wrong()")


def test_supabase_db_advisors_find_nothing(server: Server, supabase: SupabaseCli, tmp_path: Path) -> None:
    """They are the rules of splinter, which the CLI brings."""
    found = advice(supabase, migrated(server, "advised"), tmp_path)
    assert [finding for finding in found if not excepted(finding)] == []


def test_supabase_db_advisors_would_find_a_mistake(server: Server, supabase: SupabaseCli, tmp_path: Path) -> None:
    project = migrated(server, "ill_advised")
    project.run("create table public.chat_open (id int); grant select on public.chat_open to anon")
    found = {finding["name"] for finding in advice(supabase, project, tmp_path) if not excepted(finding)}
    assert "rls_disabled_in_public" in found


def advice(supabase: SupabaseCli, project: Project, checkout: Path) -> list[dict[str, Any]]:
    done = supabase.run(
        "db", "advisors", "--level=info", "--fail-on=none", "--output-format=json", checkout=checkout, project=project
    )
    assert done.status == 0, done
    found: list[dict[str, Any]] = json.loads(done.printed)["results"]
    return found


def excepted(finding: dict[str, Any]) -> bool:
    match finding["name"]:
        case "unused_index":  # nothing has been asked of this database yet
            return True
        case "rls_enabled_no_policy":  # read by the service alone
            return finding["metadata"]["name"] in {
                "chat_scratch_threads",
                "chat_threads",
                "chat_turn_streams",
                "chat_deleted_conversations",
                "chat_deleted_keys",
                "chat_left_runs",
                "chat_webhooks",
                "chat_remote_objects",
                "chat_breakers",
            }
        case "no_primary_key":  # written five times a turn: no read would use the index of a key
            return str(finding["metadata"]["name"]).startswith("turn_events_")
    return False
