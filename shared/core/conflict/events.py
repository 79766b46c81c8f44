"""What the conflict protocol hears, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class Submitted:
    """The turn is accepted and stored."""


@dataclass(frozen=True, slots=True)
class Queued:
    """It is not ours to start yet: `behind` turns stand before it, or another instance serves the queue."""

    behind: int


class Intent(StrEnum):
    """What is known of earlier attempts when the turn comes to us."""

    NONE = "none"  # no create can have been sent
    UNKNOWN = "unknown"  # a create may have been sent by a holder that is gone
    STARTED = "started"  # a run is on record


@dataclass(frozen=True, slots=True)
class TurnCame:
    """The lease and the head of the queue are ours."""

    intent: Intent
    still_seconds: float = 0.0  # with UNKNOWN: how much longer that create may be at work; below 0 since then
    failures: int = 0  # attempts of this turn that were lost or failed


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Another holder brought the turn to its end."""


@dataclass(frozen=True, slots=True)
class TurnWaits:
    """The turn waits for a person: nothing is to be done for it before that."""


@dataclass(frozen=True, slots=True)
class StartAccepted:
    """The provider accepted message and run."""


@dataclass(frozen=True, slots=True)
class StartConflicted:
    """The provider refused: another run is active. `run_id` is its id, None where nothing names it."""

    run_id: str | None


@dataclass(frozen=True, slots=True)
class ActiveRunStatus:
    """What became of the run in our way. `status` None: no such run can be seen."""

    status: str | None
    run_id: str | None = None  # its id, where the look has found it out
    poll_after_seconds: float | None = None
    orphan: bool = False  # it is of an earlier turn of ours, which is over: no instance follows it


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """The provider took the request to cancel the run in our way. When that run ends is another matter."""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The provider will not cancel it: it has just ended, or (`never`) it is of a kind that cannot be cancelled."""

    never: bool = False


@dataclass(frozen=True, slots=True)
class ThreadRotated:
    """The blocked thread is given up; the next start makes a new one from our transcript."""


@dataclass(frozen=True, slots=True)
class StartDeferred:
    """A definite "not now": nothing was started, and nothing should be before `seconds` have passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StartRefused:
    """A definite "never": repeating changes nothing."""

    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class StartUnknown:
    """The create may or may not have arrived."""

    still_seconds: float = 0.0  # how much longer it may be at work at the provider


@dataclass(frozen=True, slots=True)
class RunFound:
    """The run of an earlier attempt was found: it is ours."""

    repeated: bool = False  # it has its answer, and a repeat of it is on record that has not been seen to end


@dataclass(frozen=True, slots=True)
class RepeatEnded:
    """The repeated run is over, and the thread holds the answer that came first."""


@dataclass(frozen=True, slots=True)
class RunNotFound:
    """The look succeeded and showed no run of ours."""


@dataclass(frozen=True, slots=True)
class LookFailed:
    """The look itself failed: it says nothing about the run."""


@dataclass(frozen=True, slots=True)
class Woke:
    """The sleep is over, by time or by a hint."""


Event = (
    Submitted
    | Queued
    | TurnCame
    | TurnEnded
    | TurnWaits
    | StartAccepted
    | StartConflicted
    | ActiveRunStatus
    | CancelAccepted
    | CancelRefused
    | ThreadRotated
    | StartDeferred
    | StartRefused
    | StartUnknown
    | RunFound
    | RepeatEnded
    | RunNotFound
    | LookFailed
    | Woke
)
