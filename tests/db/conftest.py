"""One real Postgres for all tests here, with the project's migrations and a clock that tests may move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dev.postgres import apply_sql, postgres
from tests.db.database import CLOCK, MIGRATIONS, SEED, Chat, Database


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    with postgres() as dsn:
        apply_sql(dsn, *MIGRATIONS, SEED)
        with closing(Database(dsn)) as database:
            database.run(CLOCK)
            yield database


@pytest.fixture
def db(server: Database) -> Iterator[Database]:
    yield server
    server.run("update chat_internal.test_clock set shift = '0'")
    server.run("delete from public.chat_breakers")  # which all conversations share


@pytest.fixture
def chat(db: Database) -> Chat:
    """Users are never used twice, so tests see nothing of each other."""
    return Chat(db)
