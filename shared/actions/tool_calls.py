"""Does the calls of one run: functions and questions to other agents, each through the ledger.

A call is begun on record before it runs and finished with its output, so that it is not run twice where a holder dies
in the middle. What was begun and never finished is run again only if it is idempotent; of any other the model is told
that its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from shared.actions.agent_as_tool import AgentAsTool, key_of
from shared.core import tool_messages
from shared.core.chat_events import ToolAnswered, ToolCalled
from shared.core.errors import NotFound
from shared.core.handoff import Plan, Question
from shared.core.model import Agent
from shared.core.pace import Pace
from shared.core.person_calls import PersonCallKind
from shared.core.runs import RunState, RunStatus, Step, ToolCall, ToolOutput, Usage, allowed_by
from shared.core.tool_messages import TRANSFER, error_output
from shared.core.turns import RunRecord
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Clock, Provider, TurnUpdate
from shared.runs.start import start_run
from shared.telemetry import spans
from shared.tools.registry import Registry, Tool, ToolContext, specs

ANSWERED = frozenset({RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION})  # of a run whose calls of servers are over


class OutOfTime(Exception):  # not an error: the next holder takes it up
    """A call that must not be interrupted would outlast the request."""


class ToolCalls:
    """`budget_seconds` bounds every question."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        registry: Registry,
        pace: Pace,
        budget_seconds: float,
    ) -> None:
        self._instance, self._providers, self._registry = instance, providers, registry
        self._pace, self._budget_seconds = pace, budget_seconds

    async def find(self, hold: HeldTurn, slug: str) -> Agent | None:
        """An agent that the turn's user may address, as it goes to work."""
        try:
            return await self._instance.store.get_agent(hold.turn.user_id, slug)
        except NotFound:
            return None

    async def perform(self, hold: HeldTurn, step: Step, planned: Plan, deadline: float) -> tuple[ToolOutput, ...]:
        """The outputs that there are, in the order of the calls: all but those that wait for the user.

        Raises OutOfTime, Fenced, StoreUnavailable. Functions run one after the other, agents are asked side by side.
        """
        given = {answer.call_id: answer.output for answer in (*planned.answers, *step.outputs)}
        tools = self._registry.of(hold.agent)
        keys = {call.call_id: key_of(call, hold.steps[:-1]) for call in step.calls}
        kinds = {call.call_id: kind for call, kind in planned.person}
        for call in step.calls:
            if not call.name.startswith(TRANSFER):
                key, kind = keys[call.call_id], kinds.get(call.call_id)
                self._instance.tell(hold.turn, ToolCalled(key, call.name, call.arguments, hold.agent.slug, kind))

        async def functions() -> None:
            for call in planned.functions:
                if call.call_id in given:
                    continue
                key = keys[call.call_id]
                if call.server is not None:
                    given[call.call_id] = await self._note_allowed(hold, call, key)
                else:
                    given[call.call_id] = await self._run(hold, call, key, tools[call.name], deadline)

        async def question(one: Question) -> None:
            if one.call.call_id not in given:
                given[one.call.call_id] = await self._ask(hold, one, keys[one.call.call_id], deadline)

        await _together(functions(), *(question(one) for one in planned.questions))
        done = [call for call in step.calls if call.call_id in given]
        for call in done:
            if not (call.name.startswith(TRANSFER) or (call.server is not None and call.call_id in step.approved)):
                output = given[call.call_id]
                failed = tool_messages.is_error(output)
                approved = True if call.call_id in step.approved else None
                if kinds.get(call.call_id) is PersonCallKind.APPROVAL and tool_messages.is_denied(output):
                    approved = approved or False
                self._instance.tell(hold.turn, ToolAnswered(keys[call.call_id], call.name, output, failed, approved))
        return tuple(ToolOutput(call.call_id, given[call.call_id], allowed_by(call, step.approved)) for call in done)

    def tell_server_outputs(self, hold: HeldTurn, run: RunState) -> None:
        """What came of the calls that the provider was let make itself, once the run that made them is over."""
        step = hold.steps[-1] if hold.steps else None
        if step is None or step.run_id == run.run_id or run.status not in ANSWERED:
            return
        outputs = {given.call_id: given.output for given in run.server_outputs}
        for call in step.calls:
            if call.server is not None and call.call_id in step.approved:
                output = outputs.get(call.call_id, tool_messages.ALLOWED)
                key, failed = key_of(call, hold.steps[:-1]), tool_messages.is_error(output)
                self._instance.tell(hold.turn, ToolAnswered(key, call.name, output, failed, approved=True))

    async def _note_allowed(self, hold: HeldTurn, call: ToolCall, key: str) -> str:
        """A call that the provider makes itself: what is done about it here is the word that the next create brings."""
        store, turn_id = self._instance.store, hold.turn.turn_id
        ticket = await store.begin_tool_call(hold.lease, turn_id, key, call.name, str(uuid.uuid4()))
        if ticket.output is not None:
            return ticket.output
        return await store.finish_tool_call(hold.lease, turn_id, key, tool_messages.ALLOWED)

    async def _run(self, hold: HeldTurn, call: ToolCall, key: str, tool: Tool, deadline: float) -> str:
        """One function through the ledger, where the call is known as `key`."""
        if not tool.idempotent and self._ends_after(deadline, tool):
            raise OutOfTime
        store, turn = self._instance.store, hold.turn
        ticket = await store.begin_tool_call(hold.lease, turn.turn_id, key, call.name, str(uuid.uuid4()))
        if ticket.output is not None:
            return ticket.output
        if ticket.outcome == "in_doubt" and not tool.idempotent:
            output = tool_messages.OUTCOME_UNKNOWN
        else:
            context = ToolContext(turn.user_id, turn.conversation_id, turn.turn_id, key, store)
            with measured_tool(call, self._instance.clock) as measured:
                output = measured.answered(await tool.run(context, call.arguments))
        return await store.finish_tool_call(hold.lease, turn.turn_id, key, output)

    def _ends_after(self, deadline: float, tool: Tool) -> bool:
        return self._instance.clock.now() + tool.timeout_seconds > self._instance.shutdown.bound(deadline)

    async def _ask(self, hold: HeldTurn, question: Question, key: str, deadline: float) -> str:
        """One agent through the ledger. Asking again is harmless, and goes on with a run that is under way."""
        store, turn, call = self._instance.store, hold.turn, question.call
        ticket = await store.begin_tool_call(hold.lease, turn.turn_id, key, call.name, str(uuid.uuid4()))
        if ticket.output is not None:
            return ticket.output
        agent = await self.find(hold, question.agent)
        if agent is None:
            output = error_output("unknown_agent", "There is no such agent any more.")
        else:
            # the user sees nothing of what an asked agent calls, and so cannot allow it
            tools = {name: one for name, one in self._registry.of(agent).items() if name not in agent.approvals}

            async def run(inner: ToolCall, inner_key: str) -> str:
                if inner.name not in tools:
                    return tool_messages.refused_call(inner, "unknown_tool", "There is no such tool.").output
                return await self._run(hold, inner, f"{key}/{inner_key}", tools[inner.name], deadline)

            async def record(ended: RunRecord, usage: Usage) -> None:
                known = ended.run_id is not None and any(one.run_id == ended.run_id for one in hold.turn.runs)
                if not known:
                    await hold.advance(TurnUpdate(asked=(ended,), usage=usage))

            provider = self._providers(agent.provider)
            asking = AgentAsTool(
                self._instance, hold, provider, agent, self._pace, key, start=start_run, call=run, record=record
            )
            output = await asking.ask(question, tuple(specs(tools)), ticket.scratch, self._budget_seconds)
        return await store.finish_tool_call(hold.lease, turn.turn_id, key, output)


class _MeasuredTool:
    def __init__(self, span: spans.Span) -> None:
        self.failed: str | None = None
        self._span = span

    def answered(self, output: str) -> str:
        """The output as it is; of one that is an error only that it is one is told."""
        if tool_messages.is_error(output):
            self.failed = "tool_error"
            self._span.fail(self.failed)
        return output


@contextmanager
def measured_tool(call: ToolCall, clock: Clock) -> Iterator[_MeasuredTool]:
    """A function of ours, whose name is one of the registry's."""
    began = clock.now()
    facts = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": call.name}
    with spans.span(f"execute_tool {call.name}", **facts, gen_ai__tool__call__id=call.call_id) as span:
        measured = _MeasuredTool(span)
        yield measured
        spans.record("gen_ai.execute_tool.duration", clock.now() - began, error__type=measured.failed, **facts)


async def _together(*works: Awaitable[None]) -> None:
    """All at once; where one fails the others are ended before its error goes on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
