"""What happens to a turn, by name: one vocabulary for logs, metrics and streams. Dotted, past tense."""

from __future__ import annotations

from enum import StrEnum


class EventName(StrEnum):
    TURN_ACCEPTED = "turn.accepted"
    TURN_REPLAYED = "turn.replayed"
    TURN_CLAIMED = "turn.claimed"
    TURN_DETACHED = "turn.detached"
    TURN_WITHDRAWN = "turn.withdrawn"
    TURN_COMPLETED = "turn.completed"
    TURN_FAILED = "turn.failed"
    TURN_CANCELLED = "turn.cancelled"
    TURN_FENCED = "turn.fenced"
    RUN_STARTED = "run.started"
    RUN_CONFLICTED = "run.conflicted"
    RUN_DEFERRED = "run.deferred"
    RUN_LOST = "run.lost"
    RUN_FOUND = "run.found"
    RUN_ENDED = "run.ended"
    RUN_CANCELLED = "run.cancelled"
    THREAD_CREATED = "thread.created"
    THREAD_ROTATED = "thread.rotated"
    THREAD_REPAIRED = "thread.repaired"
