"""What one start keeps for the next, and which starts keep nothing."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dev.cli import Options, parse
from dev.kept import kept
from dev.launch import choose_ports
from dev.ports import free_range


@pytest.mark.parametrize("flags", ["--json", "--port 0", "--db postgres", "--json --port 8080"])
def test_starts_of_programs_share_nothing(flags: str, tmp_path: Path) -> None:
    with kept(parse(flags.split()), print, tmp_path / "kept") as found:
        assert found is None
    assert list(tmp_path.iterdir()) == []


def test_keys_and_ports_are_those_of_the_start_before(tmp_path: Path) -> None:
    wanted = free_range(4)
    with kept(Options(), print, tmp_path / "kept") as first:
        assert first is not None
        first.ports = dict(zip(("function", "supabase", "emulator", "web"), wanted, strict=True))
        first.write()
        first.data.mkdir()
    assert stat.S_IMODE((tmp_path / "kept/project.json").stat().st_mode) == 0o600
    with kept(Options(), print, tmp_path / "kept") as second:
        assert second is not None
        assert second.keys == first.keys
        assert second.data.is_dir()
        assert choose_ports(Options(), second, print) == (wanted[:1], wanted[1:])
        assert choose_ports(replace(Options(), port=wanted[2], port_given=True), second, print)[0] == [wanted[2]]
    with kept(Options(fresh=True), print, tmp_path / "kept") as dropped:
        assert dropped is not None
        assert dropped.keys != first.keys
        assert not dropped.data.exists()


def test_port_zero_is_any_free_one_however_it_was_chosen() -> None:
    ports, others = choose_ports(Options(port=0, instances=2), None, print)
    assert all([*ports, *others])


def test_of_two_starts_at_once_the_second_keeps_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        kept(Options(), said.append, tmp_path / "kept") as first,
        kept(Options(), said.append, tmp_path / "kept") as other,
    ):
        assert first is not None
        assert other is None
    assert "another start of this checkout is running" in said[0]


def test_data_whose_keys_are_lost_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "kept/data").mkdir(parents=True)
    (tmp_path / "kept/project.json").write_text("{")
    with kept(Options(), print, tmp_path / "kept") as found:
        assert found is not None
        assert not found.data.exists()
