"""One turn's events as what can be drawn: spans of time, each with what it was spent on, and marks between them.

A turn that waits or is about to start is in one phase at a time; runs and tools may lie side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.chat_events import EventName
from shared.core.model import JsonObject

_ENDS = frozenset({EventName.TURN_COMPLETED, EventName.TURN_FAILED, EventName.TURN_CANCELLED})
_PHASES: Mapping[str, str] = {  # what begins with an event and lasts until the next one of these or a run
    EventName.TURN_ACCEPTED: "queued",
    EventName.TURN_CLAIMED: "starting",
    EventName.RUN_CONFLICTED: "blocked",
    EventName.RUN_DEFERRED: "deferred",
    EventName.RUN_LOST: "starting",
}
_TOLD = ("agent", "run_id", "tool", "code", "other_turn_id", "nth")


def timeline(turn: JsonObject, events: Sequence[JsonObject]) -> dict[str, Any]:
    """The turn, its events as they are, and what they come to: `spans` and `marks`, in milliseconds since accepted.

    A span that goes on has no `to_ms`.
    """
    spans: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    phase: dict[str, Any] | None = None
    for event in events:
        name, at = event["name"], event["at_ms"]
        if phase is not None and (name in _PHASES or name in _ENDS or name == EventName.RUN_STARTED):
            phase["to_ms"], phase = max(at, phase["from_ms"]), None
        if name == EventName.TURN_CLAIMED and "code" in event:
            marks.append(_mark(event))  # a run is under way already: another instance goes on with it
        elif name in _PHASES:
            phase = _span(_PHASES[name], event)
            spans.append(phase)
        elif name == EventName.RUN_STARTED:
            spans.append(_span("run", event))
        elif name == EventName.TOOL_CALLED:
            spans.append(_span("tool", event))
        elif name == EventName.RUN_ENDED:
            _close(spans, "run", "run_id", event)
        elif name == EventName.TOOL_ANSWERED:
            _close(spans, "tool", "tool", event)
        else:
            marks.append(_mark(event))
    if turn["finished_at"] is not None:
        for span in spans:
            if span["to_ms"] is None:  # its own end was not seen
                span["to_ms"] = max(turn["age_ms"], span["from_ms"])
    return {"turn": turn, "events": list(events), "spans": spans, "marks": marks}


def _span(kind: str, event: JsonObject) -> dict[str, Any]:
    return {"kind": kind, "from_ms": event["at_ms"], "to_ms": None} | _details(event)


def _mark(event: JsonObject) -> dict[str, Any]:
    return {"name": event["name"], "at_ms": event["at_ms"]} | _details(event)


def _details(event: JsonObject) -> dict[str, Any]:
    return {name: event[name] for name in _TOLD if name in event}


def _close(spans: Sequence[dict[str, Any]], kind: str, by: str, event: JsonObject) -> None:
    for span in spans:
        if span["kind"] == kind and span["to_ms"] is None and span.get(by) == event.get(by):
            span["to_ms"] = max(event["at_ms"], span["from_ms"])
            if "code" in event:
                span["code"] = event["code"]
            return
