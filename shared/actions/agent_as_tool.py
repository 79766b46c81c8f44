"""An agent asked as a tool: its runs on a thread of its own, from the question to the words of its answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from shared.core.errors import (
    ActiveRun,
    NotFoundAtProvider,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    RateLimited,
)
from shared.core.handoff import Question
from shared.core.model import Agent
from shared.core.pace import Pace
from shared.core.runs import RunState, Step, Thread, ToolCall, ToolOutput, ToolSpec, Usage
from shared.core.tool_messages import error_output
from shared.core.turns import RunRecord, RunStart
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider, Scratch
from shared.runs.follow import GONE_SECONDS, GROWTH

TRIES = 3  # threads made for one question whose run could not be started
RETRY_SECONDS = 1.0
MAX_RUNS = 8  # of one asked agent: each of them but the last has called tools

RunCall = Callable[[ToolCall, str], Awaitable[str]]
"""(call, what tells it from the others of this question) -> output"""
StartRun = Callable[[Provider, RunStart], Awaitable[RunState]]
RecordRun = Callable[[RunRecord, Usage], Awaitable[None]]


def key_of(call: ToolCall, before: Sequence[Step]) -> str:
    """What tells a call from those of the steps before: some servers count the calls of every run from one."""
    times = sum(call.call_id in {other.call_id for other in step.calls} for step in before)
    return f"{call.call_id}#{times + 1}" if times else call.call_id


class AgentAsTool:
    """One question to one agent, on behalf of the turn that `hold` serves."""

    def __init__(
        self,
        instance: Instance,
        hold: HeldTurn,
        provider: Provider,
        agent: Agent,
        pace: Pace,
        key: str,
        *,
        start: StartRun,
        call: RunCall,
        record: RecordRun,
    ) -> None:
        """`call` runs a function for the asked agent; nobody else is asked and nothing handed over from here. `key` is
        what the ledger knows the question by.

        `record` is told of every run that has ended, before anything comes of it; of one that a holder before this
        one has followed already, once more.
        """
        self._instance, self._hold, self._provider, self._agent = instance, hold, provider, agent
        self._pace, self._key, self._start, self._call, self._record = pace, key, start, call, record

    async def ask(
        self, question: Question, tools: tuple[ToolSpec, ...], scratch: Scratch | None, budget_seconds: float
    ) -> str:
        """Its answer, or a typed error for the model. Raises Fenced, StoreUnavailable."""
        try:
            async with asyncio.timeout(budget_seconds):
                output = await self._converse(question, tools, scratch)
        except TimeoutError:
            output = error_output("agent_timeout", "The agent did not answer in time.")
        except ProviderError as error:
            output = error_output("agent_failed", f"The agent could not be asked ({error.code}).")
        await self._end_open()
        return output

    async def _converse(self, question: Question, tools: tuple[ToolSpec, ...], scratch: Scratch | None) -> str:
        resumed = await self._resumed(scratch)
        thread, state = resumed or await self._begun(question, tools)
        steps: list[Step] = []
        for _ in range(MAX_RUNS):
            state = await self._ended(thread, state)
            await self._note(state)
            if state.status != "requires_action":
                break
            outputs = [
                ToolOutput(call.call_id, await self._call(call, _inner_key(state, call, steps)))
                for call in state.tool_calls
            ]
            steps.append(Step(state.run_id, self._agent.slug, state.text, state.tool_calls, tuple(outputs)))
            if self._provider.outputs_start_run:
                # the first of them may have been started by the holder before this one, who died with its answer
                lost = resumed is not None and len(steps) == 1
                state = await self._started(self._run_start(question, tools, thread, steps), lost=lost)
                self._note_open(thread, state)
                if state.run_id is not None:  # else the one before it leads to it again
                    await self._keep(thread, state)
            else:
                state = await self._submitted(thread, state, outputs)
        if state.status == "completed" and state.text.strip():
            return state.text
        return error_output("agent_failed", f"The agent ended without an answer ({state.status}).")

    async def _resumed(self, scratch: Scratch | None) -> tuple[Thread, RunState] | None:
        """The run that is on record, where it can still be seen."""
        if scratch is None or scratch.run_id is None or scratch.thread.provider != self._provider.name:
            return None
        try:
            return scratch.thread, await self._provider.get_run(scratch.thread, scratch.run_id)
        except ProviderError:
            return None

    async def _begun(self, question: Question, tools: tuple[ToolSpec, ...]) -> tuple[Thread, RunState]:
        """A run on a new thread. One whose start was lost is left alone: nobody else is on its thread."""
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                thread = await self._provider.create_thread(())
                await self._keep(thread, None)
                state = await self._start(self._provider, self._run_start(question, tools, thread, []))
                await self._keep(thread, state)
                return thread, state
            except (RateLimited, NotSent, OutcomeUnknown) as error:
                if tries_left == 0:
                    raise
                await self._pause(error)
        raise AssertionError("unreachable")

    async def _started(self, start: RunStart, *, lost: bool) -> RunState:
        """The run that outputs lead to. `lost`: there may be one already, and it is looked for before another.

        Nobody else is on the thread, so what holds it is that run; one too many would be followed by nobody.
        """
        tries, pause = TRIES, self._pace.min_seconds
        while True:
            if lost and (found := await self._found(start)) is not None:
                return found
            try:
                return await self._start(self._provider, replace(start, repeated=lost))
            except ActiveRun:
                seconds, pause = pause, min(pause * GROWTH, self._pace.max_seconds)
            except (RateLimited, NotSent, OutcomeUnknown) as error:
                seconds, tries = RETRY_SECONDS if error.retry_after is None else error.retry_after, tries - 1
                if tries == 0:
                    raise
            except ProviderRefused:
                if lost and (found := await self._found(start)) is not None:  # it has ended since the look before
                    return found
                raise
            lost = True
            await self._instance.clock.sleep(seconds)

    async def _found(self, start: RunStart) -> RunState | None:
        try:
            return await self._provider.find_run(start)
        except ProviderError:
            return None

    async def _submitted(self, thread: Thread, state: RunState, outputs: list[ToolOutput]) -> RunState:
        """The run with its outputs. Where it is not known whether they arrived, the run itself tells."""
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                return await self._provider.submit_tool_outputs(thread, str(state.run_id), outputs)
            except ProviderError as error:
                now = await self._resumed(Scratch(thread, state.run_id))
                if now is not None and (now[1].status, now[1].tool_calls) != (state.status, state.tool_calls):
                    return now[1]
                if tries_left == 0:
                    raise
                await self._pause(error)
        raise AssertionError("unreachable")

    async def _pause(self, error: ProviderError) -> None:
        await self._instance.clock.sleep(RETRY_SECONDS if error.retry_after is None else error.retry_after)

    async def _end_open(self) -> None:
        """A run given up is asked to end. One that cannot be reached is left to the deletion of its thread."""
        if (given_up := self._hold.asking.pop(self._key, None)) is not None:
            provider, thread, run = given_up
            with contextlib.suppress(ProviderError):
                await provider.cancel_run(thread, str(run.run_id))

    def _run_start(
        self, question: Question, tools: tuple[ToolSpec, ...], thread: Thread, steps: list[Step]
    ) -> RunStart:
        told = bool(steps) and self._provider.keeps_threads
        return RunStart(
            turn_id=self._hold.turn.turn_id,
            run_key=f"{self._hold.turn.run_key}.{self._key}",
            agent=self._agent,
            thread=thread,
            text=None if told else question.text,
            tools=tools,
            tool_outputs=steps[-1].outputs if told else (),
            steps=() if told else tuple(steps),
            known_run_ids=tuple(step.run_id for step in steps if step.run_id is not None),
        )

    async def _ended(self, thread: Thread, state: RunState) -> RunState:
        """The run once it has ended or waits for outputs. Bounded by the caller's patience."""
        clock, pause = self._instance.clock, self._pace.min_seconds
        seen_at = clock.now()
        run_id = state.run_id
        self._note_open(thread, state)
        while not (state.terminal or state.status == "requires_action") and run_id is not None:
            await clock.sleep(state.poll_after_seconds or pause)
            pause = min(pause * GROWTH, self._pace.max_seconds)
            try:
                state = await self._provider.get_run(thread, run_id)
                seen_at = clock.now()
            except NotFoundAtProvider:
                if clock.now() >= seen_at + GONE_SECONDS:
                    raise
            except ProviderError:
                pass  # a look that failed says nothing of the run
        self._note_open(thread, state)
        return state

    def _note_open(self, thread: Thread, state: RunState) -> None:
        """Know of a run that would go on, or wait for outputs, without us."""
        over = state.terminal or (state.status == "requires_action" and self._provider.outputs_start_run)
        if over or state.run_id is None:
            self._hold.asking.pop(self._key, None)
        else:
            run = RunRecord(state.run_id, self._agent.slug, state.status, asked_by=self._hold.agent.slug)
            self._hold.asking[self._key] = (self._provider, thread, run)

    async def _note(self, state: RunState) -> None:
        waits = state.status == "requires_action"
        if waits and not self._provider.outputs_start_run:
            return  # the same run goes on, and counts once
        status = "completed" if waits else state.status
        await self._record(
            RunRecord(state.run_id, self._agent.slug, status, asked_by=self._hold.agent.slug), state.usage
        )

    async def _keep(self, thread: Thread, state: RunState | None) -> None:
        """Put thread and run on record: for the next holder to go on with, and for the thread's deletion one day."""
        if thread.thread_id is not None:
            scratch = Scratch(thread, None if state is None else state.run_id)
            await self._instance.store.keep_scratch(self._hold.lease, self._hold.turn.turn_id, self._key, scratch)


def _inner_key(state: RunState, call: ToolCall, steps: Sequence[Step]) -> str:
    return f"{state.run_id}/{key_of(call, [step for step in steps if step.run_id == state.run_id])}"
