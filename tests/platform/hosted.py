"""A hosted Supabase project's database on this machine: roles, rights, time-outs, an owner who is no superuser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from dev.ports import HOST, free_range
from dev.postgres import apply_sql, postgres
from dev.supabase_local import Keys

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SUPERUSER = "supabase_admin"
OWNER = "postgres"
LOGIN = "authenticator"
KEYS = Keys("sb_secret_of_the_project", "sb_publishable_of_the_project", "a secret of the project, 32 bytes long")


@dataclass(frozen=True)
class Project:
    """One project, which is one database of the server."""

    name: str
    port: int

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@{HOST}:{self.port}/{self.name}"

    @contextmanager
    def connection(self, role: str = SUPERUSER) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A session in which each statement is committed at once."""
        with psycopg.connect(self.dsn(role), autocommit=True, row_factory=dict_row) as connection:
            yield connection

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        with self.connection() as connection:
            return connection.execute(query.encode(), arguments or None).fetchall()

    def run(self, statements: str, role: str = OWNER) -> None:
        with self.connection(role) as connection:
            connection.execute(statements.encode())


@dataclass(frozen=True)
class Server:
    """One Postgres with the roles that all projects have in common."""

    port: int

    def project(self, name: str, *, automatic_grants: bool = False) -> Project:
        """A new project before its first migration. Automatic grants are those of projects from before 2026-10-30."""
        project = Project(name, self.port)
        with Project("postgres", self.port).connection() as connection:
            for statement in ("create database {} template template0", "alter database {} owner to postgres"):
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
        grants = [HERE / "automatic_grants.sql"] if automatic_grants else []
        apply_sql(project.dsn(SUPERUSER), HERE / "hosted_database.sql", ROOT / "dev/data_api/schema_watch.sql", *grants)
        return project


@contextmanager
def hosted_server(binaries: Path | None = None) -> Iterator[Server]:
    """Raises dev.postgres.PostgresError. `binaries` are those of another Postgres than the one in the environment."""
    port = free_range(1)[0]
    with postgres(hosted=False, superuser=SUPERUSER, port=port, binaries=binaries) as dsn:
        apply_sql(dsn, HERE / "hosted_server.sql")
        yield Server(port)


# What the request roles may do with everything whose name matches, read off the catalogue.
RIGHTS = """
select 'function ' || p.oid::regprocedure as object, r.rolname as role, 'execute' as right
from pg_proc p join pg_namespace n on n.oid = p.pronamespace, pg_roles r
where n.nspname || '.' || p.proname ~ %(names)s and r.rolname = any (%(roles)s)
  and has_function_privilege(r.oid, p.oid, 'execute') and has_schema_privilege(r.oid, n.oid, 'usage')
union all
select 'relation ' || c.oid::regclass, r.rolname, k.kind
from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles r,
  unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as k (kind)
where n.nspname || '.' || c.relname ~ %(names)s and c.relkind in ('r', 'v', 'm', 'p') and r.rolname = any (%(roles)s)
  and has_table_privilege(r.oid, c.oid, k.kind) and has_schema_privilege(r.oid, n.oid, 'usage')
union all
select 'sequence ' || c.oid::regclass, r.rolname, 'usage'
from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles r
where n.nspname || '.' || c.relname ~ %(names)s and c.relkind = 'S' and r.rolname = any (%(roles)s)
  and has_sequence_privilege(r.oid, c.oid, 'usage')
union all
select 'column ' || c.oid::regclass || '.' || a.attname, r.rolname, 'select'
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped, pg_roles r
where n.nspname || '.' || c.relname ~ %(names)s and c.relkind in ('r', 'v', 'm', 'p') and r.rolname = any (%(roles)s)
  and has_column_privilege(r.oid, c.oid, a.attnum, 'select') and has_schema_privilege(r.oid, n.oid, 'usage')
"""


def rights(project: Project, names: str, *roles: str) -> set[tuple[str, str, str]]:
    """(object, role, right) for all objects whose `schema.name` matches the regular expression."""
    with project.connection() as connection:
        found = connection.execute(RIGHTS.encode(), {"names": names, "roles": list(roles)}).fetchall()
    return {(row["object"], row["role"], row["right"]) for row in found}
