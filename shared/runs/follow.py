"""Follows a run of ours until it ends, or until there is a reason to stop following."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from shared.core.chat_events import RunStarted
from shared.core.errors import NeverShown, NotFoundAtProvider, ProviderError, ThreadGone
from shared.core.pace import Pace
from shared.core.runs import RunState, RunStatus, Thread
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Clock, Provider, TurnUpdate
from shared.runs.waits import Waits

GONE_SECONDS = 3.0  # a run that was seen before may be unknown for a moment where reads lag
UNSEEN_SECONDS = 15.0  # one that was just made has been seen to be unknown for longer than that
# A response in the background was seen to stay `queued` for ever. Doubled with every failure of the turn, because a
# busy server may really take that long.
STUCK_SECONDS = 20.0
BELIEVED = (RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION)  # of a stream; any other end is asked for once more
MOST_STREAMS = 5  # of one run that are listened to: a run whose streams break so often is looked at instead
WORDS_LAG_SECONDS = 5.0  # how long a completed run is looked at that shows no words


class Verdict(StrEnum):
    ENDED = "ended"  # terminal, or waiting for outputs of tools
    DETACHED = "detached"  # the caller's deadline came first
    TIMED_OUT = "timed_out"  # the run's own budget is used up
    STUCK = "stuck"  # still queued at the provider, for too long
    GONE = "gone"  # the provider no longer knows the run
    THREAD_GONE = "thread_gone"


@dataclass(frozen=True, slots=True)
class Followed:
    verdict: Verdict
    run: RunState | None


class RunLooks:
    """Looks at one run, with a pause before every look that grows as an answer's does."""

    def __init__(
        self,
        provider: Provider,
        thread: Thread,
        run_id: str | None,
        turn_id: str,
        waits: Waits,
        clock: Clock,
        pace: Pace,
    ) -> None:
        """`turn_id`: of the turn that the run answers."""
        self._provider, self._thread, self._run_id, self._turn_id = provider, thread, run_id, turn_id
        self._waits, self._clock, self._pace = waits, clock, pace
        self._begun_at = self._seen_at = clock.now()
        self._seen = False

    async def pause(self, most_seconds: float = math.inf) -> None:
        """Wait until the next look is due."""
        seconds = self._pace.answer_pause(self._clock.now() - self._begun_at)
        await self._waits.sleep(min(seconds, max(most_seconds, 0)))

    async def look(self) -> RunState | None:
        """The run as it is now; None where the look has failed, which says nothing of the run.

        Raises ThreadGone, and NotFoundAtProvider where the run has been unknown for longer than a list may lag.
        """
        try:
            run = await self._get()
        except NotFoundAtProvider as unknown:
            lags = GONE_SECONDS if self._seen or isinstance(unknown, NeverShown) else UNSEEN_SECONDS
            if self._clock.now() >= self._seen_at + lags:
                raise
            return None
        except ThreadGone:
            raise
        except ProviderError:
            return None
        self._seen_at, self._seen = self._clock.now(), True
        return run

    async def _get(self) -> RunState:
        if self._run_id is None:
            raise NeverShown("a run without an id cannot be followed")
        run = await self._waits.keep(self._provider.get_run(self._thread, self._run_id, self._turn_id))
        if run.turn_id not in (None, self._turn_id):  # some servers give an id twice
            raise NotFoundAtProvider("The run of this id is of another turn.")
        return run


async def with_words(
    looks: RunLooks, run: RunState, said: Callable[[RunState], str], clock: Clock, words_by: float
) -> RunState:
    """A completed run with its words, by `words_by`: lists of messages were seen to lag behind the end of their run."""
    while not (said(run).strip() or run.images or run.kept_images or run.unshown) and clock.now() < words_by:
        await looks.pause(words_by - clock.now())
        try:
            seen = await looks.look()
        except (NotFoundAtProvider, ThreadGone):
            break
        run = seen if seen is not None and seen.status == RunStatus.COMPLETED else run
    return run


