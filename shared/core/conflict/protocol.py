"""The conflict protocol as a value: fold an event, get the next state and exactly one command.

    Submitted ─► ClaimTurn ─► Queued ─► Sleep ─► Woke ─► ClaimTurn …            waiting in our own queue
                     └─► TurnCame ─► StartRun ─► StartAccepted ─► Admit          the undisturbed way
                                        ├─► StartConflicted ─► CheckActiveRun ─► ActiveRunStatus ─► Sleep or StartRun;
                                        │         where the strategy displaces: CancelRun, and RotateThread at last
                                        ├─► StartDeferred ─► Sleep ─► StartRun   a definite "not now"
                                        ├─► StartUnknown ─► FindRun ─► Admit, Sleep or StartRun
                                        │       and StartAccepted ─► LookBack ─► Admit, or EndRepeat where it had ended
                                        └─► StartRefused ─► Refuse or FindRun    a definite "never", in doubt

It awaits nothing and reads no clock: `now` is given, in seconds on any monotonic clock. A pair of phase and event
that `fold` does not list is a programming error and raises `UnexpectedEvent`.

One rule stands above the others: while the outcome of an earlier create is unknown ("in doubt"), nothing is started
before a look for that run has found nothing *after* the last moment at which the create could still have arrived.

Longer than 250 lines because a state machine is checked by reading all of its transitions side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from shared.core.conflict import commands, events
from shared.core.error_codes import ErrorCode
from shared.core.pace import CONFLICT_GROWTH, Pace
from shared.core.runs import is_terminal
from shared.core.turns import MultitaskStrategy

SETTLED = float("-inf")  # as `doubt_since`: a look is owed, but nothing can arrive any more
NEXT_IN_LINE = 2.0  # times the first pause: the longest pause of the turn that comes next
NEVER = float("inf")  # as `rotate_at`: the active run cannot be cancelled, so it is waited for
LOOKS_BACK = 3  # that may fail before a repeat is taken for the only run


class UnexpectedEvent(RuntimeError):
    """An event that cannot happen in this phase: the driver and the protocol disagree."""


class Phase(StrEnum):
    NEW = "new"
    CLAIMING = "claiming"
    QUEUED = "queued"
    STARTING = "starting"
    FOLLOWING = "following"
    CANCELLING = "cancelling"
    ROTATING = "rotating"
    FINDING = "finding"
    LOOKING_BACK = "looking_back"
    ENDING_REPEAT = "ending_repeat"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in seconds; `deadline` on the clock that `now` comes from."""

    strategy: MultitaskStrategy
    deadline: float
    pace: Pace
    settle_seconds: float  # after the longest that a create may be at work, until its traces must be visible
    start_margin_seconds: float  # no create is sent so late that its answer could not be awaited
    max_failures: int  # creates of unknown outcome that may be repeated
    cancel_wait_seconds: float  # a run that has not ended so long after it was to be cancelled loses its thread


