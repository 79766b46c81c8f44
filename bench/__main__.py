"""`python -m bench`: every measurement, beside the baselines and its own past, and the plots in `docs/images`.

Every figure is made on one machine in one run. `--write` makes today's figures the past; `--only NAME` measures one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import traceback
from pathlib import Path

from bench import cold_start, first_token, latency, load, operator_reads, overload, plots, size, waiting
from bench.figures import Figures

PAST = Path(__file__).parent / "past.json"
MEASURED = (latency, load, overload, cold_start, size, first_token, waiting, operator_reads)
PARTS = {part.__name__.removeprefix("bench."): part for part in MEASURED}

# What a row shows: its name, its figure, what it is held against (another figure of the same run), and the goal.
ROWS: tuple[tuple[str, str, str | None, str], ...] = (
    ("undisturbed turn, ms", "turn_ms", "provider_turn_ms", "40"),
    ("the same on the local Supabase of make dev, ms", "local_turn_ms", "provider_turn_ms", ""),
    ("handoff, one instance, ms", "handoff_ms", "polling_handoff_ms", "15"),
    ("handoff, two instances, ms", "handoff_two_instances_ms", "polling_handoff_ms", "150"),
    ("handoff behind another program's run, ms", "foreign_handoff_ms", "polling_handoff_ms", ""),
    ("handoff, 2 s polling, ms", "polling_handoff_ms", None, ""),
    ("handoff, cancel and 2/4/8 s, ms", "backoff_handoff_ms", None, ""),
    ("interrupt without its cancel, same instance, ms", "interrupt_ms", None, "40"),
    ("interrupt without its cancel, two instances, ms", "interrupt_two_instances_ms", None, "150"),
    ("pairs that a lock in memory refuses, share", "memory_lock_refused_share", None, ""),
    ("turns a second at 32 conversations", "turns_per_second_1p", None, "60"),
    ("the same with two processes", "turns_per_second_2p", None, ""),
    ("the same with four processes", "turns_per_second_4p", None, ""),
    ("processor time a turn in the function, ms", "function_cpu_ms_per_turn_1p", None, "8"),
    ("the same in the Data API's stand-in, ms", "data_api_cpu_ms_per_turn_1p", None, ""),
    ("the same in Postgres, ms", "postgres_cpu_ms_per_turn_1p", None, ""),
    ("the same in the provider's stand-in, ms", "provider_cpu_ms_per_turn_1p", None, ""),
    ("database calls a turn", "database_calls_per_turn", None, "3"),
    ("of 1,000 messages at once, failed", "burst_failed", None, "0"),
    ("the same, seconds until all were answered", "burst_seconds", None, "10"),
    ("the same, KiB a message", "burst_kib_per_message", None, "64"),
    ("of 1,000 that wait 15 s each, failed", "patient_burst_failed", None, "0"),
    ("the same, KiB a message", "patient_burst_kib_per_message", None, "64"),
    ("ten times the cap: refused within, ms", "overload_refused_ms", None, "50"),
    ("the same, 95 of 100", "overload_refused_p95_ms", None, "50"),
    ("the same, processor time of a refusal, ms", "overload_refused_cpu_ms", None, ""),
    ("the same, admitted and not served", "overload_failed", None, "0"),
    ("the same, memory after and before", "overload_memory_ratio", None, "1"),
    ("cold start: port open, ms", "cold_port_ms", None, "700"),
    ("cold start: first turn, ms", "cold_turn_ms", None, "1200"),
    ("turn with ten turns in the tables, ms", "turn_with_10_ms", None, ""),
    ("turn with a million, ms", "turn_with_1000000_ms", "turn_with_10_ms", ""),
    ("database calls a waiting minute, ten turns", "database_calls_per_waiting_minute_with_10", None, ""),
    ("database calls a waiting minute, a million", "database_calls_per_waiting_minute_with_1000000", None, ""),
    ("one call of the database's stand-in, ms", "database_call_ms", None, ""),
    ("one call of the provider's stand-in, ms", "provider_call_ms", None, ""),
    ("first words of a stream added, ms", "responses_first_token_added_ms", None, ""),
    ("memory of a request that waits, KiB", "waiting_kib_1000", None, "64"),
    ("statistics of a day with a million turns, ms", "day_by_hours_ms", None, ""),
    ("the newest failures among them, ms", "failed_ms", None, ""),
    ("one turn's timeline among them, ms", "timeline_ms", None, ""),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    parser.add_argument("--write", action="store_true", help="make today's figures the past")
    given = parser.parse_args()
    figures, broken, began = Figures(), list[str](), time.monotonic()
    for name in given.only or PARTS:
        try:
            figures.take(asyncio.run(PARTS[name].measure()))
        except Exception:  # what the other parts have measured is worth showing all the same
            broken.append(name)
            traceback.print_exc()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    past = json.loads(PAST.read_text()) if PAST.exists() else {}
    _show(figures, past)
    print(f"\n{time.monotonic() - began:.0f} s")
    if not given.only:
        plots.write(figures)
    if given.write:
        PAST.write_text(json.dumps(dict(sorted((past | figures).items())), indent=2) + "\n")
    if broken:
        sys.exit(f"could not be measured: {', '.join(broken)}")


def _show(figures: Figures, past: dict[str, float]) -> None:
    print(f"| {'':<50} | {'now':>9} | {'past':>9} | {'ratio':>6} | {'goal':>5} |")
    print(f"|{'-' * 52}|{'-' * 11}|{'-' * 11}|{'-' * 8}|{'-' * 7}|")
    for title, name, beside, goal in ROWS:
        if name in figures:
            ratio = f"{figures[name] / figures[beside]:.2f}" if beside is not None and beside in figures else ""
            print(f"| {title:<50} | {figures[name]:>9} | {past.get(name, ''):>9} | {ratio:>6} | {goal:>5} |")


if __name__ == "__main__":
    main()
