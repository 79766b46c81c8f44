"""An agent asked as a tool: its runs on a thread of its own, from the question to the words of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.core.errors import NotFoundAtProvider, NotSent, OutcomeUnknown, ProviderError, RateLimited
from shared.core.handoff import Question, error_output
from shared.core.model import Agent, RunRecord, RunStart, RunState, Step, Thread, ToolCall, ToolOutput, ToolSpec, Usage
from shared.ending import Pace
from shared.following import GONE_SECONDS, GROWTH
from shared.lease import Hold, World
from shared.ports import Provider, Scratch

TRIES = 3  # threads made for one question whose run could not be started
RETRY_SECONDS = 1.0
MAX_RUNS = 8  # of one asked agent: each of them but the last has called tools

RunCall = Callable[[ToolCall], Awaitable[str]]
StartRun = Callable[[Provider, RunStart], Awaitable[RunState]]


@dataclass(slots=True)
class Asked:
    """What came of one question."""

    output: str = ""
    runs: list[RunRecord] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


class Asking:
    """One question to one agent, on behalf of the turn that `hold` serves."""

    def __init__(
        self, world: World, hold: Hold, provider: Provider, agent: Agent, pace: Pace, start: StartRun, call: RunCall
    ) -> None:
        """`call` runs a function for the asked agent; nobody else is asked and nothing handed over from here."""
        self._world, self._hold, self._provider, self._agent = world, hold, provider, agent
        self._pace, self._start, self._call = pace, start, call
        self._asked = Asked()

    async def ask(
        self, question: Question, tools: tuple[ToolSpec, ...], scratch: Scratch | None, budget_seconds: float
    ) -> Asked:
        """Its answer, or a typed error for the model. Raises Fenced, StoreUnavailable."""
        try:
            async with asyncio.timeout(budget_seconds):
                self._asked.output = await self._converse(question, tools, scratch)
        except TimeoutError:
            self._asked.output = error_output("agent_timeout", "The agent did not answer in time.")
        except ProviderError as error:
            self._asked.output = error_output("agent_failed", f"The agent could not be asked ({error.code}).")
        return self._asked

    async def _converse(self, question: Question, tools: tuple[ToolSpec, ...], scratch: Scratch | None) -> str:
        begun = await self._resumed(scratch) or await self._begun(question, tools)
        thread, state = begun
        steps: list[Step] = []
        for _ in range(MAX_RUNS):
            state = await self._ended(thread, state)
            self._note(state, question)
            if state.status != "requires_action":
                break
            outputs = [ToolOutput(call.call_id, await self._call(call)) for call in state.tool_calls]
            steps.append(Step(state.run_id, self._agent.slug, state.text, state.tool_calls, tuple(outputs)))
            if self._provider.outputs_start_run:
                state = await self._start(self._provider, self._run_start(question, tools, thread, steps))
                await self._keep(question, thread, state)
            else:
                state = await self._provider.submit_tool_outputs(thread, str(state.run_id), outputs)
        if state.status == "completed" and state.text.strip():
            return state.text
        return error_output("agent_failed", f"The agent ended without an answer ({state.status}).")

    async def _resumed(self, scratch: Scratch | None) -> tuple[Thread, RunState] | None:
        """The run that an earlier holder of the turn has started, where it can still be seen."""
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
                await self._keep(question, thread, None)
                state = await self._start(self._provider, self._run_start(question, tools, thread, []))
                await self._keep(question, thread, state)
                return thread, state
            except (RateLimited, NotSent, OutcomeUnknown) as error:
                if tries_left == 0:
                    raise
                await self._world.clock.sleep(RETRY_SECONDS if error.retry_after is None else error.retry_after)
        raise AssertionError("unreachable")

    def _run_start(
        self, question: Question, tools: tuple[ToolSpec, ...], thread: Thread, steps: list[Step]
    ) -> RunStart:
        told = bool(steps) and self._provider.keeps_threads
        return RunStart(
            turn_id=self._hold.turn.turn_id,
            run_key=f"{self._hold.turn.run_key}.{question.call.call_id}",
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
        clock, pause = self._world.clock, self._pace.min_seconds
        seen_at = clock.now()
        run_id = state.run_id
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
        return state

    def _note(self, state: RunState, question: Question) -> None:
        waits = state.status == "requires_action"
        if waits and not self._provider.outputs_start_run:
            return  # the same run goes on, and counts once
        status = "completed" if waits else state.status
        self._asked.runs.append(RunRecord(state.run_id, self._agent.slug, status, asked_by=self._hold.agent.slug))
        self._asked.usage += state.usage

    async def _keep(self, question: Question, thread: Thread, state: RunState | None) -> None:
        """Put thread and run on record: for the next holder to go on with, and for the thread's deletion one day."""
        if thread.thread_id is not None:
            scratch = Scratch(thread, None if state is None else state.run_id)
            call_id = question.call.call_id
            await self._world.store.keep_scratch(self._hold.lease, self._hold.turn.turn_id, call_id, scratch)
