"""Follows a run of ours until it ends, or until there is a reason to stop following."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.errors import NotFoundAtProvider, ProviderError, ThreadGone
from shared.core.runs import RunState, Thread
from shared.ending import Pace
from shared.hearing import hear, tell
from shared.lease import Hold, World
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
    hold: Hold,
    provider: Provider,
    world: World,
    pace: Pace,
    run: RunState | None,
    *,
    deadline: float,
    run_budget_seconds: float,
) -> Followed:
    """`run` is the last that is known of it; None: only its id, on record. Raises Stopped, Fenced, StoreUnavailable.

    Where somebody watches the turn, its words are told as they come, if the provider lets them be heard.
    """
    clock, hearings = world.clock, 0
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
        if world.watched(hold.turn) and hearings < HEARINGS and (hearings == 0 or provider.attachable):
            hearings += 1
            queued = run is None or run.status == "queued"
            until = min(over_at, deadline)
            heard = await hear(hold, provider, world, until, first_by=min(until, stuck_at) if queued else until)
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
    tell(hold, world, run.run_id, 0, run.text)
    return Followed(Verdict.ENDED, run)


async def _look(hold: Hold, provider: Provider) -> RunState:
    if hold.turn.run_id is None:
        raise NotFoundAtProvider("a run without an id cannot be followed")
    return await hold.keep(provider.get_run(hold.thread or Thread(provider.name), hold.turn.run_id))
