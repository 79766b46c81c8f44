"""Ends a run too many: a repeat that was accepted when the attempt thought lost had its answer already."""

from __future__ import annotations

from dataclasses import replace

from shared.core.errors import ProviderError
from shared.core.runs import RunState
from shared.core.turns import RunRecord, TurnStatus
from shared.creating import Creating
from shared.ending import Pace, end_run
from shared.lease import Hold
from shared.ports import Advance, Clock, Provider


async def drop_repeat(
    hold: Hold,
    provider: Provider,
    creating: Creating,
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
    # whoever comes after this holder has to find the answer too, instead of following what is being ended
    record = RunRecord(repeat.run_id, hold.agent.slug, repeat.status)
    await hold.advance(Advance(to=TurnStatus.STARTING, run=record))
    ended: RunState | None = repeat
    if not repeat.terminal:
        ended = (await end_run(hold, provider, clock, pace, patience_seconds, run_id=repeat.run_id)).run
    cleared = ended is not None and await _erased_behind(answered, hold, provider, creating)
    status = "cancelling" if ended is None else ended.status
    await hold.advance(Advance(run=replace(record, status=status), forget_thread=not cleared))
    return status


async def _erased_behind(answered: RunState, hold: Hold, provider: Provider, creating: Creating) -> bool:
    """Whether nothing of this turn is left in the thread behind its answer."""
    if answered.cursor is None:
        return False
    start = await creating.run_start(hold)
    # with the turn's message the wire would look for the beginning of the turn, which is not to go
    text = None if start.steps or start.tool_outputs else start.text
    behind = replace(start, text=text, thread=replace(start.thread, cursor=answered.cursor))
    try:
        return await hold.keep(provider.erase_turn(behind), stoppable=False)
    except ProviderError:
        return False
