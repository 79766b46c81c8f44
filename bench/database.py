"""What the function asks of the database: `python -m bench.database`. Calls, counted by the Data API in front of it.

- a turn: an undisturbed message on a known conversation
- a following minute: a request whose run is under way; a waiting minute: one that waits behind it in the queue
"""

from __future__ import annotations

import asyncio
import time
import uuid

import httpx

from bench.figures import Figures
from bench.stack import Running, running

TURNS = 10
PEOPLE = 20
SETTLED_SECONDS = 5.0  # after which pauses between polls have grown to their longest
WATCHED_SECONDS = 16.0  # four heartbeats
SETTINGS = {
    "EMULATOR_LATENCY_SECONDS": "1.0",
    "MESSAGES_PER_MINUTE": "100000",
    "WAIT_BUDGET_SECONDS": "600",
    "RUN_BUDGET_SECONDS": "900",
    "LOG_LEVEL": "WARNING",
}


async def measure() -> Figures:
    async with running(SETTINGS) as one, httpx.AsyncClient(base_url=one.stack.supabase, trust_env=False) as http:
        figures = Figures()
        figures["database_calls_a_turn"] = await _turn(one, http)
        figures.update(await _minutes(one, http))
        return figures


async def _turn(one: Running, http: httpx.AsyncClient) -> float:
    token, conversation = one.token(str(uuid.uuid4())), str(uuid.uuid4())
    await one.send(token, message="hello", conversation_id=conversation)
    before = await _calls(http)
    for _ in range(TURNS):
        await one.send(token, message="hello", conversation_id=conversation)
    return round((await _calls(http) - before) / TURNS, 2)


async def _minutes(one: Running, http: httpx.AsyncClient) -> dict[str, float]:
    people = [(one.token(str(uuid.uuid4())), str(uuid.uuid4())) for _ in range(PEOPLE)]
    held = [await one.open(token, message="[[never]]", conversation_id=place) for token, place in people]
    following = await _calls_a_minute(http)
    held += [await one.open(token, message="next, please", conversation_id=place) for token, place in people]
    both = await _calls_a_minute(http)
    for _, writer in held:
        writer.close()
    return {
        "database_calls_a_following_minute": round(following / PEOPLE, 1),
        "database_calls_a_waiting_minute": round((both - following) / PEOPLE, 1),
    }


async def _calls_a_minute(http: httpx.AsyncClient) -> float:
    await asyncio.sleep(SETTLED_SECONDS)
    before, began = await _calls(http), time.perf_counter()
    await asyncio.sleep(WATCHED_SECONDS)
    return (await _calls(http) - before) * 60 / (time.perf_counter() - began)


async def _calls(http: httpx.AsyncClient) -> int:
    statistics = (await http.get("/_statistics")).raise_for_status().json()
    return int(sum(statistics["calls"].values()))


if __name__ == "__main__":
    asyncio.run(measure()).show()
