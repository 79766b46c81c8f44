"""Does what a run asks for: runs functions, asks agents, moves the turn on to another agent.

Every call goes through the ledger: begun before it runs and finished with its output, so that a call is not run twice
where a holder dies in the middle. What was begun and never finished is run again only if it is idempotent; of any other
the model is told that its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.asking import Asking, key_of
from shared.core import handoff as deciding
from shared.core.errors import NotFound, NotSent, OutcomeUnknown, ProviderError, RateLimited
from shared.core.events import EventName, HandoffMade, ToolAnswered, ToolCalled
from shared.core.handoff import TRANSFER, Limits, Plan, Question, Stop, error_output
from shared.core.model import Agent, RunRecord, RunState, Step, ToolCall, ToolOutput, TurnStatus, Usage
from shared.ending import Pace
from shared.lease import Hold, World
from shared.outcomes import note, thread_after
from shared.ports import Advance, Provider
from shared.starting import start_run
from shared.tools.registry import Registry, Tool, ToolContext, specs

log = logging.getLogger("multi_agent_chat")

SUBMIT_TRIES = 4  # of one submission whose outcome is not known or that came too soon
RETRY_SECONDS = 1.0


class Next(StrEnum):
    START = "start"  # the intent to start the turn's next run is committed
    FOLLOW = "follow"  # the same run goes on
    STOP = "stop"  # the turn ends here, for `code`
    LATER = "later"  # what is to be done now does not fit into this request


@dataclass(frozen=True, slots=True)
class Acted:
    next: Next
    run: RunState | None = None
    code: str = ""


class OutOfTime(Exception):  # not an error: the next holder takes it up
    """A call that must not be interrupted would outlast the request."""


class Acting:
    def __init__(
        self,
        world: World,
        providers: Callable[[str | None], Provider],
        registry: Registry,
        limits: Limits,
        pace: Pace,
    ) -> None:
        self._world, self._providers, self._registry = world, providers, registry
        self._limits, self._pace = limits, pace

    async def act(self, hold: Hold, run: RunState, deadline: float) -> Acted:
        """For a run that waits for the outputs of its calls. Raises Stopped, Fenced, StoreUnavailable."""
        provider = self._providers(hold.agent.provider)
        planned, step = self._planned(hold, run)
        if isinstance(planned, Stop):
            return Acted(Next.STOP, code=planned.code)
        target: Agent | None = None
        if planned.handoff is not None:
            target = await self._find(hold, planned.handoff.to_agent)
            if target is None:  # its row went since the turn was claimed: the model is told so
                hold.agent = _without(hold.agent, planned.handoff.to_agent)
                return await self.act(hold, run, deadline)
        if step is None:
            step = await self._record(hold, provider, run, planned)
        elif hold.turn.status is TurnStatus.RUNNING:
            # it was given its outputs and shows the same calls: it is late to take note of them, or asks for ever
            hold.asked_again += len(run.tool_calls)
            if hold.asked_again > self._limits.tool_calls:
                return Acted(Next.STOP, code="tool_limit")
            await hold.sleep(self._pace.min_seconds)
        hold.check()
        try:
            outputs = await hold.keep(self._perform(hold, step, planned, deadline))
        except OutOfTime:
            return Acted(Next.LATER)
        hold.steps = (*hold.steps[:-1], replace(step, outputs=outputs))
        if provider.outputs_start_run:
            return await self._move_on(hold, Advance(), target)
        return await self._submit(hold, provider, run, outputs)

    def hands_over(self, hold: Hold) -> bool:
        """Whether the run under way has handed over, on a wire where it goes on after that: its end is awaited."""
        if not hold.steps or self._providers(hold.agent.provider).outputs_start_run:
            return False
        return hold.steps[-1].handoff is not None and hold.steps[-1].run_id == hold.turn.run_id

    async def after_run(self, hold: Hold, run: RunState) -> Acted:
        """The run that has handed over is over, however it ended: the next agent's may start."""
        words = hold.steps[-1].text
        record = RunRecord(run.run_id, hold.agent.slug, run.status, text=words if words.strip() else None)
        target = await self._find(hold, hold.steps[-1].handoff.to_agent) if hold.steps[-1].handoff else None
        return await self._move_on(hold, Advance(run=record, usage=run.usage), target)

    def _planned(self, hold: Hold, run: RunState) -> tuple[Plan | Stop, Step | None]:
        """What is to be done, and the step on record where an earlier holder has put it there."""
        last = hold.steps[-1] if hold.steps else None
        known = last if last is not None and (last.run_id, last.calls) == (run.run_id, run.tool_calls) else None
        before = hold.steps[:-1] if known else hold.steps
        goes_on = not self._providers(hold.agent.provider).outputs_start_run
        if goes_on and before and before[-1].handoff is not None and before[-1].run_id == run.run_id:
            left = self._limits.tool_calls - sum(len(step.calls) for step in hold.steps)
            return (deciding.after_handoff(run.tool_calls) if left > 0 else Stop("tool_limit")), known
        planned = deciding.plan(
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

    async def _find(self, hold: Hold, slug: str) -> Agent | None:
        try:
            return await self._world.store.get_agent(hold.turn.user_id, slug)
        except NotFound:
            return None

    async def _record(self, hold: Hold, provider: Provider, run: RunState, planned: Plan) -> Step:
        """Put on record what the run asks for, before any of it is done."""
        ended = provider.outputs_start_run
        pending = hold.steps[-1].handoff if self.hands_over(hold) else None
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
        record = RunRecord(run.run_id, hold.agent.slug, "completed" if ended else run.status, text=words)
        await hold.advance(
            Advance(
                to=TurnStatus.REQUIRES_ACTION,
                run=record,
                usage=run.usage if ended else None,
                thread=thread_after(hold, run) if provider.keeps_threads else None,
                step=step,
            )
        )
        hold.steps = (*hold.steps, step)
        return step

    async def _perform(self, hold: Hold, step: Step, planned: Plan, deadline: float) -> tuple[ToolOutput, ...]:
        """All outputs, in the order of the calls. Functions run one after the other, agents are asked side by side."""
        given = {answer.call_id: answer.output for answer in (*planned.answers, *step.outputs)}
        tools = self._registry.of(hold.agent)
        for call in step.calls:
            if not call.name.startswith(TRANSFER):
                self._world.tell(hold.turn, ToolCalled(call.call_id, call.name, call.arguments, hold.agent.slug))

        async def functions() -> None:
            for call in planned.functions:
                if call.call_id not in given:
                    given[call.call_id] = await self._run(
                        hold, call, key_of(call, hold.steps[:-1]), tools[call.name], deadline
                    )

        async def question(one: Question) -> None:
            if one.call.call_id not in given:
                given[one.call.call_id] = await self._ask(hold, one, key_of(one.call, hold.steps[:-1]), deadline)

        await _together(functions(), *(question(one) for one in planned.questions))
        for call in step.calls:
            if not call.name.startswith(TRANSFER):
                output = given[call.call_id]
                failed = deciding.is_error(output)
                self._world.tell(hold.turn, ToolAnswered(call.call_id, call.name, output, failed))
        return tuple(ToolOutput(call.call_id, given[call.call_id]) for call in step.calls)

    async def _run(self, hold: Hold, call: ToolCall, key: str, tool: Tool, deadline: float) -> str:
        """One function through the ledger, where the call is known as `key`."""
        if not tool.idempotent and self._world.clock.now() + tool.timeout_seconds > deadline:
            raise OutOfTime
        store, turn = self._world.store, hold.turn
        ticket = await store.begin_tool_call(hold.lease, turn.turn_id, key, call.name, str(uuid.uuid4()))
        if ticket.output is not None:
            return ticket.output
        if ticket.outcome == "in_doubt" and not tool.idempotent:
            output = error_output("outcome_unknown", "The call was interrupted; whether it had an effect is unknown.")
        else:
            context = ToolContext(turn.user_id, turn.conversation_id, turn.turn_id, key, store)
            output = await tool.run(context, call.arguments)
        return await store.finish_tool_call(hold.lease, turn.turn_id, key, output)

    async def _ask(self, hold: Hold, question: Question, key: str, deadline: float) -> str:
        """One agent through the ledger. Asking again is harmless, and goes on with a run that is under way."""
        store, turn, call = self._world.store, hold.turn, question.call
        ticket = await store.begin_tool_call(hold.lease, turn.turn_id, key, call.name, str(uuid.uuid4()))
        if ticket.output is not None:
            return ticket.output
        agent = await self._find(hold, question.agent)
        if agent is None:
            output = error_output("unknown_agent", "There is no such agent any more.")
        else:
            tools = self._registry.of(agent)

            async def run(inner: ToolCall, inner_key: str) -> str:
                if inner.name not in tools:
                    return deciding.refusal(inner, "unknown_tool", "There is no such tool.").output
                return await self._run(hold, inner, f"{key}/{inner_key}", tools[inner.name], deadline)

            async def record(ended: RunRecord, usage: Usage) -> None:
                known = ended.run_id is not None and any(one.run_id == ended.run_id for one in hold.turn.runs)
                if not known:
                    await hold.advance(Advance(asked=(ended,), usage=usage))

            provider = self._providers(agent.provider)
            asking = Asking(
                self._world, hold, provider, agent, self._pace, key, start=start_run, call=run, record=record
            )
            output = await asking.ask(question, tuple(specs(tools)), ticket.scratch, self._limits.budget_seconds)
        return await store.finish_tool_call(hold.lease, turn.turn_id, key, output)

    async def _submit(self, hold: Hold, provider: Provider, run: RunState, outputs: tuple[ToolOutput, ...]) -> Acted:
        """Give the run its outputs. Where it is not known whether they arrived, the run itself tells."""
        if hold.thread is None or run.run_id is None:
            return Acted(Next.STOP, code="run_not_found")
        stream = self._world.watched(hold.turn)
        submit = functools.partial(
            provider.submit_tool_outputs, hold.thread, run.run_id, outputs, stream=stream, said=run.text
        )
        state: RunState | None = None
        for _ in range(SUBMIT_TRIES):
            try:
                state = await hold.keep(submit())
                break
            except ProviderError as error:
                if isinstance(error, RateLimited | NotSent | OutcomeUnknown):
                    await hold.sleep(RETRY_SECONDS if error.retry_after is None else error.retry_after)
            try:
                now = await hold.keep(provider.get_run(hold.thread, run.run_id))
            except ProviderError:
                continue
            if (now.status, now.tool_calls) != (run.status, run.tool_calls):
                state = now
                break
        if state is None:
            return Acted(Next.STOP, code="provider_unavailable")
        record = RunRecord(run.run_id, hold.agent.slug, state.status)
        await hold.advance(Advance(to=TurnStatus.RUNNING, run=record))
        return Acted(Next.FOLLOW, run=state)

    async def _move_on(self, hold: Hold, step: Advance, target: Agent | None) -> Acted:
        """Commit the intent to start the turn's next run: of the same agent, or of `target`, to whom it handed over."""
        steps = hold.steps
        if (made := steps[-1].handoff) is not None:
            if target is None:
                return Acted(Next.STOP, code="unknown_agent")
            first = next(at for at, one in enumerate(steps) if one.handoff == made and one.run_id == steps[-1].run_id)
            said = deciding.said_since_handoff(hold.agent.slug, steps[:first], steps[first].run_id, steps[first].text)
            step = replace(step, handoff=made, said=said)
        await hold.advance(replace(step, to=TurnStatus.STARTING))
        hold.fresh = True
        if made is not None and target is not None:
            hold.agent = target
            if hold.thread is not None and hold.thread.provider != self._providers(target.provider).name:
                hold.thread = None
            note(EventName.HANDOFF_MADE, hold.turn, from_agent=made.from_agent, to_agent=made.to_agent)
            self._world.tell(hold.turn, HandoffMade(made.from_agent, made.to_agent, made.reason, made.task))
        return Acted(Next.START)


def _without(agent: Agent, slug: str) -> Agent:
    return replace(agent, peers=tuple(peer for peer in agent.peers if peer.slug != slug))


async def _together(*works: Awaitable[None]) -> None:
    """All at once; where one fails the others are ended before its error goes on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
