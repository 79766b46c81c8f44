"""One turn's events as spans and marks: what a person looks at to find out why a message waited."""

from __future__ import annotations

from typing import Any

from shared.core.timeline import timeline

Spans = list[tuple[Any, ...]]


def told(events: list[tuple[Any, ...]], *, over_ms: int | None) -> dict[str, Any]:
    turn = {"finished_at": None if over_ms is None else "then", "age_ms": over_ms}
    return timeline(turn, [{"at_ms": at, "name": name} | (more[0] if more else {}) for at, name, *more in events])


def spans(events: list[tuple[Any, ...]], *, over_ms: int | None, about: str = "run_id") -> Spans:
    shown = told(events, over_ms=over_ms)["spans"]
    return [(span["kind"], span["from_ms"], span["to_ms"], span.get(about)) for span in shown]


def test_a_turn_that_waited_behind_another_and_then_at_the_provider() -> None:
    assert spans(
        [
            (0, "turn.accepted", {"other_turn_id": "before"}),
            (40, "turn.claimed"),
            (45, "run.conflicted", {"run_id": "foreign"}),
            (90, "turn.claimed"),
            (95, "run.deferred", {"code": "provider_rate_limited"}),
            (120, "turn.claimed"),
            (130, "run.started", {"run_id": "ours"}),
            (200, "run.ended", {"run_id": "ours", "code": "completed"}),
            (200, "turn.completed"),
        ],
        over_ms=200,
    ) == [
        ("queued", 0, 40, None),
        ("starting", 40, 45, None),
        ("blocked", 45, 90, "foreign"),
        ("starting", 90, 95, None),
        ("deferred", 95, 120, None),
        ("starting", 120, 130, None),
        ("run", 130, 200, "ours"),
    ]


def test_tools_and_runs_beside_each_other() -> None:
    events = [
        (0, "turn.accepted"),
        (0, "turn.claimed"),
        (5, "run.started", {"run_id": "a"}),
        (50, "run.ended", {"run_id": "a", "code": "completed"}),
        (51, "tool.called", {"tool": "read"}),
        (52, "tool.called", {"tool": "ask"}),
        (60, "tool.answered", {"tool": "ask", "code": "timeout"}),
        (70, "tool.answered", {"tool": "read"}),
        (71, "handoff.made", {"agent": "first", "code": "second"}),
        (80, "run.started", {"run_id": "b"}),
        (99, "turn.cancelled"),
    ]
    shown = told(events, over_ms=99)
    lanes = [(one["kind"], one["from_ms"], one["to_ms"]) for one in shown["spans"] if one["kind"] in ("tool", "run")]
    assert lanes == [("run", 5, 50), ("tool", 51, 70), ("tool", 52, 60), ("run", 80, 99)]
    assert shown["spans"][-2]["code"] == "timeout"
    assert [(one["name"], one["at_ms"]) for one in shown["marks"]] == [("handoff.made", 71), ("turn.cancelled", 99)]


def test_a_takeover_is_a_mark_and_ends_no_run() -> None:
    events = [
        (0, "turn.accepted"),
        (0, "turn.claimed"),
        (5, "run.started", {"run_id": "a"}),
        (9000, "turn.claimed", {"code": "running"}),
    ]
    shown = told(events, over_ms=None)
    assert [(one["kind"], one["to_ms"]) for one in shown["spans"]] == [("queued", 0), ("starting", 5), ("run", None)]
    assert [one["code"] for one in shown["marks"]] == ["running"]


def test_an_open_turn_that_waits_has_a_span_that_goes_on() -> None:
    behind = [(0, "turn.accepted", {"other_turn_id": "before"}), (7, "cancel.requested")]
    assert spans(behind, over_ms=None, about="other_turn_id") == [("queued", 0, None, "before")]
