"""What the platform's scheduler does: every minute, have an instance carry on the conversations that none serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from functions.maintenance.app import ANSWER_SECONDS
from functions.maintenance.sweep import Sweep
from functions.maintenance.tidying import Tidying
from shared.clock import LoopClock
from shared.core.errors import StoreUnavailable
from tests.simulation.instance import SETTINGS, Instance
from tests.simulation.world import World

PERIOD_SECONDS = 60.0
TIDIED_SECONDS = 3600.0
LEFT = """
select 'thread ' || thread_id as what from public.chat_threads where ended_at is not null
union all select 'run ' || run_id from public.chat_left_runs
union all select kind || ' ' || object_id from public.chat_remote_objects where ended_at is not null"""

Sweeping = Callable[[Instance], Awaitable[None]]


async def sweep(instance: Instance) -> None:
    """One call of the maintenance function, without its door."""
    deadline = instance.world.now + SETTINGS.sweep_seconds - ANSWER_SECONDS
    with contextlib.suppress(StoreUnavailable):
        await Sweep(instance.store, instance.chat, LoopClock()).run(deadline)
        if instance.world.profile.tidies:
            await _tidy(instance, deadline)
        if instance.webhooks is not None:
            await instance.webhooks.send_due(deadline)


async def tidy_up(world: World) -> None:
    """The last call, when nothing fails any more."""
    instance = Instance(world)
    await instance.run(_tidy(instance, world.now + SETTINGS.sweep_seconds - ANSWER_SECONDS))


async def tidy_all(world: World) -> None:
    """As often as it takes, within what the longest pause between two attempts can add up to."""
    last_at = world.now + TIDIED_SECONDS
    while world.database.texts(LEFT) and world.now < last_at:
        await asyncio.sleep(PERIOD_SECONDS)
        await tidy_up(world)


async def _tidy(instance: Instance, deadline: float) -> None:
    with contextlib.suppress(StoreUnavailable):
        await Tidying(instance.store, instance.chat, LoopClock()).run(deadline)


async def no_sweep(instance: Instance) -> None:
    """The schedule was forgotten."""


async def schedule(world: World, sweeping: Sweeping, first: float) -> None:
    """`first`: seconds until the first call."""
    await asyncio.sleep(first)
    while True:
        instance = Instance(world)
        instance.run(sweeping(instance))
        await asyncio.sleep(PERIOD_SECONDS)
