"""What the function adds to a provider's own time: `python -m bench.latency`. Ratios, both sides in one run.

- turn: an undisturbed message on a known conversation, against the provider's own create and polling
- handover: two messages sent at once to one conversation, against twice an undisturbed one
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid

import httpx

from bench.stack import Running, running

ROUNDS = 15
POLL_SECONDS = 0.05
SETTINGS = {
    "EMULATOR_LATENCY_SECONDS": "1.0",
    "POLL_MIN_SECONDS": str(POLL_SECONDS),
    "POLL_MAX_SECONDS": str(POLL_SECONDS),
    "MESSAGES_PER_MINUTE": "100000",
    "LOG_LEVEL": "WARNING",
}


async def measure() -> dict[str, float]:
    async with running(**SETTINGS) as one:
        headers = {"authorization": "Bearer bench"}
        async with httpx.AsyncClient(base_url=one.stack.openai, headers=headers, trust_env=False) as provider:
            admin = f"{one.stack.openai.removesuffix('/v1')}/_emulator/config"
            await provider.post(admin, json={"poll_after_ms": int(1000 * POLL_SECONDS)})
            return await _rounds(one, provider)


async def _rounds(one: Running, provider: httpx.AsyncClient) -> dict[str, float]:
    token, conversation = one.token(str(uuid.uuid4())), str(uuid.uuid4())
    place = (await provider.post("/conversations", json={})).json()["id"]
    await one.send(token, message="hello", conversation_id=conversation)
    ours, theirs, pairs = [], [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await one.send(token, message="hello", conversation_id=conversation)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        await _alone(provider, place)
        theirs.append(time.perf_counter() - began)
        began = time.perf_counter()
        await asyncio.gather(*(one.send(token, message="hello", conversation_id=conversation) for _ in range(2)))
        pairs.append(time.perf_counter() - began)
    turn, alone, pair = (statistics.median(each) for each in (ours, theirs, pairs))
    return {
        "turn_ratio": round(turn / alone, 3),
        "turn_added_ms": round((turn - alone) * 1000, 1),
        "handover_ratio": round(pair / (2 * turn), 3),
        "handover_added_ms": round((pair - 2 * turn) * 1000, 1),
    }


async def _alone(provider: httpx.AsyncClient, place: str) -> None:
    body = {"model": "emulated-model", "input": "hello", "background": True, "conversation": place}
    run = (await provider.post("/responses", json=body)).raise_for_status().json()
    while run["status"] in ("queued", "in_progress"):
        await asyncio.sleep(POLL_SECONDS)
        run = (await provider.get(f"/responses/{run['id']}")).json()


if __name__ == "__main__":
    print(asyncio.run(measure()))
