"""A day of a busy service, as the function would tell of it: for the pictures, and for what is about showing."""

from __future__ import annotations

import json
import math
from typing import Any

from playwright.sync_api import Page, Route

from tests.web.canned import CORS

TURN, OTHER = "0f0e0d0c-0000-4000-8000-000000000001", "7d3c21aa-0000-4000-8000-000000000002"
_CONVERSATION = "c0ffee00-0000-4000-8000-000000000001"
_HOURS = 24


def serve(page: Page, **more: Any) -> None:
    """Answer the page's questions for operators from now on; `more` is told with the figures."""
    page.route("**/stats**", lambda route: _answer(route, more))


def _answer(route: Route, more: dict[str, Any]) -> None:
    path = route.request.url.partition("/stats")[2]
    told = (
        _timeline()
        if path.startswith("/turns/")
        else {"turns": _queue()}
        if path.startswith("/turns")
        else _figures() | more
    )
    if route.request.method == "OPTIONS":
        route.continue_()
    else:
        route.fulfill(status=200, body=json.dumps(told), headers=CORS)


def _figures() -> dict[str, Any]:
    series = [{"at": f"2026-11-28T{hour:02}:00:00.000Z"} | _counts(hour) for hour in range(_HOURS)]
    return {
        "window": "24h",
        "bucket": "1h",
        "since": series[0]["at"],
        "now": series[-1]["at"],
        "open": 37,
        "oldest_open_ms": 421_000,
        "totals": {name: sum(part[name] for part in series) for name in ("turns", "completed", "failed")} | _totals(),
        "errors": {"run_timeout": 212, "provider_rate_limited": 96, "run_failed": 41, "context_too_long": 7},
        "agents": [
            {"slug": "project_manager", "turns": 402_113, "input_tokens": 81_200_311, "output_tokens": 20_411_870},
            {"slug": "script_writer", "turns": 214_800, "input_tokens": 70_010_022, "output_tokens": 61_223_409},
            {"slug": "scene_describer", "turns": 96_410, "input_tokens": 40_800_731, "output_tokens": 33_117_502},
        ],
        "series": series,
    }


def _totals() -> dict[str, Any]:
    return {name: value for name, value in _counts(12).items() if name not in ("turns", "completed", "failed")}


def _counts(hour: int) -> dict[str, Any]:
    busy = 1 - math.cos((hour - 3) / 24 * 2 * math.pi)
    turns = round(9000 + 34_000 * busy)
    waited, answered = round(12 + 30 * busy), round(2100 + 900 * busy)
    return {
        "turns": turns,
        "completed": turns - round(turns / 900),
        "failed": round(turns / 2900 * (3 if hour == 15 else 1)),
        "cancelled": round(turns / 1500),
        "conflicts": round(turns / 60),
        "handoffs": round(turns / 3),
        "tool_calls": round(turns / 2),
        "rotations": round(turns / 400),
        "provider_rate_limited": round(busy * 40),
        "conflict_rate": 0.0167,
        "error_rate": 0.00034,
        "resolved_after_conflicts": {"1": 11_803, "2": 960, "3": 71, "4": 6},
        "input_tokens": turns * 400,
        "output_tokens": turns * 200,
        "waited_ms": {"p50": waited, "p95": waited * 18, "p99": waited * 90},
        "answered_ms": {"p50": answered, "p95": answered * 3, "p99": answered * 6},
        "handoff_ms": {"p50": 28, "p95": round(60 + 50 * busy), "p99": round(190 + 120 * busy)},
    }


def _queue() -> list[dict[str, Any]]:
    rows: list[tuple[str, str, int, int, dict[str, Any]]] = [
        (TURN, "queued", 421_000, 421_000, {"head_turn_id": OTHER}),
        (OTHER, "running", 418_500, 60, {}),
        ("a1b2c3d4-0000-4000-8000-000000000003", "queued", 9_200, 9_200, {"blocked_by": "resp_68f2a0", "conflicts": 2}),
        ("b1b2c3d4-0000-4000-8000-000000000004", "queued", 4_100, 4_100, {"held_up_by": "provider_rate_limited"}),
        ("c1b2c3d4-0000-4000-8000-000000000005", "running", 1_900, 41, {}),
    ]
    return [_turn(turn, status, age, waited) | more for turn, status, age, waited, more in rows]


def _turn(turn: str, status: str, age: int, waited: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("blocked_by", "held_up_by", "code", "finished_at", "run_id"))
    return nothing | {
        "turn_id": turn,
        "conversation_id": _CONVERSATION,
        "seq": 4,
        "status": status,
        "agent": "project_manager",
        "strategy": "enqueue",
        "attempt": 1,
        "conflicts": 0,
        "created_at": "2026-11-28T09:30:00.000Z",
        "age_ms": age,
        "waited_ms": waited,
        "head_turn_id": turn,
        "lease": "held",
    }


def _timeline() -> dict[str, Any]:
    agents = ("project_manager", "script_writer")
    spans = [
        {"kind": "queued", "from_ms": 0, "to_ms": 6200, "other_turn_id": OTHER, "nth": 1},
        {"kind": "starting", "from_ms": 6200, "to_ms": 6290},
        {"kind": "blocked", "from_ms": 6290, "to_ms": 9100, "run_id": "resp_68f2a0"},
        {"kind": "starting", "from_ms": 9100, "to_ms": 9190},
        {"kind": "run", "from_ms": 9190, "to_ms": 12_400, "agent": agents[0], "code": "completed"},
        {"kind": "tool", "from_ms": 12_420, "to_ms": 12_610, "tool": "read_project"},
        {"kind": "run", "from_ms": 12_700, "to_ms": 19_800, "agent": agents[1], "code": "completed"},
    ]
    marks = [
        {"name": "handoff.made", "at_ms": 12_640, "agent": agents[0], "code": agents[1]},
        {"name": "turn.completed", "at_ms": 19_810},
    ]
    names: list[tuple[int, str, dict[str, Any]]] = [
        (0, "turn.accepted", {"code": "enqueue", "other_turn_id": OTHER}),
        (6200, "turn.claimed", {"ms": 31}),
        (6290, "run.conflicted", {"run_id": "resp_68f2a0"}),
        (9100, "turn.claimed", {}),
        (9190, "run.started", {"run_id": "resp_68f2b4"}),
        (12_400, "run.ended", {"run_id": "resp_68f2b4", "code": "completed"}),
        (12_420, "tool.called", {"tool": "read_project"}),
        (12_610, "tool.answered", {"tool": "read_project", "ms": 190}),
        (12_640, "handoff.made", {"code": agents[1]}),
        (12_700, "run.started", {"agent": agents[1], "run_id": "resp_68f2c1"}),
        (19_800, "run.ended", {"agent": agents[1], "run_id": "resp_68f2c1", "code": "completed"}),
        (19_810, "turn.completed", {"ms": 19_810}),
    ]
    at = "2026-11-28T09:30:00.000Z"
    events = [{"at": at, "at_ms": ms, "name": name, "agent": agents[0]} | more for ms, name, more in names]
    turn = _turn(TURN, "completed", 19_810, 9100) | {"conflicts": 1, "lease": None, "head_turn_id": None}
    return {"turn": turn, "events": events, "spans": spans, "marks": marks}
