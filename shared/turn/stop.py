"""Brings a turn to its end where its run does not: cancelled, displaced, too old, or failed with a run still open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, NotFound, ProviderError
from shared.core.pace import Pace
from shared.core.runs import RunState, RunStatus, Thread
from shared.core.turns import Displacement, RunRecord, Turn, TurnStatus
from shared.held_turn import AskedRun, HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider, TurnUpdate
from shared.runs.cancel import CancelResult, end_run
from shared.runs.kept_images import keep_images
from shared.runs.start import RunRequests
from shared.turn import outcome

CANCEL_WITHIN_SECONDS = 5.0  # what a holder waits for the end of a run of its own accord
CANCELLED_WITHIN_SECONDS = 8.0  # of the request to cancel, also where the holder changes meanwhile: ten are promised
ASKED_SECONDS = 2.0  # for the request to end a run that was asked as a tool


class TurnStop:
    """Ends turns. `patience_seconds`: how long a displaced run may take to end before it loses its thread."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        pace: Pace,
        patience_seconds: float,
    ) -> None:
        self._instance, self._providers = instance, providers
        self._pace, self._patience_seconds = pace, patience_seconds

    async def end(self, hold: HeldTurn, patience_seconds: float = CANCEL_WITHIN_SECONDS) -> CancelResult:
        """Ask for the end of the turn's run and wait for it."""
        if hold.turn.status is TurnStatus.WAITING and hold.steps and self._provider(hold).outputs_start_run:
            step = hold.steps[-1]  # it has ended long ago, and may not be shown any more
            ended = RunState(step.run_id, RunStatus.REQUIRES_ACTION, text=step.text, tool_calls=step.calls)
            return CancelResult(ended)
        ending = await end_run(hold, self._provider(hold), self._instance.clock, self._pace, patience_seconds)
        if ending.run is None:
            return ending
        return replace(ending, run=await keep_images(hold, self._instance, ending.run, hold.agent.slug))

    async def fail_with_open_run(self, hold: HeldTurn, code: ErrorCode, run: RunState | None) -> RunState | None:
        """The turn fails with its run still open: end that run, or leave its thread to it.

        Returns the run where it came first with an answer: then nothing was recorded. Raises Fenced, StoreUnavailable.
        """
        if run is not None and self._ended_with_calls(hold, run):
            await outcome.fail(hold, code, replace(run, status=RunStatus.COMPLETED))
            return None
        ending = await self.end(hold)
        if self._has_answered(hold, ending):
            return ending.run
        await outcome.fail(hold, code, ending.run or run, forget_thread=ending.run is None)
        return None

    async def stop(self, hold: HeldTurn, requests: RunRequests) -> bool:
        """Bring a turn to its end that was cancelled, displaced or has outlived its own deadline.

        Its run is ended first, and an answer that came before that stands. True where the run cannot be ended and so
        is followed further. Raises Fenced, StoreUnavailable.
        """
        if hold.turn.status.final:
            await self.leave(hold)
            return False
        await self._end_asked(hold)
        displaced = hold.turn.superseded_by is not None
        ending = await self.end(hold, self._patience(hold.turn))
        # a create whose answer is still owed, or a run that will not end, may write to the thread later
        stray = ending.run is None and hold.turn.status is not TurnStatus.QUEUED and not hold.fresh
        answered = self._has_answered(hold, ending)
        if ending.run is not None and self._ended_with_calls(hold, ending.run):
            ending = replace(ending, run=replace(ending.run, status=RunStatus.COMPLETED))
        reply = "" if ending.run is None else outcome.said(hold, ending.run)
        if ending.run is not None and answered and (reply.strip() or outcome.has_images(hold, ending.run)):
            await outcome.complete(hold, ending.run, reply, in_thread=self._provider(hold).keeps_threads)
        elif not hold.turn.cancel_requested:
            await outcome.fail(hold, ErrorCode.TURN_EXPIRED, ending.run, forget_thread=stray)
        elif displaced and ending.never:
            await hold.advance(TurnUpdate(undisturbed=True))
            return True
        else:
            # joined messages stand in the thread as one: the others are asked again without it
            again = not displaced and len(hold.turn.joined) > 1
            thread = None
            if not stray and hold.thread is not None and (again or hold.turn.superseded_how is Displacement.ROLLBACK):
                thread = await self._erased(hold, requests)
                stray = thread is None
            await outcome.cancel(hold, ending, thread=thread, forget_thread=stray)
        return False

    async def leave_waiting(self, hold: HeldTurn) -> None:
        """The turn waits for a person: a run that waits with it would expire, so it is ended, or loses its thread.

        The turn goes on with another run, which is told of the calls and what came of them. Raises Fenced,
        StoreUnavailable.
        """
        if not self._provider(hold).outputs_start_run and (await self.end(hold)).run is None:
            await hold.advance(TurnUpdate(forget_thread=True))

    async def leave(self, hold: HeldTurn) -> None:
        """Ask for the end of the run of a turn that was deleted, or replaced by another one. Raises nothing.

        Its thread was given up with it, so nothing waits for that end: it only saves what the run would cost.
        """
        turn, provider = hold.turn, self._provider(hold)
        if turn.run_id is None:
            return
        with suppress(ChatError, TimeoutError):
            async with asyncio.timeout(ASKED_SECONDS):
                if await self._is_left(turn):
                    await provider.cancel_run(hold.thread_or_new(provider), turn.run_id)

    async def _is_left(self, turn: Turn) -> bool:
        """Whether no holder will see to its run any more."""
        if not turn.status.final:
            try:
                turn = (await self._instance.store.get_turn(turn.user_id, turn.turn_id)).turn
            except NotFound:
                return True
        return turn.status is TurnStatus.CANCELLED and turn.superseded_how is Displacement.EDIT

    async def _end_asked(self, hold: HeldTurn) -> None:
        """Ask for the end of runs of asked agents. One that an earlier holder has asked goes with its thread."""
        if asked := hold.drop_all_asked():
            ended = await hold.keep(_all(_cancelled(run) for run in asked), stoppable=False)
            await hold.advance(TurnUpdate(asked=tuple(ended)))

    def _patience(self, turn: Turn) -> float:
        """Seconds left for the run's end, counted from the request on: an earlier holder may have used some of them."""
        if turn.cancelling_ms is None:
            return CANCEL_WITHIN_SECONDS
        within = CANCELLED_WITHIN_SECONDS if turn.superseded_by is None else self._patience_seconds
        return within - turn.cancelling_ms / 1000

    async def _erased(self, hold: HeldTurn, requests: RunRequests) -> Thread | None:
        """The thread without the turn; None where it may still hold something of it.

        What was put back before it goes with a turn that is rolled back: the next create puts it back again.
        """
        provider = self._provider(hold)
        if not provider.keeps_threads:
            return hold.thread
        # its calls tell where a turn of several runs stands that the last item known is part of
        told = await requests.run_start(hold)
        whole = replace(told, text=hold.turn.whole_text, steps=hold.steps, steered=hold.turn.steered)
        rolled_back = hold.turn.superseded_how is Displacement.ROLLBACK
        try:
            erasing = provider.erase_turn(replace(whole, displaced=hold.displaced if rolled_back else ()))
            return await hold.keep(erasing, stoppable=False)
        except ProviderError:
            return None

    def _has_answered(self, hold: HeldTurn, ending: CancelResult) -> bool:
        """Whether the run has ended with what the turn is to answer."""
        return (
            ending.run is not None
            and ending.run.status == RunStatus.COMPLETED
            and not hold.has_handed_over(self._provider(hold))
        )

    def _ended_with_calls(self, hold: HeldTurn, run: RunState) -> bool:
        """Whether it is over with calls that only a next run would answer; whose create posts outputs for them."""
        return run.waits_for_outputs and self._provider(hold).outputs_start_run

    def _provider(self, hold: HeldTurn) -> Provider:
        return self._providers(hold.agent.provider)


async def _cancelled(run: AskedRun) -> RunRecord:
    """The run's record after the request to end it, whether that was heard or not."""
    status = RunStatus.CANCELLING
    with suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(ASKED_SECONDS):
            status = (await run.provider.cancel_run(run.thread, str(run.record.run_id))).status
    return replace(run.record, status=status)


async def _all(works: Iterable[Awaitable[RunRecord]]) -> list[RunRecord]:
    return await asyncio.gather(*works)
