"""A released migration is never edited. Until the first release there is no list of them, and nothing is held."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.errors import DevError
from dev.release import MIGRATIONS, SEALS, faults, read_seals, seal

FIRST, SECOND, THIRD = "20260101000000_a.sql", "20260102000000_b.sql", "20260103000000_c.sql"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / FIRST).write_text("select 1;")
    (folder / THIRD).write_text("select 3;")
    return folder


@pytest.fixture
def seals(tmp_path: Path) -> Path:
    return tmp_path / "migrations.sha256"


def test_the_released_migrations_here_are_as_they_were() -> None:
    """Holds nothing while `make release` has not been run: then the list does not exist."""
    assert faults(MIGRATIONS, SEALS) == []
    assert set(read_seals(SEALS)) <= {file.name for file in MIGRATIONS.glob("*.sql")}


def test_before_the_first_release_everything_may_change(migrations: Path, seals: Path) -> None:
    (migrations / FIRST).write_text("select 7;")
    assert faults(migrations, seals) == []


def test_a_release_holds_what_is_there(migrations: Path, seals: Path) -> None:
    assert seal(migrations, seals) == [FIRST, THIRD]
    assert faults(migrations, seals) == []
    assert seal(migrations, seals) == [], "again it changes nothing"
    assert list(read_seals(seals)) == [FIRST, THIRD]


def test_a_later_migration_is_added(migrations: Path, seals: Path) -> None:
    seal(migrations, seals)
    (migrations / "20260104000000_d.sql").write_text("select 4;")
    assert faults(migrations, seals) == []
    assert seal(migrations, seals) == ["20260104000000_d.sql"]
    assert len(read_seals(seals)) == 3


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        (FIRST, "select 1; ", f"{FIRST} was released and is changed"),
        (THIRD, None, f"{THIRD} was released and is gone"),
        (SECOND, "select 2;", f"{SECOND} is new and sorts before {THIRD}"),
    ],
)
def test_what_a_release_forbids(migrations: Path, seals: Path, name: str, text: str | None, fault: str) -> None:
    seal(migrations, seals)
    sealed = seals.read_bytes()
    file = migrations / name
    file.unlink() if text is None else file.write_text(text)
    (found,) = faults(migrations, seals)
    assert found.startswith(fault)
    with pytest.raises(DevError, match=fault):
        seal(migrations, seals)
    assert seals.read_bytes() == sealed
