"""The way to the database: the store's real calls, with their deadline and repeats, over a client that loses some."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from postgrest import APIError

from shared.stores.lane import Lane
from shared.stores.rpc import Rpc
from shared.stores.supabase import SupabaseStore

if TYPE_CHECKING:
    from tests.simulation.instance import Instance
    from tests.simulation.world import World

DATABASE_SECONDS = 5.0  # as SupabaseStore's own default: the deadline of one method
LATE_CALL_SECONDS = 6.0  # a database call that was given up arrives at the latest then


class Store(SupabaseStore):
    def __init__(self, instance: Instance, lane: Lane) -> None:
        super().__init__(_Rpc(instance, lane))
        self.instance = instance  # for the tools that count how often they run


class _Rpc(Rpc):
    """The real calls with their deadline and repeats, over a way to the database that loses some of them."""

    def __init__(self, instance: Instance, lane: Lane) -> None:
        self._instance, self._call_seconds, self._lane = instance, DATABASE_SECONDS, lane

    async def _send(self, function: str, parameters: dict[str, Any]) -> httpx.Response:
        return await _Request(self._instance, function, parameters).answer()


@dataclass(frozen=True, slots=True)
class _Request:
    instance: Instance
    function: str
    parameters: dict[str, Any]

    async def answer(self) -> httpx.Response:
        instance = self.instance
        exchange = await instance.send(f"{self.function}, sent", self._exchange())
        result = await asyncio.shield(exchange)
        if isinstance(result, Exception):
            raise result
        await instance.step(f"{self.function}, answered")
        return result

    async def _exchange(self) -> httpx.Response | Exception:
        world, profile = self.instance.world, self.instance.world.profile
        await asyncio.sleep(world.rng.uniform(0.002, 0.02) + profile.call_seconds)
        if world.now < world.outage_until or world.chance(profile.call_refused):
            return await _broken(world, httpx.ConnectError("refused"))
        if world.chance(profile.call_late):
            await asyncio.sleep(world.rng.uniform(2.5, LATE_CALL_SECONDS))
        try:
            answer = self._call()
        except APIError as error:
            return httpx.Response(400, json={"code": error.code, "message": error.message})
        await asyncio.sleep(world.rng.uniform(0.001, 0.01))
        if world.counts["calls"] == profile.lose_call and world.lost_call is None:
            world.lost_call = self.function
            return await _broken(world, httpx.ReadError("reset"))
        if world.chance(profile.answer_lost):
            return await _broken(world, httpx.ReadError("reset"))
        return httpx.Response(200, json=answer)

    def _call(self) -> Any:
        world = self.instance.world
        world.counts["calls"] += 1
        doomed = world.database.doomed(self.parameters) if "_delete_conversation" in self.function else None
        overtaken = self.function == "chat_advance_turn" and world.database.overtaken(self.parameters)
        breakers = world.breakers.before(self.function)
        try:
            answer = world.database.call(world.now, self.function, self.parameters)
        except APIError as error:
            world.blame(f"the database refused {self.function}: {error}")
            raise
        world.breakers.after(breakers, self.parameters, answer)
        if self.function == "chat_delete_conversations":
            world.changes.without_agents.add(str(self.parameters["p_user"]))
        if doomed is not None:
            world.changes.take(doomed, world.now)
        if overtaken and answer["outcome"] != "fenced":
            world.blame(f"G2 a holder that had been overtaken wrote {self.parameters['p_to']} to a turn")
        user_id = self.parameters.get("p_user")
        for turn in (
            answer.get("turn"),
            (answer.get("claim") or {}).get("turn"),
            (answer.get("next") or {}).get("turn"),
        ):
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
