"""Serves the head of one queue: admission, following the run, and the one record of how the turn ended."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.admission import RETRY_SECONDS, Admission, Carry
from shared.core.conflict import BACKOFF, Rules
from shared.core.errors import (
    Conflict,
    Fenced,
    NotFoundAtProvider,
    ProviderError,
    ThreadGone,
)
from shared.core.events import EventName
from shared.core.model import Claim, MultitaskStrategy, RunRecord, RunState, Thread, Turn, TurnStatus
from shared.core.signals import Admit, Intent, Refuse, Submitted, TurnCame
from shared.ending import Ending, Pace, end_run
from shared.lease import Hold, Stopped, World
from shared.ports import Advance, Provider

log = logging.getLogger("multi_agent_chat")

MAX_FAILURES = 4  # creates lost or runs failed for a passing reason, before the turn fails
LATEST_START_SECONDS = 2.0  # of the wait budget, or a fifth of a short one: no create is sent later than that
CANCEL_WITHIN_SECONDS = 8.0  # a cancel is answered within ten, the write and the look included
PASSING_RUN_ERRORS = frozenset({"server_error", "rate_limit_exceeded"})  # as the vendor documents `last_error.code`

SENTENCES: Mapping[str, str] = {
    "provider_unavailable": "The AI provider could not be reached in several attempts.",
    "provider_auth": "The AI provider refused this service's key.",
    "provider_quota": "This service's quota at the AI provider is used up.",
    "provider_model": "The AI provider does not know the agent's model.",
    "provider_api_absent": "The AI provider's host does not have the API this service is configured for.",
    "context_too_long": "The conversation has become too long for the agent's model.",
    "turn_expired": "The message could not be answered before its deadline.",
    "run_timeout": "The agent did not finish within its time budget.",
    "run_expired": "The run expired at the AI provider.",
    "run_cancelled": "The run was cancelled at the AI provider.",
    "run_incomplete": "The agent's answer was cut off.",
    "run_failed": "The run failed at the AI provider.",
    "run_not_found": "The run is no longer known to the AI provider.",
    "empty_reply": "The agent ended without an answer.",
    "unknown_tool": "The agent called a tool that it was not offered.",
}


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Times in seconds, from the settings of the same names."""

    default_provider: str
    poll_min_seconds: float
    poll_max_seconds: float
    provider_timeout_seconds: float
    settle_seconds: float
    run_budget_seconds: float
    cancel_wait_seconds: float
    carry: Carry


