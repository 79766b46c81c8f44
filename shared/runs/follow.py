"""Follows a run of ours until it ends, or until there is a reason to stop following."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from shared.core.chat_events import RunStarted
from shared.core.errors import NotFoundAtProvider, ProviderError, ThreadGone
from shared.core.pace import Pace
from shared.core.runs import RunState, Thread
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider

GROWTH = 1.2  # of the pause between two looks: an answer lies unseen for a tenth of the time it took, on average
GONE_SECONDS = 3.0  # a run that was just made may be unknown for a moment where lists and reads lag
# A response in the background was seen to stay `queued` for ever. Doubled with every failure of the turn, because a
# busy server may really take that long.
STUCK_SECONDS = 20.0
HEARINGS = 5  # streams of one run that are listened to: one that breaks so often is looked at instead


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

    Where somebody watches the turn, its words are told as they come, if the provider lets them be heard.
    """
    clock, hearings = instance.clock, 0
    followed_for = (hold.turn.running_ms or 0) / 1000
    over_at = clock.now() + run_budget_seconds - followed_for
    stuck_at = clock.now() + STUCK_SECONDS * 2**hold.turn.failures - followed_for
    seen_at, pause = clock.now(), pace.min_seconds
    while run is None or not (run.terminal or run.status == "requires_action"):
        if clock.now() >= over_at:
            return Followed(Verdict.TIMED_OUT, run)
        if clock.now() >= deadline:
            return Followed(Verdict.DETACHED, run)
        if run is not None and run.status == "queued" and clock.now() >= stuck_at:
            return Followed(Verdict.STUCK, run)
        hold.check()
        if instance.watched(hold.turn) and hearings < HEARINGS and (hearings == 0 or provider.attachable):
            hearings += 1
            queued = run is None or run.status == "queued"
            until = min(over_at, deadline)
            heard = await hear(hold, provider, instance, until, first_by=min(until, stuck_at) if queued else until)
            if heard is not None:
                run = heard
                continue
        if run is not None:
            await hold.sleep(min(run.poll_after_seconds or pause, max(deadline - clock.now(), 0)))
            pause = min(pause * GROWTH, pace.max_seconds)
        try:
            run = await _look(hold, provider)
            seen_at = clock.now()
        except NotFoundAtProvider:
            if clock.now() >= seen_at + GONE_SECONDS:
                return Followed(Verdict.GONE, run)
        except ThreadGone:
            return Followed(Verdict.THREAD_GONE, run)
        except ProviderError:
            pass  # a look that failed says nothing of the run
        run = run or RunState(hold.turn.run_id, "unknown")
    tell(hold, instance, run.run_id, 0, run.text)
    return Followed(Verdict.ENDED, run)


async def _look(hold: HeldTurn, provider: Provider) -> RunState:
    if hold.turn.run_id is None:
        raise NotFoundAtProvider("a run without an id cannot be followed")
    return await hold.keep(provider.get_run(hold.thread or Thread(provider.name), hold.turn.run_id))


async def hear(
    hold: HeldTurn, provider: Provider, instance: Instance, until: float, *, first_by: float
) -> RunState | None:
    """Listen to the turn's run until `until`, or to `first_by` if it says nothing: its end, where that was heard.

    Raises Stopped, Fenced, StoreUnavailable.
    """
    run_id = hold.turn.run_id
    if run_id is None:
        return None
    tell(hold, instance, run_id, 0, "")
    now = instance.clock.now()
    limit = asyncio.timeout(max(first_by - now, 0))
    later = asyncio.get_running_loop().time() + max(until - now, 0)

    async def listen(known: str) -> RunState | None:
        async with aclosing(provider.listen(hold.thread or Thread(provider.name), run_id)) as heard:
            async for one in heard:
                if isinstance(one, RunState):
                    return one
                limit.reschedule(later)
                tell(hold, instance, run_id, one.at, one.text)
                if not provider.attachable:
                    known = known[: one.at].ljust(one.at) + one.text
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
    if run_id is not None:
        instance.tell(hold.turn, RunStarted(run_id, hold.agent.slug))
        instance.say(hold.turn, run_id, hold.agent.slug, at, text)


def _said_before(hold: HeldTurn, run_id: str) -> str:
    """What this run had said before it went on after its calls."""
    return hold.steps[-1].text if hold.steps and hold.steps[-1].run_id == run_id else ""
