"""An agent asked as a tool: its runs on a thread of its own, from the question to the words of its answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from shared.core.errors import ActiveRun, NotSent, OutcomeUnknown, ProviderError, ProviderRefused, RateLimited
from shared.core.handoff import Question
from shared.core.model import Agent
from shared.core.pace import CONFLICT_GROWTH, Pace, retry_pause
from shared.core.run_start import RunStart, safety_identifier
from shared.core.runs import RunState, RunStatus, Step, Thread, ToolCall, ToolOutput, ToolSpec, Usage, allowed_by
from shared.core.tool_messages import error_output, told_to_asker
from shared.core.turns import RunRecord
from shared.held_turn import AskedRun, HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider, Scratch
from shared.runs.follow import WORDS_LAG_SECONDS, RunLooks, with_words
from shared.runs.kept_images import keep_images
from shared.runs.submit import submit_outputs
from shared.runs.waits import PlainWaits

TRIES = 3  # threads made for one question whose run could not be started
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
        """`call` runs a function for the asked agent, who can neither ask other agents nor hand over. `key` is what
        the ledger knows the question by.

        `record` is told of every run that has ended, before anything comes of it; of one that an earlier holder has
        followed already, once more.
        """
        self._instance, self._hold, self._provider, self._agent = instance, hold, provider, agent
        self._pace, self._key, self._start, self._call, self._record = pace, key, start, call, record
        self._waits = PlainWaits(instance.clock)

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
            state = await keep_images(self._hold, self._instance, state, self._agent.slug, in_keep=True)
            await self._note(state)
            if not state.waits_for_outputs:
                break
            outputs = [
                ToolOutput(call.call_id, await self._call(call, _inner_key(state, call, steps)), allowed_by(call, ()))
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
                state = await submit_outputs(
                    self._provider, thread, state, self._hold.turn.turn_id, outputs, self._waits
                )
        if state.status == RunStatus.COMPLETED and (answer := told_to_asker(state)):
            return answer
        return error_output("agent_failed", f"The agent ended without an answer ({state.status}).")

    async def _resumed(self, scratch: Scratch | None) -> tuple[Thread, RunState] | None:
        """The run that is on record, where it can still be seen."""
        if scratch is None or scratch.run_id is None or scratch.thread.provider != self._provider.name:
            return None
        try:
            return scratch.thread, await self._provider.get_run(scratch.thread, scratch.run_id, self._hold.turn.turn_id)
        except ProviderError:
            return None

    async def _begun(self, question: Question, tools: tuple[ToolSpec, ...]) -> tuple[Thread, RunState]:
        """A run on a new thread. One whose start was lost is left alone: its thread serves nothing else."""
        for tries_left in range(TRIES - 1, -1, -1):
            sent_at = self._instance.clock.now()
            try:
                thread = await self._provider.create_thread(())
                await self._keep(thread, None)
                state = await self._start(self._provider, self._run_start(question, tools, thread, []))
                await self._keep(thread, state)
                return thread, state
            except (RateLimited, NotSent, OutcomeUnknown) as error:
                if tries_left == 0:
                    raise
                await self._instance.clock.sleep(self._pause_after(error, sent_at))
        raise AssertionError("unreachable")

    async def _started(self, start: RunStart, *, lost: bool) -> RunState:
        """The run that outputs lead to. `lost`: there may be one already, and it is looked for before another.

        Its thread serves nothing else, so an active run there is that run; a second one would never be followed.
        """
        tries, pauses = TRIES, self._pace.pauses(CONFLICT_GROWTH)
        while True:
            if lost and (found := await self._found(start)) is not None:
                return found
            sent_at = self._instance.clock.now()
            try:
                return await self._start(self._provider, replace(start, repeated=lost))
            except ActiveRun:
                seconds = next(pauses)
            except (RateLimited, NotSent, OutcomeUnknown) as error:
                seconds, tries = self._pause_after(error, sent_at), tries - 1
                if tries == 0:
                    raise
            except ProviderRefused:
                if lost and (found := await self._found(start)) is not None:  # it has ended since the look before
                    return found
                raise
            lost = True
            await self._instance.clock.sleep(seconds)

    def _pause_after(self, error: ProviderError, sent_at: float) -> float:
        if not isinstance(error, RateLimited):
            return retry_pause(error)
        key = self._provider.name, self._agent.model
        return self._instance.limits.refused(key, sent_at, error.retry_after)

    async def _found(self, start: RunStart) -> RunState | None:
        try:
            return await self._provider.find_run(start)
        except ProviderError:
            return None

    async def _end_open(self) -> None:
        """A run given up is asked to end. One that cannot be reached is left to the deletion of its thread."""
        if (given_up := self._hold.drop_asked(self._key)) is not None:
            with contextlib.suppress(ProviderError):
                await given_up.provider.cancel_run(given_up.thread, str(given_up.record.run_id))

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
            safety_identifier=safety_identifier(self._hold.turn.user_id),
            after_calls=bool(steps),
            known_run_ids=tuple(step.run_id for step in steps if step.run_id is not None),
        )

    async def _ended(self, thread: Thread, state: RunState) -> RunState:
        """The run once it has ended or waits for outputs. Bounded by the budget of the question."""
        self._note_open(thread, state)
        clock = self._instance.clock
        looks = RunLooks(self._provider, thread, state.run_id, self._hold.turn.turn_id, self._waits, clock, self._pace)
        while not state.settled and state.run_id is not None:
            await looks.pause()
            state = await looks.look() or state
        if state.status == RunStatus.COMPLETED:
            words_by = clock.now() + WORDS_LAG_SECONDS
            state = await with_words(looks, state, lambda seen: seen.text, clock, words_by)
        self._note_open(thread, state)
        return state

    def _note_open(self, thread: Thread, state: RunState) -> None:
        """Know of a run that would go on, or wait for outputs, without us."""
        over = state.terminal or (state.waits_for_outputs and self._provider.outputs_start_run)
        if over or state.run_id is None:
            self._hold.drop_asked(self._key)
        else:
            self._hold.add_asked(self._key, AskedRun(self._provider, thread, self._record_of(state, state.status)))

    def _record_of(self, state: RunState, status: str) -> RunRecord:
        asked, by = self._agent, self._hold.agent.slug
        return RunRecord(
            state.run_id,
            asked.slug,
            status,
            asked_by=by,
            version=asked.version,
            model=asked.model,
            images=state.kept_images,
        )

    async def _note(self, state: RunState) -> None:
        if state.waits_for_outputs and not self._provider.outputs_start_run:
            return  # the same run goes on, and counts once
        status = RunStatus.COMPLETED if state.waits_for_outputs else state.status
        await self._record(self._record_of(state, status), state.usage)

    async def _keep(self, thread: Thread, state: RunState | None) -> None:
        """Put thread and run on record: for the next holder to go on with, and for the thread's deletion one day."""
        if thread.thread_id is not None:
            scratch = Scratch(thread, None if state is None else state.run_id)
            await self._instance.store.keep_scratch(self._hold.lease, self._hold.turn.turn_id, self._key, scratch)


def _inner_key(state: RunState, call: ToolCall, steps: Sequence[Step]) -> str:
    return f"{state.run_id}/{key_of(call, [step for step in steps if step.run_id == state.run_id])}"
