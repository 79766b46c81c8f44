"""What was counted, in the shape that operators read."""

from __future__ import annotations

from shared.core.statistics import statistics

PERCENTILES = {"p50": 1, "p95": 2, "p99": 3}
COUNTS = {
    "events": {"turn.accepted": 10, "turn.completed": 6, "turn.failed": 1, "turn.cancelled": 1, "run.conflicted": 5},
    "errors": {"run_failed": 1},
    "conflicted": {"turn.completed": 1, "turn.failed": 1},
    "tries": {"1": 1},
    "deferrals": {"provider_rate_limited": 2, "provider_unreachable": 1},
    "agent_turns": {"a": 3, "b": 5},
    "input_tokens": {"a": 10, "b": 1},
    "output_tokens": {"a": 20},
    "waited_ms": PERCENTILES,
}
NOTHING = {"p50": None, "p95": None, "p99": None}
AROUND = {"since": "then", "now": "now", "open": 2, "oldest_open_ms": 7, "breakers": [{"provider": "responses"}]}


def test_totals_series_errors_and_agents() -> None:
    buckets = [{"at": "2", "counts": {}}, {"at": "1", "counts": COUNTS}, {"at": None, "counts": COUNTS}]
    told = statistics("24h", "1h", AROUND | {"buckets": buckets})
    totals = told["totals"]
    assert [totals[name] for name in ("turns", "completed", "failed", "cancelled", "conflicts")] == [10, 6, 1, 1, 5]
    assert (totals["error_rate"], totals["conflict_rate"]) == (0.125, 0.25)
    assert (totals["provider_rate_limited"], totals["deferred"]) == (2, 3)
    assert totals["resolved_after_conflicts"] == {"1": 1, "2": 0, "3": 0, "4": 0}
    assert (totals["waited_ms"], totals["handoff_ms"]) == (PERCENTILES, NOTHING)
    assert (totals["input_tokens"], totals["output_tokens"]) == (11, 20)
    assert told["errors"] == {"run_failed": 1}
    assert told["agents"] == [
        {"slug": "b", "turns": 5, "input_tokens": 1, "output_tokens": 0},
        {"slug": "a", "turns": 3, "input_tokens": 10, "output_tokens": 20},
    ]
    assert told["series"][0] == {"at": "1"} | totals
    assert told["series"][1]["turns"] == 0
    assert (told["open"], told["oldest_open_ms"], told["window"]) == (2, 7, "24h")
    assert told["breakers"] == [{"provider": "responses"}]


def test_a_window_without_turns() -> None:
    told = statistics("1h", "5m", AROUND | {"buckets": []})
    assert (told["totals"]["turns"], told["totals"]["error_rate"], told["series"], told["agents"]) == (0, 0.0, [], [])
    assert told["totals"]["answered_ms"] == NOTHING
