"""Run as a program: the launcher with the toy function and the toy migrations, flags as of `python -m dev`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from dev.__main__ import run
from dev.cli import parse

HERE = Path(__file__).parent

if __name__ == "__main__":
    source, *flags = sys.argv[1:]
    options = replace(parse(flags), source=Path(source), migrations=HERE / "migrations", seed=HERE / "no-seed.sql")
    sys.exit(asyncio.run(run(options)))
