"""The SQL tests of `supabase/tests`, run by pgTAP on PGlite: no server, no installation."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from dev.node import ensure_packages, find_node
from dev.processes import Processes
from tests.db.database import MIGRATIONS, ROOT, SEED

FILES = sorted((ROOT / "supabase/tests").glob("*.sql"))
PACKAGES = ROOT / "dev/supabase"
SETUP = [PACKAGES / "roles.sql", ROOT / "dev/hosted.sql", *MIGRATIONS, SEED]


async def _node() -> str:
    node = await find_node()
    async with Processes(report=print) as processes:
        await ensure_packages(node, PACKAGES, processes, print)
    return node.program


@pytest.fixture(scope="module")
def taps() -> dict[Path, list[str]]:
    script = Path(__file__).with_name("pgtap.mjs")
    command: list[str | Path] = [asyncio.run(_node()), script, PACKAGES, *SETUP, "--", *FILES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(report["file"]): "\n".join(report["tap"]).splitlines() for report in reports}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file(file: Path, taps: dict[Path, list[str]]) -> None:
    tap = taps[file]
    passed = [line for line in tap if line.startswith("ok ")]
    assert [line for line in tap if line.startswith(("not ok", "# "))] == []
    assert f"1..{len(passed)}" in tap, "it did not run to its end"
    assert passed
