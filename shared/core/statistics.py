"""What is counted of turns, as operators read it: the same counts for the whole window and for each part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.chat_events import EventName
from shared.core.model import JsonObject

COUNTED: Mapping[str, EventName] = {
    "turns": EventName.TURN_ACCEPTED,
    "completed": EventName.TURN_COMPLETED,
    "failed": EventName.TURN_FAILED,
    "cancelled": EventName.TURN_CANCELLED,
    "displaced": EventName.TURN_DISPLACED,
    "cancel_requests": EventName.CANCEL_REQUESTED,
    "conflicts": EventName.RUN_CONFLICTED,
    "runs": EventName.RUN_STARTED,
    "lost_creates": EventName.RUN_LOST,
    "handoffs": EventName.HANDOFF_MADE,
    "tool_calls": EventName.TOOL_CALLED,
    "rotations": EventName.THREAD_ROTATED,
}
_ENDED = ("completed", "failed", "cancelled")
TRIES = ("1", "2", "3", "4")  # conflicts that a turn met before it was answered; the last stands for more as well
DURATIONS = ("waited_ms", "answered_ms", "handoff_ms")
_NO_PERCENTILES: Mapping[str, None] = {"p50": None, "p95": None, "p99": None}


def statistics(window: str, bucket: str, counted: JsonObject) -> dict[str, Any]:
    """`counted` is what the store has counted: buckets of counts by kind; the one of the whole window has no time."""
    parts = {part["at"]: part["counts"] for part in counted["buckets"]}
    whole = parts.pop(None, {})
    return {
        "window": window,
        "bucket": bucket,
        "since": counted["since"],
        "now": counted["now"],
        "open": counted["open"],
        "oldest_open_ms": counted["oldest_open_ms"],
        "breakers": list(counted["breakers"]),
        "totals": _counts(whole),
        "errors": dict(whole.get("errors", {})),
        "agents": [
            {
                "slug": slug,
                "turns": turns,
                "input_tokens": whole.get("input_tokens", {}).get(slug, 0),
                "output_tokens": whole.get("output_tokens", {}).get(slug, 0),
            }
            for slug, turns in sorted(whole.get("agent_turns", {}).items(), key=lambda one: (-one[1], one[0]))
        ],
        "series": [{"at": at} | _counts(counts) for at, counts in sorted(parts.items())],
    }


def _counts(counts: JsonObject) -> dict[str, Any]:
    events = counts.get("events", {})
    shown: dict[str, Any] = {name: events.get(event, 0) for name, event in COUNTED.items()}
    ended = sum(shown[name] for name in _ENDED)
    conflicted = sum(counts.get("conflicted", {}).values())
    tries = counts.get("tries", {})
    deferrals = counts.get("deferrals", {})
    return shown | {
        "conflict_rate": _rate(conflicted, ended),
        "error_rate": _rate(shown["failed"], ended),
        "resolved_after_conflicts": {count: tries.get(count, 0) for count in TRIES},
        "provider_rate_limited": deferrals.get("provider_rate_limited", 0),
        "deferred": sum(deferrals.values()),
        "input_tokens": sum(counts.get("input_tokens", {}).values()),
        "output_tokens": sum(counts.get("output_tokens", {}).values()),
        **{name: counts.get(name, _NO_PERCENTILES) for name in DURATIONS},
    }


def _rate(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
