"""Passes on what a run says while it says it, to those who watch its turn."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from shared.core.chat_events import RunStarted
from shared.core.runs import RunState, Thread
from shared.lease import Hold, World
from shared.ports import Provider


async def hear(hold: Hold, provider: Provider, world: World, until: float, *, first_by: float) -> RunState | None:
    """Listen to the turn's run until `until`, or to `first_by` if it says nothing: its end, where that was heard.

    Raises Stopped, Fenced, StoreUnavailable.
    """
    run_id = hold.turn.run_id
    if run_id is None:
        return None
    tell(hold, world, run_id, 0, "")
    now = world.clock.now()
    limit = asyncio.timeout(max(first_by - now, 0))
    later = asyncio.get_running_loop().time() + max(until - now, 0)

    async def listen(known: str) -> RunState | None:
        async with aclosing(provider.listen(hold.thread or Thread(provider.name), run_id)) as heard:
            async for one in heard:
                if isinstance(one, RunState):
                    return one
                limit.reschedule(later)
                tell(hold, world, run_id, one.at, one.text)
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


def tell(hold: Hold, world: World, run_id: str | None, at: int, text: str) -> None:
    if run_id is not None:
        world.tell(hold.turn, RunStarted(run_id, hold.agent.slug))
        world.say(hold.turn, run_id, hold.agent.slug, at, text)


def _said_before(hold: Hold, run_id: str) -> str:
    """What this run had said before it went on after its calls."""
    return hold.steps[-1].text if hold.steps and hold.steps[-1].run_id == run_id else ""
