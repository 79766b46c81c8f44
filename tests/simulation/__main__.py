"""`python -m tests.simulation [MODE ...] --seeds N`: many seeds, a line a mode, exit status 1 where a promise broke."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.database import Database, database
from tests.simulation.modes import MODES
from tests.simulation.run import Result, simulate

SHOWN = 3  # failures reported in full, a mode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"of {', '.join(MODES)}; all where none is named")
    parser.add_argument("--seeds", type=int, default=40, help="how many, for each mode")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--log", action="store_true", help="print everything that was logged")
    given = parser.parse_args()
    if unknown := set(given.modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}")
    with database() as db:
        bad = [run_mode(db, mode, range(given.first, given.first + given.seeds), given.log)
               for mode in given.modes or MODES]  # fmt: skip
    return int(any(bad))


def run_mode(db: Database, mode: str, seeds: range, log: bool) -> int:
    """Prints what broke and one line of figures; how many seeds broke a promise."""
    started, bad, counts, worst = time.monotonic(), 0, Counter[str](), Counter[str]()
    for seed in seeds:
        result = simulate(db, mode, seed, verbose=log)
        if log:
            _say(*(f"{at:9.3f} {where:>4} {text}" for at, where, text in result.world.log))
        if result.violations:
            bad += 1
            if bad <= SHOWN:
                _say(result.report())
        counts.update(figures(result))
        counts.update({f"# {one.split(' ')[0]}": 1 for one in result.violations})
        for name, value in extremes(result).items():
            worst[name] = max(worst[name], value)
    took = time.monotonic() - started
    _say(
        f"{mode:9} seeds {len(seeds)}, broken {bad}, "
        + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        + ", worst: "
        + ", ".join(f"{name} {value / 100:.2f} s" for name, value in worst.items())
        + f"; {took:.1f} s"
    )
    return bad


def figures(result: Result) -> Counter[str]:
    world = result.world
    told = ("runs", "crashes", "pauses", "overlaps", "missed", "run.dropped", "calls", "turn.completed",
            "turn.failed", "turn.cancelled", "turn.withdrawn", "turn.fenced", "thread.rotated", "run.lost",
            "gave up", "fell back", "began elsewhere", "tried again", "breaker opened", "breaker closed")  # fmt: skip
    ends = Counter(f"by {turn['superseded_how']}" for turn in world.database.turns() if turn["superseded_how"])
    joined = sum(turn["joined_to"] is not None for turn in world.database.turns())
    all_of_them = {"turns": len(world.finals), "answers": len(world.answers), "joined": joined}
    return ends + Counter(all_of_them | {name: world.counts[name] for name in told})


def extremes(result: Result) -> dict[str, int]:
    """In hundredths of a second."""
    world = result.world
    overtime = max((a.took - a.wait for a in world.answers if not a.frozen and a.wait >= 3.0), default=0.0)
    return {"beyond the budget": round(max(overtime, 0) * 100), "drain": round(world.drained_in * 100)}


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
