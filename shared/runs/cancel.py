"""Ends a run that is ours: asks for its end, and waits until the provider says that it has come."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from shared.core.errors import NotCancellable, NotFoundAtProvider, ProviderError, RunsInForeground, ThreadGone
from shared.core.pace import CANCEL_GROWTH, Pace
from shared.core.runs import RunState, RunStatus
from shared.core.turns import TurnStatus
from shared.held_turn import HeldTurn
from shared.ports import Clock, Provider, TurnUpdate
from shared.runs.start import RunRequests

WORDS_SECONDS = 1.0  # for the words of a run that has ended and whose stream this holder has not heard until then
LEAST_SECONDS = 2.0  # for one request and one look, also where patience was used up before this holder came


@dataclass(frozen=True, slots=True)
class CancelResult:
    run: RunState | None  # as it ended, or waiting for outputs that only a next run takes; None: it does not end
    said: str = ""  # the most that was seen of its answer: a cancel clears it on some servers
    never: bool = False  # it runs in the foreground, where no cancel reaches it


async def end_run(
    hold: HeldTurn,
    provider: Provider,
    clock: Clock,
    pace: Pace,
    patience_seconds: float,
    *,
    run_id: str | None = None,
    in_foreground: bool = False,
) -> CancelResult:
    """Cancel a run, the one on record where none is named, and wait for its end, at most `patience_seconds`.

    `in_foreground`: also for the end of one that no cancel reaches. Raises Fenced, StoreUnavailable.
    """
    run_id = run_id or hold.turn.run_id
    if run_id is None:
        return CancelResult(None)
    effort = _Effort(hold, provider, clock, pace, run_id, in_foreground=in_foreground)
    try:
        async with asyncio.timeout(max(patience_seconds, LEAST_SECONDS)):
            return await effort.make(clock.now() + patience_seconds)
    except TimeoutError:
        return CancelResult(None, effort.said)
    finally:
        await effort.close()


class _Effort:
    """Asks for the end of one run and looks at it, again and again. `said` is the most that was seen of its answer."""

    def __init__(
        self, hold: HeldTurn, provider: Provider, clock: Clock, pace: Pace, run_id: str, *, in_foreground: bool
    ) -> None:
        heard = hold.heard_of(run_id)
        self.said, self._was_heard = heard or "", heard is not None
        self._looked = False
        self._in_foreground = in_foreground
        self._hold, self._provider, self._clock, self._pace = hold, provider, clock, pace
        self._thread, self._run_id = hold.thread_or_new(provider), run_id
        self._turn_id = hold.turn.turn_id
        self._listening: asyncio.Future[bool] | None = None

    async def make(self, give_up_at: float) -> CancelResult:
        """One that was not heard until now is heard meanwhile: some servers show its words only in its stream."""
        if not self._was_heard:
            self._listen()
        ending = await self._end(give_up_at)
        if ending.run is not None and not self._was_heard and self._listening is not None:
            await asyncio.wait({self._listening}, timeout=WORDS_SECONDS)
        return replace(ending, said=self.said)

    def _listen(self) -> None:
        """One stream tells both: the words, and that the run has ended."""
        if self._listening is None and self._provider.attachable:
            self._listening = asyncio.ensure_future(self._hear())

    async def _hear(self) -> bool:
        """Whether the stream has told the run's end, and did not only break off."""
        known = ""
        async with contextlib.aclosing(self._provider.listen(self._thread, self._run_id, self._turn_id)) as stream:
            async for one in stream:
                if isinstance(one, RunState):
                    return True
                known = known[: one.at].ljust(one.at) + one.text
                self.said = max(self.said, known, key=len)
        return False

    async def _end(self, give_up_at: float) -> CancelResult:
        hold, never = self._hold, False
        for pause in self._pace.pauses(CANCEL_GROWTH):
            try:
                state = await self._first_look()
                over = self._over(state)
                if not over and state.status != RunStatus.CANCELLING and not never:
                    await hold.keep(self._provider.cancel_run(self._thread, self._run_id), stoppable=False)
                    state = await self._look()
                if over or state.terminal:
                    return CancelResult(state, self.said)
            except NotCancellable as refusal:  # it has just ended, which the next look shows, or never can be
                never = isinstance(refusal, RunsInForeground)
            except (NotFoundAtProvider, ThreadGone):
                return CancelResult(None, self.said)
            except ProviderError:
                pass  # a look or a request that failed says nothing: the next one may not
            if (never and not self._in_foreground) or self._clock.now() >= give_up_at:
                return CancelResult(None, self.said, never)
            seconds = min(pause, max(give_up_at - self._clock.now(), 0))
            await hold.keep(self._until_heard(seconds), stoppable=False)
        raise AssertionError("the pauses have no end")

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    async def _until_heard(self, seconds: float) -> None:
        """Let so much time pass, or less where the run's stream tells its end: the next look shows it."""
        until = self._clock.now() + seconds
        self._listen()
        if self._listening is not None and not self._listening.done():
            await asyncio.wait({self._listening}, timeout=seconds)
            if self._listening.done() and self._listening.result():
                return
        await self._clock.sleep(max(until - self._clock.now(), 0))

    async def _first_look(self) -> RunState:
        """What it has said is known already where it was heard until now: then its end is asked for at once."""
        if self._was_heard and not self._looked:
            self._looked = True
            return RunState(self._run_id, RunStatus.IN_PROGRESS)
        return await self._look()

    async def _get(self) -> RunState:
        return await self._provider.get_run(self._thread, self._run_id, self._turn_id)

    async def _look(self) -> RunState:
        state = await self._hold.keep(self._get(), stoppable=False)
        self.said = max(self.said, state.text, key=len)
        return state

    def _over(self, state: RunState) -> bool:
        return state.terminal or (state.waits_for_outputs and self._provider.outputs_start_run)


async def cancel_repeat(
    hold: HeldTurn,
    provider: Provider,
    requests: RunRequests,
    clock: Clock,
    pace: Pace,
    patience_seconds: float,
    *,
    repeat: RunState,
    answered: RunState,
) -> str:
    """End `repeat` and take what it left out of the thread: the status it came to.

    A thread that cannot be cleared is given up. Raises Fenced, StoreUnavailable.
    """
    # the next holder has to find the answer too, instead of following what is being ended
    record = hold.record_of(repeat)
    await hold.advance(TurnUpdate(to=TurnStatus.STARTING, run=record))
    ended: RunState | None = repeat
    if not repeat.terminal:
        ending = await end_run(hold, provider, clock, pace, patience_seconds, run_id=repeat.run_id, in_foreground=True)
        ended = ending.run
    cleared = ended is not None and await _erased_behind(answered, hold, provider, requests)
    status = RunStatus.CANCELLING if ended is None else ended.status
    await hold.advance(TurnUpdate(run=replace(record, status=status), forget_thread=not cleared))
    return status


async def _erased_behind(answered: RunState, hold: HeldTurn, provider: Provider, requests: RunRequests) -> bool:
    """Whether nothing of this turn is left in the thread behind its answer."""
    if answered.cursor is None:
        return False
    start = await requests.run_start(hold)
    # with the turn's message the wire would look for the beginning of the turn, which is not to go
    text = None if start.steps or start.tool_outputs else start.text
    behind = replace(start, text=text, thread=replace(start.thread, cursor=answered.cursor))
    try:
        return await hold.keep(provider.erase_turn(behind), stoppable=False) is not None
    except ProviderError:
        return False
