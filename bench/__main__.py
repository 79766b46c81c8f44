"""`python -m bench`: every measurement beside its baseline. `--write` makes today's figures the baseline."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench import cold_start, database, first_token, latency, waiting

BASELINE = Path(__file__).parent / "baseline.json"
LOOSELY = 1.5  # times the baseline, before a figure is pointed out
RATIOS = ("_ratio", "_kib_500", "_kib_1000", "_a_turn", "_minute")  # what can be compared between machines


def main() -> None:
    figures = cold_start.measure()
    for each in (latency, first_token, waiting, database):
        figures |= asyncio.run(each.measure())
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    print(f"{'':<34}{'now':>10}{'baseline':>10}")
    for name, value in figures.items():
        before = baseline.get(name)
        worse = name.endswith(RATIOS) and before is not None and value > before * LOOSELY
        print(f"{name:<34}{value:>10}{before if before is not None else '':>10}{'  <- worse' if worse else ''}")
    if "--write" in sys.argv[1:]:
        BASELINE.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
