"""What the conflict protocol asks for, as frozen values. Exactly one follows from every event."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class ClaimTurn:
    """Try to take the lease and the head of the queue."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """Commit the intent, then send the one create call."""

    repeats_lost: bool = False  # the attempt before this one was lost: it counts as a failure


@dataclass(frozen=True, slots=True)
class CheckActiveRun:
    """Ask for the status of the run in our way; None: find out its id first."""

    run_id: str | None


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Ask the provider to end the run in our way."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RotateThread:
    """Leave the thread to the run that will not end."""


@dataclass(frozen=True, slots=True)
class FindRun:
    """Look for the run of an attempt whose outcome is unknown."""


@dataclass(frozen=True, slots=True)
class LookBack:
    """A repeat was accepted: look whether the lost attempt had its answer by then."""


@dataclass(frozen=True, slots=True)
class EndRepeat:
    """It had: end the repeat, and take what it left out of the thread."""


@dataclass(frozen=True, slots=True)
class Sleep:
    until: float


@dataclass(frozen=True, slots=True)
class Admit:
    """The turn has its run; follow it."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The turn ends here, for `reason`."""

    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class Detach:
    """Stop waiting here. The turn stays as it is on record, for the next request of its conversation."""


Command = (
    ClaimTurn
    | StartRun
    | CheckActiveRun
    | CancelRun
    | RotateThread
    | FindRun
    | LookBack
    | EndRepeat
    | Sleep
    | Admit
    | Refuse
    | Detach
)