class Serving:
    def __init__(self, world: World, providers: Mapping[str, Provider], options: ServingOptions, owner: str) -> None:
        self._world, self._providers, self._options, self._owner = world, providers, options, owner
        self._pace = Pace(options.poll_min_seconds, options.poll_max_seconds)

    def provider(self, name: str | None) -> Provider:
        return self._providers[name or self._options.default_provider]

    async def serve(self, turn: Turn, claim: Claim | None, claimed_at: float, deadline: float) -> Turn | None:
        """Bring `turn` as far as it gets by `deadline`: the turn where it came to its end here, else its row knows.

        Raises Conflict (strategy reject, and the turn is taken back), Fenced, StoreUnavailable.
        """
        admission = Admission(
            self._world,
            self.provider,
            self._rules(turn, deadline),
            self._options.carry,
            owner=self._owner,
            user_id=turn.user_id,
            conversation_id=turn.conversation_id,
            turn_id=turn.turn_id,
            serve_other=lambda other, at: self._serve_other(other, at, deadline),
        )
        try:
            await self._serve(admission, claim, claimed_at, deadline)
        except Fenced:
            _note(EventName.TURN_FENCED, turn)
            raise
        finally:
            if admission.hold is not None:
                await admission.hold.release()
                self._world.wakeups.notify(turn.conversation_id)
        return admission.hold.turn if admission.hold is not None and admission.hold.turn.status.final else None

    async def _serve(self, admission: Admission, claim: Claim | None, claimed_at: float, deadline: float) -> None:
        event: Submitted | TurnCame = Submitted()
        while True:
            try:
                if claim is not None:
                    event, claim = admission.came(claim, claimed_at), None
                await self._bring(admission, event, deadline)
                return
            except Stopped:
                claim = None
                if admission.hold is None or not await self._stop(admission, admission.hold):
                    return
                admission.run, event = None, TurnCame(Intent.STARTED)

    async def _serve_other(self, claim: Claim, claimed_at: float, deadline: float) -> None:
        """The head of the queue is another turn that nobody serves: whoever comes does the work."""
        with contextlib.suppress(Conflict):  # told to its own sender, should one still ask
            await self.serve(claim.turn, claim, claimed_at, deadline)

    def _rules(self, turn: Turn, deadline: float) -> Rules:
        left = deadline - self._world.clock.now()
        return Rules(
            strategy=turn.strategy,
            deadline=deadline,
            poll_min_seconds=self._options.poll_min_seconds,
            poll_max_seconds=self._options.poll_max_seconds,
            settle_seconds=self._options.provider_timeout_seconds + self._options.settle_seconds,
            start_margin_seconds=min(LATEST_START_SECONDS, left / 5),
            max_failures=MAX_FAILURES,
            cancel_wait_seconds=self._options.cancel_wait_seconds,
        )

    async def _bring(self, admission: Admission, event: Submitted | TurnCame, deadline: float) -> None:
        """Admission and run, again while a run fails for a passing reason."""
        while True:
            outcome = await admission.run_to_end(event)
            hold = admission.hold
            if hold is None:
                return
            if isinstance(outcome, Refuse):
                await self._refuse(hold, outcome.reason)
                return
            if not isinstance(outcome, Admit) or not await self._follow(hold, admission.run, deadline):
                return
            event = TurnCame(Intent.NONE, failures=hold.turn.failures)

    async def _refuse(self, hold: Hold, reason: str) -> None:
        if reason == "run_in_progress":
            await self._world.store.withdraw_turn(hold.lease, hold.turn.turn_id)
            _note(EventName.TURN_WITHDRAWN, hold.turn)
            raise rejected()
        await self._fail(hold, reason)

    # --- following ----------------------------------------------------------------------------------------------------

    async def _follow(self, hold: Hold, run: RunState | None, deadline: float) -> bool:
        """Follow the turn's run to its end and record it; True where the turn should be started once more."""
        clock, options = self._world.clock, self._options
        over_at = clock.now() + options.run_budget_seconds - (hold.turn.running_ms or 0) / 1000
        pause = options.poll_min_seconds
        while run is None or not (run.terminal or run.status == "requires_action"):
            if clock.now() >= over_at:
                await self._fail_ended(hold, "run_timeout", run)
                return False
            hold.check()
            if clock.now() >= deadline:
                _note(EventName.TURN_DETACHED, hold.turn)
                return False
            if run is not None:
                hint = run.poll_after_seconds
                await hold.sleep(min(hint or pause, max(deadline - clock.now(), 0)))
                pause = min(pause * BACKOFF, options.poll_max_seconds)
            try:
                run = await self._look(hold) or run or RunState(hold.turn.run_id, "unknown")
            except (NotFoundAtProvider, ThreadGone) as gone:
                await self._fail(hold, gone.code)
                return False
        return await self._ended(hold, run)

    async def _look(self, hold: Hold) -> RunState | None:
        """The run as the provider has it; None where the look failed. Raises NotFoundAtProvider, ThreadGone."""
        provider = self.provider(hold.agent.provider)
        if hold.turn.run_id is None:
            raise NotFoundAtProvider("a run without an id cannot be followed")
        try:
            return await hold.keep(provider.get_run(hold.thread or Thread(provider.name), hold.turn.run_id))
        except (NotFoundAtProvider, ThreadGone):
            raise
        except ProviderError:
            return None

    async def _ended(self, hold: Hold, run: RunState) -> bool:
        _note(EventName.RUN_ENDED, hold.turn, run_id=run.run_id, status=run.status, code=run.error_code)
        if run.status == "requires_action":
            await self._fail_ended(hold, "unknown_tool", run)
        elif run.status == "completed" and run.text.strip():
            await self._complete(hold, run)
        elif run.status == "completed":
            await self._fail(hold, "empty_reply", run)
        elif run.status == "failed" and run.error_code in PASSING_RUN_ERRORS and hold.turn.failures + 1 < MAX_FAILURES:
            step = Advance(to=TurnStatus.QUEUED, run=_record(hold, run), usage=run.usage, count_failure=True)
            await hold.advance(step)
            await hold.sleep(RETRY_SECONDS * 2**hold.turn.failures / 2)
            return True
        else:
            await self._fail(hold, f"run_{run.status}", run)
        return False

    async def _fail_ended(self, hold: Hold, code: str, run: RunState | None) -> None:
        """The turn fails with its run still open: end that, or leave its thread to it."""
        provider = self.provider(hold.agent.provider)
        if run is not None and run.status == "requires_action" and provider.outputs_start_run:
            # it has ended, and its thread takes no other run before it has the outputs
            await self._fail(hold, code, run, forget_thread=True)
            return
        ending = await end_run(hold, provider, self._world.clock, self._pace, CANCEL_WITHIN_SECONDS)
        await self._fail(hold, code, ending.run or run, forget_thread=ending.run is None)

    # --- the record ---------------------------------------------------------------------------------------------------

    async def _complete(self, hold: Hold, run: RunState) -> None:
        thread = None
        if hold.thread is not None and run.cursor is not None:
            thread = Thread(hold.thread.provider, hold.thread.thread_id, run.cursor)
        await hold.advance(
            Advance(
                to=TurnStatus.COMPLETED,
                run=_record(hold, run),
                reply=run.text,
                usage=run.usage,
                thread=thread,
            ),
            release=True,
        )
        _note(EventName.TURN_COMPLETED, hold.turn, waited_ms=hold.turn.waited_ms, conflicts=hold.turn.conflicts)

    async def _fail(self, hold: Hold, code: str, run: RunState | None = None, *, forget_thread: bool = False) -> None:
        error: dict[str, Any] = {"code": code, "message": SENTENCES.get(code, "The message could not be answered.")}
        record = None
        if run is not None:
            record = _record(hold, run)
            if run.error_code is not None:
                error["provider_code"] = run.error_code
            if run.text.strip():
                error["partial_text"] = run.text
        await hold.advance(
            Advance(
                to=TurnStatus.FAILED,
                error=error,
                run=record,
                usage=run.usage if run else None,
                forget_thread=forget_thread,
            ),
            release=True,
        )
        _note(EventName.TURN_FAILED, hold.turn, code=code)

    async def _stop(self, admission: Admission, hold: Hold) -> bool:
        """The turn was cancelled, displaced or has outlived its own deadline: end its run, then record what really came
        first. True where the run cannot be ended and so is followed further."""
        if hold.turn.status.final:
            return False
        displaced = hold.turn.superseded_by is not None
        patience = self._options.cancel_wait_seconds if displaced else CANCEL_WITHIN_SECONDS
        ending = await end_run(hold, self.provider(hold.agent.provider), self._world.clock, self._pace, patience)
        if ending.run is not None and ending.run.status == "completed" and ending.run.text.strip():
            await self._complete(hold, ending.run)
        elif not hold.turn.cancel_requested:
            await self._fail(hold, "turn_expired", ending.run)
        elif displaced and ending.never:
            await hold.advance(Advance(undisturbed=True))
            return True
        else:
            await self._cancel(admission, hold, ending)
        return False

    async def _cancel(self, admission: Admission, hold: Hold, ending: Ending) -> None:
        run = ending.run
        # a create whose answer is still owed, or a run that will not end, may write to the thread later
        stray = run is None and hold.turn.status is not TurnStatus.QUEUED
        if not stray and hold.turn.superseded_how is MultitaskStrategy.ROLLBACK:
            stray = not await self._erase(admission, hold)
        step = Advance(
            to=TurnStatus.CANCELLED,
            run=_record(hold, run) if run is not None else None,
            partial=ending.said or None,
            forget_thread=stray,
        )
        await hold.advance(step, release=True)
        _note(EventName.TURN_CANCELLED, hold.turn, superseded_by=hold.turn.superseded_by)

    async def _erase(self, admission: Admission, hold: Hold) -> bool:
        provider = self.provider(hold.agent.provider)
        if hold.thread is None or not provider.keeps_threads:
            return True
        try:
            return await hold.keep(provider.erase_turn(await admission.run_start()), stoppable=False)
        except ProviderError:
            return False


def _record(hold: Hold, run: RunState) -> RunRecord:
    return RunRecord(run.run_id, hold.agent.slug, run.status)


def rejected() -> Conflict:
    """What the sender of a message with strategy reject is told; nothing of it was kept."""
    return Conflict("Another message of this conversation is being answered.", code="run_in_progress", retryable=True)


def _note(name: EventName, turn: Turn, **fields: Any) -> None:
    ids = {"turn_id": turn.turn_id, "conversation_id": turn.conversation_id, "seq": turn.seq}
    log.info(name.value, extra={"event": ids | fields})
