"""One instance of the function: the real service, with every effect between two points where it may die or freeze."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from functions.asgi.startup import SHUTDOWN_SECONDS
from functions.composition import SETTLE_SECONDS, chat_options
from functions.multi_agent_chat.dependencies import ACCEPT_SECONDS, OVERTIME_SECONDS
from shared.chat import ChatService
from shared.clock import LoopClock
from shared.core.errors import StoreUnavailable
from shared.instance.instance import Instance as SharedByProcess
from shared.instance.instance import tell_no_one
from shared.instance.shutdown import Shutdown
from shared.instance.wakeups import LocalWakeups
from shared.settings import load_settings
from shared.stores.lane import Lane
from shared.tools import REGISTRY
from tests.simulation.calls import Store
from tests.simulation.modes import FREEZE_SECONDS
from tests.simulation.receiver import URL, webhooks_of
from tests.simulation.world import WHERE, World

T = TypeVar("T")

KILL_SECONDS = 10.0  # the platform's, between SIGTERM and SIGKILL
SETTINGS = load_settings(
    {
        "OPENAI_API_KEY": "unused",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_SECRET_KEY": "unused",
        "MESSAGES_PER_MINUTE": "1000",
        "APPROVAL_TTL_HOURS": "0.02",
    }
)


class Instance:
    def __init__(self, world: World) -> None:
        self.world = world
        self.name = world.join(self)
        self.alive = True
        self.dead: asyncio.Future[None] = world.loop.create_future()
        self.shutdown = Shutdown()
        self.frozen_until = 0.0
        self._last_frozen = -1.0
        self._tasks: dict[asyncio.Task[Any], float] = {}
        self.store = Store(self, Lane(world.profile.calls_at_once, SETTINGS.wait_budget_seconds))
        self.webhooks = webhooks_of(self)
        providers = [server.adapter(self) for server in world.servers]
        chosen = {"provider": providers[0].name, "coalesce_seconds": world.gather_seconds}
        chosen["conversation_ttl_hours"] = world.idle_hours
        chosen |= {"webhook_url": URL} if self.webhooks is not None else {}
        chosen["poll_max_seconds"] = world.profile.poll_max_seconds
        options = chat_options(SETTINGS.model_copy(update=chosen), SETTLE_SECONDS)
        shared_by_process = SharedByProcess(
            self.store,
            LoopClock(),
            LocalWakeups(),
            SETTINGS.lease_seconds,
            self.shutdown,
            announce=tell_no_one if self.webhooks is None else self.webhooks.announce,
            jitter=random.Random(f"jitter of {self.name}").random,
        )
        self.chat = ChatService(shared_by_process, {one.name: one for one in providers}, REGISTRY, options)

    @property
    def paused(self) -> bool:
        return self.frozen_until > self.world.now

    @property
    def was_paused(self) -> bool:
        """Whether it froze at any time: it may then have sent what it should not have."""
        return self._last_frozen >= 0

    def run(self, work: Awaitable[T]) -> asyncio.Task[T]:
        """A request in this instance; it goes on when its client is gone, and ends when the instance dies."""

        async def named() -> T:
            WHERE.set(self.name)
            return await work

        task = self.world.spawn(named())
        self._tasks[task] = self.world.now
        task.add_done_callback(_heard)
        return task

    def frozen_since(self, task: asyncio.Task[Any]) -> bool:
        return self._last_frozen >= self._tasks[task]

    async def step(self, label: str) -> None:
        """A boundary of an effect. A dead instance never gets past it, a frozen one only when it goes on."""
        self.reach(label)
        await self.go_on()

    def reach(self, label: str) -> None:
        """The moment in which it may die or freeze."""
        world = self.world
        world.steps += 1
        world.reached.append(label)
        if self.alive and (world.steps == world.profile.crash_at or world.chance(world.profile.crash)):
            self.die(label)
        ends = world.steps == world.profile.end_at or world.chance(world.profile.ends)
        if ends and self.alive and not self.shutdown.begun:
            self.end(label)
        only = world.steps == world.profile.freeze_at
        if self.alive and not self.paused and (only or world.chance(world.profile.pause)):
            seconds = FREEZE_SECONDS if only else world.rng.uniform(5, 120)
            self.frozen_until = self._last_frozen = world.now + seconds
            world.frozen_at = label
            world.counts["pauses"] += 1
            world.note(f"{self.name} frozen at {label} until {self.frozen_until:.2f}")

    async def go_on(self) -> None:
        while self.alive and self.paused:  # noqa: ASYNC110
            await asyncio.sleep(self.frozen_until - self.world.now)
        if not self.alive:
            await asyncio.shield(self.world.never)

    async def send(self, label: str, effect: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let a request out. One that was about to leave as the instance froze leaves when it goes on, also
        where it was given up meanwhile; a dead instance sends nothing.
        """
        self.reach(label)
        if not self.alive:
            effect.close()
            await asyncio.shield(self.world.never)
        task = self.world.spawn(self._out(effect))
        task.add_done_callback(_heard)
        await self.go_on()
        return task

    async def _out(self, effect: Coroutine[Any, Any, T]) -> T:
        while self.alive and self.paused:  # noqa: ASYNC110
            await asyncio.sleep(self.frozen_until - self.world.now)
        if not self.alive:
            effect.close()
            await asyncio.shield(self.world.never)
        return await effect

    def end(self, label: str) -> None:
        """SIGTERM: it gets no more requests, and is killed when its time is over."""
        self.world.ended_at = label
        self.world.counts["shutdowns"] += 1
        self.world.note(f"{self.name} told to end at {label}")
        self.shutdown.begin(SHUTDOWN_SECONDS)
        self.world.loop.call_later(KILL_SECONDS, self._kill)

    def _kill(self) -> None:
        cut = [task for task in self._tasks if not task.done()]
        if self.alive and cut and not self.was_paused:
            self.world.blame(f"the end of {self.name} cut {len(cut)} requests off")
        if self.alive:
            self.die("the end of its time")

    def die(self, label: str) -> None:
        self.alive = False
        self.dead.set_result(None)
        self.world.died_at = label
        self.world.crashed.set()
        self.world.counts["crashes"] += 1
        self.world.note(f"{self.name} died at {label}")
        for task in self._tasks:  # what still runs of it can reach nothing any more
            task.cancel()

    async def door(self, work: Coroutine[Any, Any, T], deadline: float) -> T:
        """The endpoints' own limit around the handler, and the way out."""
        limit = asyncio.timeout(max(deadline - self.world.now, ACCEPT_SECONDS) + OVERTIME_SECONDS)
        try:
            async with limit:
                return await work
        except TimeoutError:
            raise StoreUnavailable("The database did not answer in time.", retry_after=1.0) from None
        finally:
            await self.step("response")


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


Work = Callable[[Instance], Awaitable[Any]]
