"""Serves the head of one queue: admission, following the run, and what its end means for the turn."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from shared.actions.required_actions import NextStep, RequiredActions
from shared.actions.tool_calls import OutOfTime
from shared.core.chat_events import EventName
from shared.core.conflict.commands import Admit, Refuse
from shared.core.conflict.events import Intent, Submitted, TurnCame
from shared.core.conflict.protocol import Rules
from shared.core.error_codes import ErrorCode
from shared.core.errors import Conflict, Fenced, ProviderError
from shared.core.handoff import TurnLimits
from shared.core.runs import RunState, RunStatus, Thread
from shared.core.turns import Claim, MultitaskStrategy, Turn, TurnStatus
from shared.fenced_writes import Stopped
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import HeadRun, LeftRun, Lessee, Peek, Provider
from shared.runs.follow import Verdict, follow
from shared.runs.kept_images import keep_images
from shared.runs.left_run import end_left_run
from shared.runs.lookup import answer_left_in_thread
from shared.runs.start import RunRequests
from shared.tools.registry import Registry
from shared.turn import outcome
from shared.turn.admission import Admission
from shared.turn.claim import peek_at
from shared.turn.fallback import fall_back
from shared.turn.measured_run import measured_run
from shared.turn.run_end import RunEnd
from shared.turn.serving_options import ServingOptions
from shared.turn.stop import TurnStop
from shared.turn.wait_budget import WaitBudget


class TurnServer:
    """Serves turns for the requests of one process, each under a lease in the name of `lessee`."""

    def __init__(
        self,
        instance: Instance,
        providers: Mapping[str, Provider],
        registry: Registry,
        options: ServingOptions,
        lessee: Lessee,
    ) -> None:
        self._instance, self._providers, self._registry = instance, providers, registry
        self._options, self._lessee, self._pace = options, lessee, options.pace
        limits = TurnLimits(
            options.max_handoffs, options.max_tool_calls, options.run_budget_seconds, options.approval_seconds
        )
        self._actions = RequiredActions(instance, self.provider, registry, limits, self._pace)
        self._run_end = RunEnd(instance, self.provider, self._requests_for, self._pace)
        self._stop = TurnStop(instance, self.provider, self._pace, options.cancel_wait_seconds)

    def provider(self, name: str | None) -> Provider:
        return self._providers[name or self._options.default_provider]

    async def end_left_run(self, run: LeftRun, until: float) -> bool:
        """Whether the run of a turn that is gone has ended by then. Raises nothing."""
        provider = self.provider(None if run.thread is None else run.thread.provider)
        return await end_left_run(provider, run, self._instance.clock, self._pace, until)

    async def ask_for_end(self, run: HeadRun) -> None:
        """Ask the provider for the end of another holder's run: a request, whose outcome that holder hears."""
        provider = self.provider(None if run.thread is None else run.thread.provider)
        with contextlib.suppress(ProviderError):
            await provider.cancel_run(run.thread or Thread(provider.name), run.run_id)

    async def peek(self, turn: Turn) -> Peek:
        """How the turn stands, by a look that the requests of this process share."""
        return await peek_at(self._instance, turn, self._pace.min_seconds)

    async def serve(self, turn: Turn, claim: Claim | None, budget: WaitBudget) -> Turn | None:
        """Bring the turn as far as it gets by the deadline. Returns the final turn if it ended here, else None.

        Raises Conflict (strategy reject, and the turn is taken back), OutOfTime, Fenced, StoreUnavailable.
        """
        admission = Admission(
            self._instance,
            self.provider,
            self._requests_for,
            self._rules(turn, budget),
            self._lessee,
            turn,
            serve_other=lambda other: self._serve_other(other, budget),
        )
        try:
            await self._serve(admission, claim, budget.deadline)
        except Fenced:
            if admission.hold is not None:
                admission.hold.log(EventName.TURN_FENCED)
                await self._stop.leave(admission.hold)
            raise
        except OutOfTime:
            if admission.hold is not None:
                admission.hold.log(EventName.TURN_DETACHED)
            raise
        finally:
            if admission.hold is not None:
                await admission.hold.release()
                self._instance.notify(turn.conversation)
        return admission.hold.turn if admission.hold is not None and admission.hold.turn.status.final else None

    async def _serve(self, admission: Admission, claim: Claim | None, deadline: float) -> None:
        event: Submitted | TurnCame = Submitted()
        while True:
            try:
                if claim is not None:
                    event, claim = admission.take_over(claim), None
                await self._bring(admission, event, deadline)
                return
            except Stopped:
                claim = None
                if admission.hold is None or not await self._stop.stop(admission.hold, admission.requests):
                    return
                admission.forget_run()
                event = TurnCame(Intent.STARTED)

    async def _serve_other(self, claim: Claim, budget: WaitBudget) -> None:
        """Serve another turn that is the head of the queue and that no instance serves."""
        await self.serve(claim.turn, claim, replace(budget, may_withdraw=False))

    def _requests_for(self, provider: Provider) -> RunRequests:
        return RunRequests(self._instance.store, provider, self._registry, self._options.carry)

    def _rules(self, turn: Turn, budget: WaitBudget) -> Rules:
        accepted = turn.strategy is MultitaskStrategy.REJECT and not budget.may_withdraw
        return Rules(
            strategy=MultitaskStrategy.ENQUEUE if accepted else turn.strategy,
            deadline=budget.deadline,
            pace=self._pace,
            settle_seconds=self._options.settle_seconds,
            start_margin_seconds=budget.start_margin_seconds,
            max_failures=outcome.MAX_FAILURES,
            cancel_wait_seconds=self._options.cancel_wait_seconds,
        )

    async def _bring(self, admission: Admission, event: Submitted | TurnCame, deadline: float) -> None:
        """Admission and run, again while a run fails for a passing reason."""
        while True:
            decision = await admission.run_to_end(event)
            hold = admission.hold
            if hold is None:
                return
            if isinstance(decision, Refuse):
                if not await fall_back(hold, self.provider, decision.reason):
                    await self._refuse(hold, decision.reason)
                    return
            elif not isinstance(decision, Admit) or not await self._follow(hold, admission.run, deadline):
                return
            event = TurnCame(Intent.NONE, failures=hold.turn.failures)

    async def _refuse(self, hold: HeldTurn, reason: ErrorCode) -> None:
        if reason is ErrorCode.RUN_IN_PROGRESS:
            await self._instance.store.withdraw_turn(hold.lease, hold.turn.turn_id)
            hold.log(EventName.TURN_WITHDRAWN)
            raise rejected()
        await outcome.fail(hold, reason, forget_thread=hold.contents_refused)

    async def _follow(self, hold: HeldTurn, run: RunState | None, deadline: float) -> bool:
        """Follow the turn's run and see to what came of it; True where another run of the turn is to be started."""
        provider = self.provider(hold.agent.provider)
        step = hold.steps[-1] if hold.steps else None
        over = step is not None and (provider.outputs_start_run or step.waited)
        if hold.turn.status is TurnStatus.REQUIRES_ACTION and over and step is not None:
            # it has ended, and what it asked for is on record: some servers show it no more. One that waited for a
            # person was to be ended, which its holder may not have lived to do
            await self._stop.leave_waiting(hold)
            ended = RunState(step.run_id, RunStatus.REQUIRES_ACTION, text=step.text, tool_calls=step.calls)
            return await self._ended(hold, ended, deadline)
        with self._instance.logs.fed(hold.turn), measured_run(hold, provider, self._instance.clock) as measured:
            followed = await follow(
                hold,
                provider,
                self._instance,
                self._pace,
                run,
                deadline=deadline,
                run_budget_seconds=self._options.run_budget_seconds,
            )
            measured.tell(followed)
        match followed.verdict, followed.run:
            case (Verdict.ENDED, RunState() as ended):
                return await self._ended(hold, ended, deadline)
            case (Verdict.TIMED_OUT, last):
                return await self._fail_with_open_run(hold, ErrorCode.RUN_TIMEOUT, last, deadline)
            case (Verdict.STUCK, last):
                ending = await self._stop.end(hold)
                if ending.run is not None and ending.run.status in (RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION):
                    return await self._ended(hold, ending.run, deadline)
                return await outcome.retry_or_fail(
                    hold, ErrorCode.RUN_TIMEOUT, ending.run or last, pause_seconds=0.0, forget_thread=ending.run is None
                )
            case (Verdict.THREAD_GONE, last):
                return await outcome.retry_or_fail(
                    hold, ErrorCode.THREAD_GONE, last, pause_seconds=0.0, forget_thread=True
                )
            case (Verdict.GONE, last):
                left = await answer_left_in_thread(hold, provider, self._requests_for(provider))
                if left is not None:
                    return await self._ended(hold, left, deadline)
                if provider.outputs_start_run and not provider.attachable:
                    # in the foreground some servers show a run only by what it leaves
                    return await self._follow(hold, None, deadline)
                # not started again: a server that cannot be asked for a run may be working on it all the same
                await outcome.fail(hold, ErrorCode.RUN_NOT_FOUND, last)
            case _:
                hold.log(EventName.TURN_DETACHED)
        return False

    async def _ended(self, hold: HeldTurn, run: RunState, deadline: float) -> bool:
        hold.log(EventName.RUN_ENDED, run_id=run.run_id, status=run.status, code=run.error_code)
        self._actions.note_end(hold, run)
        run = await keep_images(hold, self._instance, run, hold.agent.slug)
        provider = self.provider(hold.agent.provider)
        if run.waits_for_outputs or hold.has_handed_over(provider):
            return await self._act(hold, run, deadline)
        if run.status == RunStatus.COMPLETED:
            await self._run_end.completed(hold, provider, run, deadline)
            return False
        return await self._run_end.failed(hold, provider, run, deadline)

    async def _fail_with_open_run(self, hold: HeldTurn, code: ErrorCode, run: RunState | None, deadline: float) -> bool:
        """The turn fails with its run still open, unless its run comes first."""
        answered = await self._stop.fail_with_open_run(hold, code, run)
        return answered is not None and await self._ended(hold, answered, deadline)

    async def _act(self, hold: HeldTurn, run: RunState, deadline: float) -> bool:
        """Do what the run asks for; True where another run of the turn is to be started."""
        if run.waits_for_outputs:
            result = await self._actions.act(hold, run, deadline)
        else:
            result = await self._actions.after_run(hold, run)
        match result.next:
            case NextStep.START:
                return True
            case NextStep.FOLLOW:
                return await self._follow(hold, result.run, deadline)
            case NextStep.STOP:
                return await self._fail_with_open_run(hold, result.code, run, deadline)
            case NextStep.WAIT:
                await self._stop.leave_waiting(hold)
                return False


def rejected() -> Conflict:
    """What the sender of a message with strategy reject is told; nothing of it was kept."""
    return Conflict(code=ErrorCode.RUN_IN_PROGRESS, retryable=True)
