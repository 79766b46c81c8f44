"""The chat in a project that has an app in it: pushed by the real supabase CLI as docs/deploy.md says, by its owner.

Once into a project that grants the request roles everything by itself, and once into one of today that grants nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dev.data_api.app import DataApi, Options
from dev.data_api.server import serving
from dev.ports import HOST
from shared.core.turns import TurnStatus
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from tests.contracts.store import begin, finish, message
from tests.platform.hosted import HERE, KEYS, LOGIN, ROOT, Project, Server, rights
from tests.platform.readme import commands, push_flags
from tests.platform.supabase_cli import SupabaseCli

OURS = r"^(public\.chat_|chat_internal\.)"
THEIRS = r"^public\.(?!chat_)"
SEED_PATHS = '["./seed.sql", "./chat_seed.sql"]'
# What signed-in users may read: each table's columns are listed where the grant is written.
READABLE = {
    "chat_agents",
    "chat_conversations",
    "chat_turns",
    "chat_messages",
    "chat_tool_calls",
    "chat_person_calls",
    "chat_projects",
    "chat_feedback",
    "chat_images",
}


@dataclass(frozen=True)
class Joined:
    """The app's repository and project, with the chat in both, and the request roles' rights as they were before."""

    checkout: Path
    project: Project
    rights_before: set[tuple[str, str, str]]


@pytest.fixture(scope="module", params=[False, True], ids=["no grants", "automatic grants"])
def joined(
    request: pytest.FixtureRequest, server: Server, supabase: SupabaseCli, tmp_path_factory: pytest.TempPathFactory
) -> Joined:
    """The app is pushed first, then what docs/deploy.md says is done in its repository, with this one beside it."""
    home = tmp_path_factory.mktemp("joining")
    app = home / "app"
    shutil.copytree(HERE / "app", app)
    shutil.copytree(ROOT / "supabase", home / "multi-agent-chat/supabase")
    project = server.project("app_of_before" if request.param else "app_of_today", automatic_grants=request.param)
    assert supabase.push(app, project, "--include-seed").status == 0
    before = rights(project, THEIRS, "anon", "authenticated")

    *copies, push = commands("In a project that has an app")
    for copy in copies:
        subprocess.run(copy, shell=True, cwd=app, check=True)
    config = app / "supabase/config.toml"
    config.write_text(config.read_text().replace('["./seed.sql"]', SEED_PATHS))
    assert SEED_PATHS in (ROOT / "docs/deploy.md").read_text()
    pushed = supabase.push(app, project, *push_flags(push))
    assert pushed.status == 0, pushed
    return Joined(app, project, before)


def test_the_app_keeps_its_rows_and_its_rights(joined: Joined) -> None:
    project = joined.project
    assert rights(project, THEIRS, "anon", "authenticated") == joined.rights_before
    assert project.rows("select slug, phone from public.agents") == [{"slug": "orchestrator", "phone": "555-0100"}]
    assert project.rows("select body from public.messages") == [{"body": "hello"}]
    assert project.rows("select public.ping()") == [{"ping": "the app's own"}]


def test_browsers_may_read_their_own_rows_and_nothing_else(joined: Joined) -> None:
    found = rights(joined.project, OURS, "anon", "authenticated")
    assert {role for _, role, _ in found} == {"authenticated"}
    written = {object_ for object_, _, right in found if right != "select"}
    assert all("chat_feedback" in object_ for object_ in written), (
        "people write what they think of answers, nothing else"
    )
    columns = {object_.removeprefix("column ").rpartition(".")[0] for object_, _, right in found if right == "select"}
    assert columns == READABLE, "column by column: no right on a whole table, a function or a sequence"
    unguarded = "select relname from pg_class where relkind = 'r' and relname ~ '^chat_' and not relrowsecurity"
    assert joined.project.rows(unguarded) == []


def test_the_service_may_call_every_function_of_its_own(joined: Joined) -> None:
    callable_ = {name for name, _, right in rights(joined.project, OURS, "service_role") if right == "execute"}
    made = joined.project.rows(
        "select 'function ' || p.oid::regprocedure as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname || '.' || p.proname ~ %s and p.prorettype <> 'trigger'::regtype",
        OURS,
    )
    assert {row["name"] for row in made} <= callable_
    assert len(made) > 40


async def test_a_message_is_answered(joined: Joined) -> None:
    api = DataApi(Options(joined.project.dsn(LOGIN), KEYS))
    async with serving(api) as port, httpx.AsyncClient(trust_env=False) as http:
        store = SupabaseStore(Rpc(f"http://{HOST}:{port}", KEYS.secret, http))
        claim, lease = await begin(store, message())
        assert claim.agent.slug == "orchestrator", "of the chat's seed, not the app's own"
        assert (await finish(store, lease, claim.turn)).status is TurnStatus.COMPLETED
        for headers, status in (({"apikey": KEYS.publishable}, 401), ({"apikey": KEYS.secret}, 200)):
            answer = await http.post(f"http://{HOST}:{port}/rest/v1/rpc/chat_ping", json={}, headers=headers)
            assert answer.status_code == status


def test_the_next_push_has_nothing_to_do(joined: Joined, supabase: SupabaseCli) -> None:
    pushed = supabase.push(joined.checkout, joined.project, "--include-seed")
    assert (pushed.status, "up to date" in pushed.printed) == (0, True)
    assert len(joined.project.rows("select from public.agents")) == 1
    assert len(joined.project.rows("select from public.chat_agents")) > 1


def test_the_app_goes_on_with_migrations_of_its_own(joined: Joined, supabase: SupabaseCli) -> None:
    later = joined.checkout / "supabase/migrations/20270201090000_phones.sql"
    later.write_text("alter table public.agents add column fax text;")
    assert supabase.push(joined.checkout, joined.project, "--include-seed").status == 0
    assert joined.project.rows("select fax from public.agents") == [{"fax": None}]


def test_a_project_of_its_own(server: Server, supabase: SupabaseCli, tmp_path: Path) -> None:
    link, push = commands("The database")
    assert link.startswith("supabase link --project-ref ")
    shutil.copytree(ROOT / "supabase", tmp_path / "supabase")
    project = server.project("its_own")
    pushed = supabase.push(tmp_path, project, *push_flags(push))
    assert pushed.status == 0, pushed
    assert "deprecated" not in pushed.said, "of config.toml"
    assert len(project.rows("select from public.chat_agents")) > 1
