"""Ends a run that is ours: asks for its end, and waits until the provider says that it has come."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.errors import NotCancellable, NotFoundAtProvider, ProviderError, ThreadGone
from shared.core.model import RunState, Thread
from shared.lease import Hold
from shared.ports import Clock, Provider

GROWTH = 2.0  # of the pause between two looks


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at a run: the first pause, and the longest."""

    min_seconds: float
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    run: RunState | None  # as it ended, or waiting for outputs that only a next run takes; None: it does not end
    said: str = ""  # the most that was seen of its answer: a cancel clears it on some servers
    never: bool = False  # it runs in the foreground, where no cancel reaches it


async def end_run(hold: Hold, provider: Provider, clock: Clock, pace: Pace, patience_seconds: float) -> Ending:
    """Cancel the turn's run on record and wait for its end, at most so long. Raises Fenced, StoreUnavailable."""
    if hold.turn.run_id is None:
        return Ending(None)
    thread = hold.thread or Thread(provider.name)
    give_up_at = clock.now() + patience_seconds
    pause, said, never = pace.min_seconds, "", False
    while clock.now() < give_up_at and not never:
        try:
            state = await hold.keep(provider.get_run(thread, hold.turn.run_id), stoppable=False)
            said = max(said, state.text, key=len)
            over = state.terminal or (state.status == "requires_action" and provider.outputs_start_run)
            if not over and state.status != "cancelling":
                await hold.keep(provider.cancel_run(thread, hold.turn.run_id), stoppable=False)
                state = await hold.keep(provider.get_run(thread, hold.turn.run_id), stoppable=False)
                said = max(said, state.text, key=len)
            if over or state.terminal:
                return Ending(state, said)
        except NotCancellable as refusal:  # it has just ended, which the next look shows, or never can be
            never = refusal.code == "runs_in_foreground"
        except (NotFoundAtProvider, ThreadGone):
            return Ending(None, said)
        except ProviderError:
            pass  # a look or a request that failed says nothing: the next one may not
        await hold.keep(clock.sleep(min(pause, max(give_up_at - clock.now(), 0))), stoppable=False)
        pause = min(pause * GROWTH, pace.max_seconds)
    return Ending(None, said, never)
