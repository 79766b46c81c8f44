"""The migrations as texts, and as what they leave in a database that an app has filled before."""

from __future__ import annotations

import re
from datetime import datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from dev.postgres import apply_sql
from shared.ports import SCHEMA_VERSION
from tests.db.database import MIGRATIONS, ROOT, SEED, Database, Session, new_id

COMMENT = re.compile(r"--.*")
MADE = re.compile(r"create (?:or replace )?(?:function|table|sequence) ((?:public|chat_internal)\.\w+)")
# what a release has been made with stands as it is, and a later migration may replace a function of it
SEALED = (ROOT / "supabase/migrations.sha256").read_text()
USED = re.compile(r"\b(?:public|chat_internal)\.\w+")
# An app with names of its own, in a project of the kind that grants all rights on everything new.
APP = """
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
create schema internal;
create function internal.now() returns text language sql as $$ select 'the app''s' $$;
create function public.ping() returns text language sql as $$ select 'the app''s' $$;
create function public.get_turn(p_user uuid, p_turn uuid) returns text language sql as $$ select 'the app''s' $$;
create function public.chat_of_the_day() returns text language sql as $$ select 'the app''s' $$;
create table public.agents (id int primary key, slug text constraint turns_strategy unique);
create table public.conversations (id int primary key);
create table public.turns (id int primary key, place int);
create index turns_open on public.turns (place);
create table public.messages (id int primary key, text text);
create table public.tool_calls (id int primary key);
create table public.projects (id int primary key);
create policy "one's own" on public.projects for select using (true);
insert into public.messages values (1, 'hello');
"""
OURS = """
select p.oid::regprocedure::text as name from pg_proc p
where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace)
union all
select c.oid::regclass::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""
PERMITTED = """
select has_function_privilege(role, p.oid, 'execute') as permitted, p.oid::regprocedure::text as name
from pg_proc p, unnest(array['public', 'anon', 'authenticated']) role
where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace)
union all
select has_table_privilege(role, c.oid, case when role = 'authenticated' then '' else 'select, ' end
  || 'insert, update, delete, truncate'), c.oid::regclass::text
from pg_class c, unnest(array['public', 'anon', 'authenticated']) role
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
"""


def test_versions_are_times_of_their_own() -> None:
    """The supabase CLI takes a file's first fourteen digits for its version, and reads them as a time."""
    versions = [file.name.split("_")[0] for file in MIGRATIONS]
    assert [f"{datetime.strptime(f'{one}Z', '%Y%m%d%H%M%S%z'):%Y%m%d%H%M%S}" for one in versions] == versions
    assert len(set(versions)) == len(versions)


def test_the_last_migration_names_itself(server: Database) -> None:
    """Health compares the two: without this, code would call functions of a schema that it takes for its own."""
    assert server.call("chat_schema_version") == {"outcome": "ok", "version": SCHEMA_VERSION}
    assert MIGRATIONS[-1].name.split("_")[0] == SCHEMA_VERSION


def test_everything_is_made_once_and_before_its_first_use() -> None:
    made: set[str] = set()
    for file in MIGRATIONS:
        for line in COMMENT.sub("", file.read_text()).splitlines():
            for name in MADE.findall(line):
                again = file.name not in SEALED and "create or replace function" in line
                assert name not in made or again, f"{file.name} makes {name} a second time"
                made.add(name)
            unknown = set(USED.findall(line)) - made
            assert not unknown, f"{file.name} uses {unknown} before it is made"
    assert len(made) > 80


@pytest.fixture(scope="module")
def app(server: Database) -> str:
    """The address of a database with an app in it, and behind that the migrations."""
    server.run("create database app")
    dsn = make_conninfo(server.dsn, dbname="app")
    apply_sql(dsn, ROOT / "dev/hosted.sql")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(APP.encode())
    apply_sql(dsn, *MIGRATIONS, SEED)
    return dsn


def test_an_app_keeps_its_own(app: str) -> None:
    with psycopg.connect(app, autocommit=True) as connection:
        connection.execute("set role anon")
        for function in ("public.ping()", "public.get_turn(null, null)", "public.chat_of_the_day()"):
            assert connection.execute(f"select {function}".encode()).fetchone() == ("the app's",)
        assert connection.execute("select text from public.messages").fetchall() == [("hello",)]
        connection.execute("set role none")
        assert connection.execute("select internal.now()").fetchone() == ("the app's",)


def test_the_service_works_beside_an_app(app: str) -> None:
    with psycopg.connect(app, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("set role service_role")
        session = Session(connection)
        assert session.call("chat_ping") == {"outcome": "ok"}
        assert session.call("chat_get_turn", user=new_id(), turn=new_id()) == {"outcome": "not_found"}


def test_rights_that_a_project_grants_by_itself_are_taken_back(app: str, server: Database) -> None:
    ours = {row["name"] for row in server.rows(OURS)}
    with psycopg.connect(app, autocommit=True) as connection:
        permitted = {name for may, name in connection.execute(PERMITTED.encode()) if may}
    assert permitted & ours == {"chat_feedback"}, "which people write themselves, row by row"
    assert "ping()" in permitted, "the app's own are still its own"
