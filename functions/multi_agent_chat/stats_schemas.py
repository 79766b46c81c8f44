"""What operators are answered, as JSON Schema."""

from __future__ import annotations

from functions.multi_agent_chat.json_schema import (
    COUNT,
    FLAG,
    STATUS,
    TEXT,
    TIME,
    UUID,
    Schema,
    listed,
    nullable,
    shaped,
)
from shared.core import statistics

_RATE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT_BY: Schema = {"type": "object", "additionalProperties": COUNT}
_PERCENTILES = shaped(dict.fromkeys(("p50", "p95", "p99"), nullable(COUNT)))
_COUNTS = {
    **dict.fromkeys(statistics.COUNTED, COUNT),
    "conflict_rate": _RATE,
    "error_rate": _RATE,
    "resolved_after_conflicts": _COUNT_BY,
    "provider_rate_limited": COUNT,
    "deferred": COUNT,
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    **dict.fromkeys(statistics.DURATIONS, _PERCENTILES),
}
_BREAKER = shaped(
    {
        "provider": TEXT,
        "model": nullable(TEXT),
        "failures": COUNT,
        "code": TEXT,
        "failed_at": TIME,
        "open_ms": nullable(COUNT),
    }
)
STATISTICS = shaped(
    {
        "window": TEXT,
        "bucket": TEXT,
        "since": TIME,
        "now": TIME,
        "open": COUNT,
        "oldest_open_ms": nullable(COUNT),
        "breakers": listed(_BREAKER),
        "totals": shaped(_COUNTS),
        "errors": _COUNT_BY,
        "agents": listed(shaped({"slug": TEXT, "turns": COUNT, "input_tokens": COUNT, "output_tokens": COUNT})),
        "series": listed(shaped({"at": TIME} | _COUNTS)),
    }
)
_WATCHED = shaped(
    {
        "turn_id": UUID,
        "conversation_id": UUID,
        "seq": COUNT,
        "status": STATUS,
        "agent": TEXT,
        "strategy": TEXT,
        "attempt": COUNT,
        "failures": COUNT,
        "conflicts": COUNT,
        "run_id": nullable(TEXT),
        "blocked_by": nullable(TEXT),
        "held_up_by": nullable(TEXT),
        "cancel_requested": FLAG,
        "superseded_by": nullable(UUID),
        "joined_to": nullable(UUID),
        "code": nullable(TEXT),
        "created_at": TIME,
        "finished_at": nullable(TIME),
        "age_ms": COUNT,
        "waited_ms": COUNT,
        "idle_ms": nullable(COUNT),
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "head_turn_id": nullable(UUID),
        "lease": nullable({"enum": ["free", "lapsed", "held"]}),
    }
)
WATCHED_TURNS = shaped({"turns": listed(_WATCHED)})
FEEDBACK = shaped(
    {
        "agents": listed(shaped({"slug": TEXT, "good": COUNT, "bad": COUNT})),
        "feedback": listed(
            shaped({"turn_id": UUID, "agent": TEXT, "good": FLAG, "comment": nullable(TEXT), "created_at": TIME})
        ),
    }
)
_DETAILS = {"agent": TEXT, "run_id": TEXT, "tool": TEXT, "code": TEXT, "other_turn_id": UUID, "nth": COUNT}
TIMELINE = shaped(
    {
        "turn": _WATCHED,
        "events": listed(shaped({"at": TIME, "at_ms": COUNT, "name": TEXT}, _DETAILS | {"ms": COUNT})),
        "spans": listed(shaped({"kind": TEXT, "from_ms": COUNT, "to_ms": nullable(COUNT)}, _DETAILS)),
        "marks": listed(shaped({"name": TEXT, "at_ms": COUNT}, _DETAILS)),
    }
)