@dataclass(frozen=True, slots=True)
class ConflictProtocol:
    rules: Rules
    phase: Phase = Phase.NEW
    active_run: str | None = None
    ended_run: str | None = None  # seen to have ended, though the provider may still name it
    pauses: int = 0  # consecutive pauses without news; the exponent of the backoff
    rotate_at: float | None = None  # with a strategy that displaces: when patience with the active run ends
    cancel_asked: str | None = None  # the active run that was asked to end
    suspect: bool = False  # some attempt of this turn was lost: what holds the thread may be our own run
    doubt_since: float | None = None  # a look is owed before the next create: it may still arrive after this moment
    failures: int = 0  # attempts lost or failed so far
    refused: ErrorCode | None = None  # why the last create was, though it may have been so because of a lost one
    after_pause: commands.Command | None = None

    def fold(self, event: events.Event, now: float) -> tuple[ConflictProtocol, commands.Command]:
        """The next state and the one thing to do. Raises UnexpectedEvent for a pair the protocol does not know."""
        state, command = self._heard(event, now)
        if self._over(now) and not isinstance(command, commands.Admit | commands.Refuse | commands.Detach):
            return state._end(commands.Detach())
        return state, command

    def _heard(self, event: events.Event, now: float) -> tuple[ConflictProtocol, commands.Command]:
        match self.phase, event:
            case (Phase.ENDED, _):
                raise UnexpectedEvent(f"{event} after the end")
            case (Phase.CLAIMING, events.TurnEnded() | events.TurnWaits()):
                return self._end(commands.Detach())
            # our own queue
            case (Phase.NEW, events.Submitted()):
                return self._go(Phase.CLAIMING, commands.ClaimTurn())
            case (Phase.CLAIMING, events.Queued(behind=behind)):
                return self._queued(behind, now)
            case (Phase.QUEUED, events.Woke()):
                return (
                    self._end(commands.Detach()) if self._over(now) else self._go(Phase.CLAIMING, commands.ClaimTurn())
                )
            case (Phase.NEW | Phase.CLAIMING, events.TurnCame() as came):  # NEW: the claim came with the acceptance
                return self._turn_came(came, now)
            # the create
            case (Phase.STARTING, events.StartAccepted()) if self.suspect:
                return self._look_back(now)
            case (Phase.STARTING, events.StartAccepted()):
                return self._end(commands.Admit())
            case (Phase.STARTING, events.StartConflicted(run_id=run_id)):
                return self._conflicted(run_id, now)
            case (Phase.STARTING, events.StartDeferred(seconds=seconds)):
                return self._looked_anew()._pause(now, commands.StartRun(), max(seconds, self._interval()))
            case (Phase.STARTING, events.StartRefused(reason=reason)) if self.suspect and self.refused is None:
                return replace(self, refused=reason)._go(Phase.FINDING, commands.FindRun())
            case (Phase.STARTING, events.StartRefused(reason=reason)):
                return self._end(commands.Refuse(reason))
            case (Phase.STARTING, events.StartUnknown(still_seconds=still)):
                return self._doubt(now + still)
            # the run in our way
            case (Phase.FOLLOWING, events.ActiveRunStatus() as seen):
                return self._active_run_seen(seen, now)
            case (Phase.FOLLOWING, events.LookFailed()):
                return self._pause(now, commands.CheckActiveRun(self.active_run))
            case (Phase.CANCELLING, events.CancelRefused(never=True)):
                return replace(self, rotate_at=NEVER)._pause(now, commands.CheckActiveRun(self.active_run))
            case (Phase.CANCELLING, events.CancelRefused()):
                return self._go(Phase.FOLLOWING, commands.CheckActiveRun(self.active_run))
            case (Phase.CANCELLING, events.CancelAccepted()):
                return self._pause(now, commands.CheckActiveRun(self.active_run))
            case (Phase.CANCELLING, events.LookFailed()):
                return replace(self, cancel_asked=None)._pause(now, commands.CheckActiveRun(self.active_run))
            case (Phase.ROTATING, events.ThreadRotated()):
                fresh = ConflictProtocol(self.rules, failures=self.failures)
                return fresh._start(now)
            # the run that may be ours
            case (Phase.FINDING, events.RunFound(repeated=False)) if self.failures > 1:
                return self._look_back(now)
            case (Phase.FINDING, events.RunFound(repeated=False)) | (Phase.FOLLOWING, events.RunFound()):
                return self._end(commands.Admit())
            case (Phase.FINDING, events.RunNotFound()) if self.refused is not None:
                return self._end(commands.Refuse(self.refused))
            case (Phase.FINDING, events.RunNotFound()):
                return self._not_found(now)
            case (Phase.FINDING, events.LookFailed()):
                return self._pause(now, commands.FindRun())
            # a repeat that was accepted: the lost attempt may have ended between the last look for it and then
            case (Phase.LOOKING_BACK, events.RunFound()) | (Phase.FINDING, events.RunFound(repeated=True)):
                return self._go(Phase.ENDING_REPEAT, commands.EndRepeat())
            case (Phase.LOOKING_BACK, events.LookFailed()) if self.pauses + 1 < LOOKS_BACK:
                return self._pause(now, commands.LookBack())
            case (Phase.LOOKING_BACK, events.RunNotFound() | events.LookFailed()):
                return self._end(commands.Admit())
            case (Phase.ENDING_REPEAT, events.RepeatEnded()):
                return self._end(commands.Admit())
            case (Phase.PAUSED, events.Woke()):
                return self._resume(now)
            case _:
                raise UnexpectedEvent(f"{event} in phase {self.phase}")

    def _queued(self, behind: int, now: float) -> tuple[ConflictProtocol, commands.Command]:
        if self.rules.strategy is MultitaskStrategy.REJECT and behind > 0:
            return self._end(commands.Refuse(ErrorCode.RUN_IN_PROGRESS))
        # the next in line looks often: what it waits too long is added to the wait of every turn behind it
        pause = self._interval() if behind > 1 else min(self._interval(), NEXT_IN_LINE * self.rules.pace.min_seconds)
        until = min(now + pause, self.rules.deadline)
        return replace(self, pauses=self.pauses + 1)._go(Phase.QUEUED, commands.Sleep(until))

    def _turn_came(self, came: events.TurnCame, now: float) -> tuple[ConflictProtocol, commands.Command]:
        state = replace(self, pauses=0, failures=came.failures)
        match came.intent:
            case events.Intent.STARTED if came.failures:
                return state._look_back(now)
            case events.Intent.STARTED:
                return state._end(commands.Admit())
            case events.Intent.UNKNOWN:
                return state._doubt(now + came.still_seconds)
            case events.Intent.NONE if came.failures:
                return replace(state, suspect=True, doubt_since=SETTLED)._start(now)
            case events.Intent.NONE:
                return state._start(now)

    def _doubt(self, since: float) -> tuple[ConflictProtocol, commands.Command]:
        state = replace(self, suspect=True, doubt_since=since, rotate_at=None, failures=self.failures + 1, pauses=0)
        return state._go(Phase.FINDING, commands.FindRun())

    def _look_back(self, now: float) -> tuple[ConflictProtocol, commands.Command]:
        """There is a run, and an attempt before it was lost: that one may have had its answer first."""
        if self._over(now):
            return self._end(commands.Admit())
        return replace(self, pauses=0)._go(Phase.LOOKING_BACK, commands.LookBack())

    def _looked_anew(self) -> ConflictProtocol:
        """A wire may show a run only when it is over: after every pause the lost attempt may be there to be found."""
        return replace(self, doubt_since=SETTLED if self.suspect else None)

    def _conflicted(self, active_run: str | None, now: float) -> tuple[ConflictProtocol, commands.Command]:
        # what is in a suspect's way may be its own lost attempt: what is being answered cannot be taken back
        if self.rules.strategy is MultitaskStrategy.REJECT and not self.suspect:
            return self._end(commands.Refuse(ErrorCode.RUN_IN_PROGRESS))
        news = active_run is not None and active_run != self.active_run
        state = replace(self._looked_anew(), active_run=active_run, pauses=0 if news else self.pauses)
        # nor is its own attempt to be left behind, so a suspect waits as one that enqueues
        if self.rules.strategy.displaces and not self.suspect and (news or self.rotate_at is None):
            state = replace(state, rotate_at=now + self.rules.cancel_wait_seconds)
        return state._go(Phase.FOLLOWING, commands.CheckActiveRun(active_run))

    def _active_run_seen(self, seen: events.ActiveRunStatus, now: float) -> tuple[ConflictProtocol, commands.Command]:
        state = replace(self, active_run=seen.run_id or self.active_run)
        if seen.status is not None and is_terminal(seen.status) and state.active_run != self.ended_run:
            return replace(state, ended_run=state.active_run, pauses=0)._start(now)
        if seen.orphan and state.rotate_at is None:
            state = replace(state, rotate_at=now + self.rules.cancel_wait_seconds)
        if state.rotate_at is not None and now >= state.rotate_at:
            return state._go(Phase.ROTATING, commands.RotateThread())
        if seen.status is None or is_terminal(seen.status):
            # refused, though no active run is to be seen, or one that has ended: the refusal is the truth, so only
            # another try tells when it is over
            return state._pause(now, commands.StartRun())
        # what is in a suspect's way may be its own lost attempt: that is waited for, not ended
        asks = (self.rules.strategy.displaces or seen.orphan) and not self.suspect and self.rotate_at != NEVER
        if asks and state.active_run is not None and state.active_run != self.cancel_asked:
            return replace(state, cancel_asked=state.active_run, pauses=0)._go(
                Phase.CANCELLING, commands.CancelRun(state.active_run)
            )
        return state._pause(now, commands.CheckActiveRun(state.active_run), seen.poll_after_seconds)

    def _not_found(self, now: float) -> tuple[ConflictProtocol, commands.Command]:
        if self.doubt_since is not None and now < self.doubt_since + self.rules.settle_seconds:
            return self._pause(now, commands.FindRun())
        if self.failures >= self.rules.max_failures:
            return self._end(commands.Refuse(ErrorCode.PROVIDER_UNAVAILABLE))
        lost = self.doubt_since != SETTLED
        return replace(self, doubt_since=None)._start(now, lost=lost)

    def _resume(self, now: float) -> tuple[ConflictProtocol, commands.Command]:
        match self.after_pause:
            case _ if self._over(now):
                return self._end(commands.Detach())
            case commands.CheckActiveRun() as check:
                return self._go(Phase.FOLLOWING, check)
            case commands.FindRun() as find:
                return self._go(Phase.FINDING, find)
            case commands.LookBack() as look:
                return self._go(Phase.LOOKING_BACK, look)
            case _:
                return self._start(now)

    def _start(self, now: float, *, lost: bool = False) -> tuple[ConflictProtocol, commands.Command]:
        if self.doubt_since is not None:
            return self._go(Phase.FINDING, commands.FindRun())
        if now >= self.rules.deadline - self.rules.start_margin_seconds:
            return self._end(commands.Detach())
        return self._go(Phase.STARTING, commands.StartRun(repeats_lost=lost))

    def _pause(
        self, now: float, then: commands.Command, seconds: float | None = None
    ) -> tuple[ConflictProtocol, commands.Command]:
        until = min(now + (self._interval() if seconds is None else seconds), self.rules.deadline)
        return replace(self, pauses=self.pauses + 1, after_pause=then)._go(Phase.PAUSED, commands.Sleep(until))

    def _go(self, phase: Phase, command: commands.Command) -> tuple[ConflictProtocol, commands.Command]:
        return replace(self, phase=phase), command

    def _end(self, command: commands.Command) -> tuple[ConflictProtocol, commands.Command]:
        return self._go(Phase.ENDED, command)

    def _over(self, now: float) -> bool:
        return now >= self.rules.deadline

    def _interval(self) -> float:
        return self.rules.pace.pause(self.pauses, CONFLICT_GROWTH)
