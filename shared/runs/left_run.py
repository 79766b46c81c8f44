"""Ends a run whose turn is gone: without a lease, since there is nothing left to write to."""

from __future__ import annotations

from shared.core.errors import NotCancellable, NotFoundAtProvider, ProviderError, ThreadGone
from shared.core.pace import CANCEL_GROWTH, Pace
from shared.core.runs import Thread
from shared.ports import Clock, LeftRun, Provider


async def end_left_run(provider: Provider, run: LeftRun, clock: Clock, pace: Pace, until: float) -> bool:
    """Ask for its end and wait for it, until that moment on the clock. Returns whether it is over; raises nothing."""
    thread, asked = run.thread or Thread(provider.name), False
    for pause in pace.pauses(CANCEL_GROWTH):
        try:
            look = provider.get_run(thread, run.run_id, run.turn_id, with_text=False) if asked else None
            state = await (look or provider.cancel_run(thread, run.run_id))
            asked = True
            if state.terminal or (state.waits_for_outputs and provider.outputs_start_run):
                return True
        except (NotFoundAtProvider, ThreadGone):
            return True
        except NotCancellable:  # it has just ended, or runs in the foreground: the next look shows which
            asked = True
        except ProviderError:
            pass  # the next request may be answered
        if clock.now() + pause >= until:
            return False
        await clock.sleep(pause)
    raise AssertionError("the pauses have no end")
