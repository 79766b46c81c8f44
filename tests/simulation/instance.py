"""One instance of the function: the real service, with every effect between two points where it may die or freeze."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from functions.multi_agent_chat.adapters import SETTLE_SECONDS, chat_options
from functions.multi_agent_chat.routes import ACCEPT_SECONDS, OVERTIME_SECONDS
from shared.chat import ChatService
from shared.clock import LoopClock
from shared.core.errors import StoreUnavailable
from shared.lease import World as Holders
from shared.settings import load_settings
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore
from shared.wakeups import LocalWakeups
from tests.simulation.world import WHERE, World

T = TypeVar("T")

DATABASE_SECONDS = 5.0  # as SupabaseStore's own default: the deadline of one method
LATE_CALL_SECONDS = 6.0  # a database call that was given up arrives at the latest then
SETTINGS = load_settings(
    {
        "OPENAI_API_KEY": "unused",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_SECRET_KEY": "unused",
        "MESSAGES_PER_MINUTE": "1000",
    }
)


class Instance:
    def __init__(self, world: World) -> None:
        self.world = world
        self.name = f"i{len(world.instances)}"
        self.alive = True
        self.dead: asyncio.Future[None] = world.loop.create_future()
        self._paused_until = 0.0
        self._last_frozen = -1.0
        self._tasks: dict[asyncio.Task[Any], float] = {}
        world.instances.append(self)
        self.store = _Store(self)
        provider = world.server.adapter(self)
        options = chat_options(SETTINGS.model_copy(update={"provider": provider.name}), SETTLE_SECONDS)
        holders = Holders(self.store, LoopClock(), LocalWakeups(), SETTINGS.lease_seconds)
        self.chat = ChatService(holders, {provider.name: provider}, options)

    @property
    def paused(self) -> bool:
        return self._paused_until > self.world.now

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
        world = self.world
        world.steps += 1
        if self.alive and (world.steps == world.profile.crash_at or world.chance(world.profile.crash)):
            self.die(label)
        if self.alive and world.chance(world.profile.pause):
            self._paused_until = world.now + world.rng.uniform(5, 120)
            world.counts["pauses"] += 1
            world.note(f"{self.name} frozen at {label} until {self._paused_until:.2f}")
        while self.alive and self.paused:
            self._last_frozen = self._paused_until
            await asyncio.sleep(self._paused_until - world.now)
        if not self.alive:
            await asyncio.shield(world.never)

    def die(self, label: str) -> None:
        self.alive = False
        self.dead.set_result(None)
        self.world.crashed_at, self.world.died_at = self.world.now, label
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


class _Store(SupabaseStore):
    def __init__(self, instance: Instance) -> None:
        self._rpc = _Rpc(instance)


class _Rpc(Rpc):
    """The real calls with their deadline and repeats, over a client that loses some of them."""

    def __init__(self, instance: Instance) -> None:
        self._client: Any = _Client(instance)
        self._call_seconds = DATABASE_SECONDS


@dataclass(frozen=True, slots=True)
class _Reply:
    data: Any


@dataclass(frozen=True, slots=True)
class _Client:
    instance: Instance

    def rpc(self, function: str, parameters: dict[str, Any]) -> _Request:
        return _Request(self.instance, function, parameters)


@dataclass(frozen=True, slots=True)
class _Request:
    instance: Instance
    function: str
    parameters: dict[str, Any]

    async def execute(self) -> _Reply:
        instance, world, profile = self.instance, self.instance.world, self.instance.world.profile
        await instance.step(f"{self.function}, sent")
        await asyncio.sleep(world.rng.uniform(0.002, 0.02))
        if world.now < world.outage_until:
            raise await _broken(world, httpx.ConnectError("refused"))
        if world.chance(profile.call_refused):
            raise await _broken(world, httpx.ConnectError("refused"))
        if world.chance(profile.call_late):
            world.spawn(self._later(world.rng.uniform(0.5, LATE_CALL_SECONDS)))
            await asyncio.shield(world.never)
        answer = self._call()
        await asyncio.sleep(world.rng.uniform(0.001, 0.01))
        if world.chance(profile.answer_lost):
            raise await _broken(world, httpx.ReadError("reset"))
        await instance.step(f"{self.function}, answered")
        return _Reply(answer)

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.instance.world.now >= self.instance.world.outage_until:
            self._call()

    def _call(self) -> Any:
        world = self.instance.world
        world.counts["calls"] += 1
        try:
            answer = world.database.call(world.now, self.function, self.parameters)
        except Exception as error:
            world.blame(f"the database refused {self.function}: {error}")
            raise
        user_id = self.parameters.get("p_user")
        for turn in (answer.get("turn"), (answer.get("claim") or {}).get("turn")):
            if turn is not None:
                world.see_turn(str(user_id), turn)
        if world.verbose:
            world.note(f"{self.function} {answer['outcome']}")
        return answer


async def _broken(world: World, error: httpx.HTTPError) -> httpx.HTTPError:
    """Half of the failures are told at once, the others by nothing coming back."""
    if world.chance(0.5):
        await asyncio.shield(world.never)
    return error


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


Work = Callable[[Instance], Awaitable[Any]]
