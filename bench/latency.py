"""One message at a time: what the function adds to a provider's own time, beside what others document.

- turn: an undisturbed message on a known conversation, against the provider's own create and follow
- handoff: from the end of the run in the way to the create of ours, with one instance, with two, and behind another
  program's run; against the baselines behind the same runs
- interrupt: from the message that displaces to its answer, the cancel's own time taken off
- local: the undisturbed message on the local Supabase that `make dev` starts
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx

from bench.baselines import backoff, polling
from bench.baselines.memory_lock import MemoryLock
from bench.figures import Figures
from bench.provider import Provider, provider
from bench.stack import SETTINGS, Running, running

ROUNDS = 30
WARM_UP = 3
FOREIGN_ROUNDS = 12
CANCEL_SECONDS = 0.2
FOREIGN_SECONDS = (0.5, 2.5)  # how long another program's run takes
ANSWERED_SOON = 0.4  # until a run that was just asked for is under way

Take = Callable[[Provider, str, str], Awaitable[None]]


async def measure() -> Figures:
    figures = Figures()
    async with running(SETTINGS, instances=2) as one, provider(one.stack.openai) as alone:
        await alone.configure(cancel_seconds=CANCEL_SECONDS)
        await _stand_ins(one, alone, figures)
        await _turns(one, alone, figures)
        await _handoffs(one, alone, figures)
        await _behind_others(one, alone, figures)
        await _interrupts(one, figures)
        await _refused(alone, figures)
    async with running(SETTINGS, db="pglite") as one:
        await _local_turns(one, figures)
    return figures


async def _stand_ins(one: Running, alone: Provider, figures: Figures) -> None:
    """What the stand-ins take of every figure below."""
    headers = {"apikey": one.stack.keys.secret, "authorization": f"Bearer {one.stack.keys.secret}"}
    async with httpx.AsyncClient(base_url=one.stack.supabase, headers=headers, trust_env=False) as http:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            (await http.post("/rest/v1/rpc/chat_ping", json={})).raise_for_status()
            figures.sample("database_call_ms", time.perf_counter() - began)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        (await alone.http.get("/models")).raise_for_status()
        figures.sample("provider_call_ms", time.perf_counter() - began)


async def _turns(one: Running, alone: Provider, figures: Figures) -> None:
    token, conversation = one.token(), str(uuid.uuid4())
    place = await alone.conversation()
    for _ in range(WARM_UP):
        await one.send(token, message="hello", conversation_id=conversation)
        await alone.create_and_follow(place)
    before = await calls(one)
    for _ in range(ROUNDS):
        figures.sample("turn_ms", (await one.ask(token, message="hello", conversation_id=conversation)).seconds)
        began = time.perf_counter()
        await alone.create_and_follow(place)
        figures.sample("provider_turn_ms", time.perf_counter() - began)
    figures["database_calls_per_turn"] = round((await calls(one) - before) / ROUNDS, 2)


async def _local_turns(one: Running, figures: Figures) -> None:
    """On the local Supabase, which has one connection: what `make dev` feels like."""
    token, conversation = one.token(), str(uuid.uuid4())
    for number in range(ROUNDS):
        answer = await one.ask(token, message="hello", conversation_id=conversation)
        if number >= WARM_UP:
            figures.sample("local_turn_ms", answer.seconds)


async def calls(one: Running) -> int:
    """Database calls until now."""
    async with httpx.AsyncClient(trust_env=False) as http:
        told = (await http.get(f"{one.stack.supabase}/_statistics")).json()
    return sum(told["calls"].values())


async def _handoffs(one: Running, alone: Provider, figures: Figures) -> None:
    for name, second in (("handoff_ms", 0), ("handoff_two_instances_ms", 1)):
        token = one.token()
        for _ in range(ROUNDS):
            conversation = str(uuid.uuid4())
            first = asyncio.ensure_future(one.send(token, message="[[slow 0.6]] a", conversation_id=conversation))
            await asyncio.sleep(ANSWERED_SOON / 2)
            await one.send(token, instance=second, message="b", conversation_id=conversation)
            await first
            figures.sample(name, await alone.gap_seconds((await alone.runs())[-1]["conversation_id"]))


async def _behind_others(one: Running, alone: Provider, figures: Figures) -> None:
    """The same runs of another program for every way, one after the other, ours included."""
    token, conversation, rng = one.token(), str(uuid.uuid4()), random.Random(1)
    await one.send(token, message="hello", conversation_id=conversation)
    ours = (await alone.runs())[-1]["conversation_id"]

    async def through(_: Provider, place: str, active_run: str) -> None:
        await one.send(token, message="hello", conversation_id=conversation)

    ways: dict[str, Take] = {
        "foreign_handoff_ms": through,
        "polling_handoff_ms": polling.take,
        "backoff_handoff_ms": backoff.take,
    }
    for _ in range(FOREIGN_ROUNDS):
        seconds = rng.uniform(*FOREIGN_SECONDS)
        places = [ours, await alone.conversation(), await alone.conversation()]

        async def one_way(way: Take, place: str, seconds: float = seconds) -> float:
            run_id = await alone.start_foreign(place, seconds)
            await way(alone, place, run_id)
            return await alone.gap_seconds(place)

        gaps = await asyncio.gather(*(one_way(way, place) for way, place in zip(ways.values(), places, strict=True)))
        for name, gap in zip(ways, gaps, strict=True):
            figures.sample(name, gap)


async def _interrupts(one: Running, figures: Figures) -> None:
    for name, second in (("interrupt_ms", 0), ("interrupt_two_instances_ms", 1)):
        token = one.token()
        for _ in range(ROUNDS // 3):
            conversation = str(uuid.uuid4())
            first = asyncio.ensure_future(one.ask(token, message="[[slow 30]] a", conversation_id=conversation))
            await asyncio.sleep(ANSWERED_SOON)
            answer = await one.ask(
                token, instance=second, message="b", conversation_id=conversation, multitask_strategy="interrupt"
            )
            if answer.status != 200:
                raise RuntimeError(json.dumps(answer.body))
            await first
            figures.sample(name, answer.seconds - CANCEL_SECONDS)


async def _refused(alone: Provider, figures: Figures) -> None:
    """Of pairs of messages sent at once, the share of which one was refused by a lock in memory."""
    lock, refused = MemoryLock(alone), 0
    for _ in range(ROUNDS):
        place = await alone.conversation()
        refused += 409 in await asyncio.gather(lock.take(place), lock.take(place))
    figures["memory_lock_refused_share"] = round(refused / ROUNDS, 2)


if __name__ == "__main__":
    asyncio.run(measure()).show()