async def follow(
    hold: HeldTurn,
    provider: Provider,
    instance: Instance,
    pace: Pace,
    run: RunState | None,
    *,
    deadline: float,
    run_budget_seconds: float,
) -> Followed:
    """`run` is the last that is known of it; None: only its id, on record. Raises Stopped, Fenced, StoreUnavailable.

    The run is heard where the provider lets it be heard, else looked at; watchers of the turn are told its words.
    """
    clock, streams = instance.clock, 0
    followed_for = (hold.turn.running_ms or 0) / 1000
    over_at = clock.now() + run_budget_seconds - followed_for
    stuck_at = clock.now() + STUCK_SECONDS * 2**hold.turn.failures - followed_for
    looks = RunLooks(provider, hold.thread_or_new(provider), hold.turn.run_id, hold.turn.turn_id, hold, clock, pace)
    while run is None or not run.settled:
        queued = run is None or run.status == RunStatus.QUEUED
        if clock.now() >= over_at:
            return Followed(Verdict.TIMED_OUT, run)
        if clock.now() >= deadline:
            return Followed(Verdict.DETACHED, run)
        if run is not None and queued and clock.now() >= stuck_at:
            return Followed(Verdict.STUCK, run)
        hold.check()
        heard: RunState | None = None
        if streams < MOST_STREAMS and (streams == 0 or provider.attachable):
            streams += 1
            latest = min(over_at, deadline)
            heard = await hear(hold, provider, instance, latest, first_by=min(latest, stuck_at) if queued else latest)
            if heard is not None and heard.status in BELIEVED:
                run = heard
                continue
        if run is not None and heard is None:
            await looks.pause(deadline - clock.now())
        try:
            run = await looks.look() or run or RunState(hold.turn.run_id, RunStatus.UNKNOWN)
            if run.status == RunStatus.CANCELLED:  # perhaps by a user or for another message: then the row says so
                await hold.advance(TurnUpdate())
                hold.check()
        except NotFoundAtProvider:
            return Followed(Verdict.GONE, run)
        except ThreadGone:
            return Followed(Verdict.THREAD_GONE, run)
    tell(hold, instance, run.run_id, 0, run.text)
    return Followed(Verdict.ENDED, run)


async def hear(
    hold: HeldTurn, provider: Provider, instance: Instance, latest: float, *, first_by: float
) -> RunState | None:
    """Listen to the turn's run until `latest`, or to `first_by` if it says nothing. Returns its end, where heard.

    Raises Stopped, Fenced, StoreUnavailable.
    """
    run_id = hold.turn.run_id
    if run_id is None:
        return None
    tell(hold, instance, run_id, 0, "")
    now = instance.clock.now()
    limit = asyncio.timeout(max(first_by - now, 0))
    later = asyncio.get_running_loop().time() + max(latest - now, 0)

    async def listen(known: str) -> RunState | None:
        async with aclosing(provider.listen(hold.thread_or_new(provider), run_id, hold.turn.turn_id)) as stream:
            async for one in stream:
                if isinstance(one, RunState):
                    return one
                limit.reschedule(later)
                tell(hold, instance, run_id, one.at, one.text)
                known = known[: one.at].ljust(one.at) + one.text
                hold.note_heard(run_id, known)
                if not provider.attachable and instance.watched(hold.turn):
                    hold.note_draft(known)
        return None

    try:
        async with limit:
            return await hold.keep(listen(_said_before(hold, run_id)), wakeful=True)
    except TimeoutError:
        if not limit.expired():
            raise
        return None


def tell(hold: HeldTurn, instance: Instance, run_id: str | None, at: int, text: str) -> None:
    """A run whose id never arrived is not on record until it is over: it is told before the next one is."""
    name = run_id or hold.turn.next_run_name
    instance.tell(hold.turn, RunStarted(name, hold.agent.slug))
    instance.say(hold.turn, name, hold.agent.slug, at, text)


def _said_before(hold: HeldTurn, run_id: str) -> str:
    """What this run had said before it went on after its calls."""
    return hold.steps[-1].text if hold.steps and hold.steps[-1].run_id == run_id else ""
