"""Sees to what a run asks for: has its calls done, gives their outputs back, moves the turn on to another agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.actions.agent_as_tool import key_of
from shared.actions.tool_calls import ToolCalls
from shared.core import handoff
from shared.core.chat_events import EventName, HandoffMade, MessageSteered, PersonAsked
from shared.core.error_codes import ErrorCode
from shared.core.errors import ProviderError
from shared.core.handoff import Plan, Stop, TurnLimits
from shared.core.model import Agent
from shared.core.pace import Pace
from shared.core.person_calls import PersonCall, PersonCallKind
from shared.core.runs import RunState, RunStatus, Step, ToolCall, ToolOutput
from shared.core.turns import TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider, TurnUpdate
from shared.runs.submit import submit_outputs
from shared.telemetry import spans
from shared.tools.registry import Registry


class NextStep(StrEnum):
    START = "start"  # the intent to start the turn's next run is committed
    FOLLOW = "follow"  # the same run goes on
    STOP = "stop"  # the turn ends here, for `code`
    WAIT = "wait"  # it waits for the user, which is on record


@dataclass(frozen=True, slots=True)
class ActionResult:
    next: NextStep
    run: RunState | None = None
    code: ErrorCode = ErrorCode.INTERNAL_ERROR


class RequiredActions:
    """What the runs of this process ask for, one run at a time for each held turn."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        registry: Registry,
        limits: TurnLimits,
        pace: Pace,
    ) -> None:
        self._instance, self._providers, self._registry = instance, providers, registry
        self._limits, self._pace = limits, pace
        self._tool_calls = ToolCalls(instance, providers, registry, pace, limits.budget_seconds)

    async def act(self, hold: HeldTurn, run: RunState, deadline: float) -> ActionResult:
        """For a run that waits for the outputs of its calls. Raises OutOfTime, Stopped, Fenced, StoreUnavailable."""
        provider = self._providers(hold.agent.provider)
        planned, step = self._planned(hold, run)
        if isinstance(planned, Stop):
            return ActionResult(NextStep.STOP, code=planned.code)
        target: Agent | None = None
        if planned.handoff is not None:
            target = await self._tool_calls.find(hold, planned.handoff.to_agent)
            if target is None:  # its row was deleted since the turn was claimed: the model is told so
                hold.drop_peer(planned.handoff.to_agent)
                return await self.act(hold, run, deadline)
        if step is None:
            step = await self._record(hold, provider, run, planned)
        elif hold.turn.status is TurnStatus.RUNNING:
            # it was given its outputs and shows the same calls: it is late to take note of them, or asks for ever
            if hold.count_repeated_calls(len(run.tool_calls)) > self._limits.tool_calls:
                return ActionResult(NextStep.STOP, code=ErrorCode.TOOL_LIMIT)
            await hold.sleep(self._pace.min_seconds)
        hold.check()
        approved = tuple(call for call, _ in planned.person if call.call_id in step.approved)
        planned = replace(planned, functions=(*planned.functions, *approved))
        outputs = await hold.keep(self._tool_calls.perform(hold, step, planned, deadline))
        given = {output.call_id for output in outputs}
        if waiting := [(call, kind) for call, kind in planned.person if call.call_id not in given]:
            return await self._wait_for_user(hold, waiting)
        hold.give_outputs(outputs)
        if provider.outputs_start_run or (step.waited and hold.turn.status is TurnStatus.REQUIRES_ACTION):
            return await self._move_on(hold, TurnUpdate(), target)
        return await self._submit(hold, provider, run, outputs)

    async def _wait_for_user(self, hold: HeldTurn, waiting: Sequence[tuple[ToolCall, PersonCallKind]]) -> ActionResult:
        """Put these calls before the user: from now on nothing is held for the turn."""
        before = hold.steps[:-1]
        calls = tuple(PersonCall(key_of(call, before), kind, call.name, call.arguments) for call, kind in waiting)
        update = TurnUpdate(to=TurnStatus.WAITING, person=calls, person_seconds=self._limits.person_seconds)
        for call in (await hold.advance(update)).calls:
            self._instance.tell(hold.turn, PersonAsked(call))
        hold.log(EventName.TURN_WAITING, calls=len(calls))
        self._instance.announce(hold.turn.conversation)
        return ActionResult(NextStep.WAIT)

    def note_end(self, hold: HeldTurn, run: RunState) -> None:
        """The run is over: tell what came of the calls that the provider has made in it."""
        self._tool_calls.tell_server_outputs(hold, run)

    async def after_run(self, hold: HeldTurn, run: RunState) -> ActionResult:
        """The run that has handed over is over, however it ended: the next agent's may start."""
        words = hold.steps[-1].text
        record = hold.record_of(run, text=words if words.strip() else None)
        target = await self._tool_calls.find(hold, hold.steps[-1].handoff.to_agent) if hold.steps[-1].handoff else None
        return await self._move_on(hold, TurnUpdate(run=record, usage=run.usage), target)

    def _planned(self, hold: HeldTurn, run: RunState) -> tuple[Plan | Stop, Step | None]:
        """What is to be done, and the step on record where an earlier holder has put it there."""
        last = hold.steps[-1] if hold.steps else None
        known = last if last is not None and (last.run_id, last.calls) == (run.run_id, run.tool_calls) else None
        before = hold.steps[:-1] if known else hold.steps
        goes_on = not self._providers(hold.agent.provider).outputs_start_run
        if goes_on and before and before[-1].handoff is not None and before[-1].run_id == run.run_id:
            left = self._limits.tool_calls - sum(len(step.calls) for step in hold.steps)
            return (handoff.after_handoff(run.tool_calls) if left > 0 else Stop(ErrorCode.TOOL_LIMIT)), known
        planned = handoff.plan(
            hold.agent,
            run.tool_calls,
            run.text,
            steps=before,
            handoffs=hold.turn.handoffs,
            functions=self._registry.of(hold.agent),
            limits=self._limits,
            working_seconds=(hold.turn.working_ms or 0) / 1000,
        )
        return planned, known

    async def _record(self, hold: HeldTurn, provider: Provider, run: RunState, planned: Plan) -> Step:
        """Put on record what the run asks for, before any of it is done."""
        ended = provider.outputs_start_run
        pending = hold.steps[-1].handoff if hold.has_handed_over(provider) else None
        step = Step(
            run_id=run.run_id,
            agent=hold.agent.slug,
            text=hold.steps[-1].text if pending else run.text,
            calls=run.tool_calls,
            outputs=planned.answers,
            thread_id=None if hold.thread is None else hold.thread.thread_id,
            handoff=pending or planned.handoff,
        )
        words = run.text if run.text.strip() else None
        record = hold.record_of(run, RunStatus.COMPLETED if ended else run.status, words)
        await hold.advance(
            TurnUpdate(
                to=TurnStatus.REQUIRES_ACTION,
                run=record,
                usage=run.usage if ended else None,
                thread=hold.thread_after(run) if provider.keeps_threads else None,
                step=step,
                proven_choice=hold.proven_choice,
            )
        )
        hold.add_step(step)
        return step

    async def _submit(
        self, hold: HeldTurn, provider: Provider, run: RunState, outputs: tuple[ToolOutput, ...]
    ) -> ActionResult:
        """Give the run its outputs, and follow it further."""
        if hold.thread is None or run.run_id is None:
            return ActionResult(NextStep.STOP, code=ErrorCode.RUN_NOT_FOUND)
        try:
            state = await submit_outputs(provider, hold.thread, run, hold.turn.turn_id, outputs, hold, stream=True)
        except ProviderError:
            return ActionResult(NextStep.STOP, code=ErrorCode.PROVIDER_UNAVAILABLE)
        record = hold.record_of(run, state.status)
        await hold.advance(TurnUpdate(to=TurnStatus.RUNNING, run=record))
        return ActionResult(NextStep.FOLLOW, run=state)

    async def _move_on(self, hold: HeldTurn, update: TurnUpdate, target: Agent | None) -> ActionResult:
        """Commit the intent to start the turn's next run: of the same agent, or of `target`, to whom it handed over."""
        steps, agent, steered = hold.steps, hold.agent.slug, hold.turn.steered
        last = len(steps) - 1
        if (made := steps[-1].handoff) is not None:
            if target is None:
                return ActionResult(NextStep.STOP, code=ErrorCode.UNKNOWN_AGENT)
            last = next(at for at, one in enumerate(steps) if one.handoff == made and one.run_id == steps[-1].run_id)
        before = steps[hold.turn.last_steered : last]
        said = handoff.said_since_handoff(agent, before, steps[last].run_id, steps[last].text)
        with spans.span("next_run" if made is None else f"handoff {made.to_agent}", gen_ai__agent__name=agent):
            await hold.intend_next_run(replace(update, handoff=made, said=said))
        if made is not None and target is not None:
            hold.hand_over_to(target, self._providers)
            hold.log(EventName.HANDOFF_MADE, from_agent=made.from_agent, to_agent=made.to_agent)
            self._instance.tell(hold.turn, HandoffMade(made.from_agent, made.to_agent, made.reason, made.task))
        for one in hold.turn.steered[len(steered) :]:
            hold.log(EventName.TURN_STEERED, steered=one.turn_id)
            self._instance.tell(hold.turn, MessageSteered(one.turn_id, hold.turn.turn_id, one.text))
        return ActionResult(NextStep.START)
