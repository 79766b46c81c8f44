"""Many messages at once: turns a second and processor time a turn, and a burst.

Everything runs on the same cores: the functions, the database and its Data API, the provider, and who sends.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid

from bench.figures import Figures
from bench.stack import SETTINGS, Answer, Running, running

CONVERSATIONS = 32
CONCURRENCIES = (1, 4, 8, 16, 32)
PROCESSES = (1, 2, 4)
SECONDS = 6.0
BURST, BURST_USERS = 1000, 200
BURSTS = {"burst": 5.0, "patient_burst": 15.0}  # seconds that each message waits
BURST_SETTINGS = {**SETTINGS, "MAX_CONCURRENT_REQUESTS": "1200"}
TREES = {"function": "function", "data_api": "data-api", "postgres": "postgres", "provider": "emulator"}


async def measure() -> Figures:
    figures = Figures()
    for processes in PROCESSES:
        async with running(SETTINGS, instances=processes) as one:
            await _throughput(one, CONVERSATIONS, f"_{processes}p", figures)
            if processes == 1:
                for concurrency in CONCURRENCIES:
                    await _latency(one, concurrency, figures)
    for name, seconds in BURSTS.items():
        async with running(BURST_SETTINGS) as one:
            await _burst(one, name, seconds, figures)
    return figures


async def _throughput(one: Running, conversations: int, suffix: str, figures: Figures) -> None:
    before = {name: one.cpu_seconds(tree) for name, tree in TREES.items()}
    began = time.perf_counter()
    taken = await _closed_loop(one, conversations, SECONDS)
    figures[f"turns_per_second{suffix}"] = round(len(taken) / (time.perf_counter() - began), 1)
    for name, tree in TREES.items():
        figures[f"{name}_cpu_ms_per_turn{suffix}"] = round(
            1000 * (one.cpu_seconds(tree) - before[name]) / len(taken), 2
        )


async def _latency(one: Running, conversations: int, figures: Figures) -> None:
    for seconds in await _closed_loop(one, conversations, SECONDS / 2):
        figures.sample(f"turn_at_{conversations}_ms", seconds)


async def _closed_loop(one: Running, conversations: int, seconds: float) -> list[float]:
    """Each conversation sends its next message when it has its answer: seconds of every turn."""
    taken: list[float] = []
    instances = itertools.cycle(range(len(one.ports)))

    async def talk(instance: int) -> None:
        token, conversation = one.token(), str(uuid.uuid4())
        await one.send(token, instance=instance, message="hello", conversation_id=conversation)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            answer = await one.ask(token, instance=instance, message="hello", conversation_id=conversation)
            if answer.status == 200:
                taken.append(answer.seconds)

    await asyncio.gather(*(talk(next(instances)) for _ in range(conversations)))
    return taken


async def _burst(one: Running, name: str, wait_seconds: float, figures: Figures) -> None:
    tokens = [one.token() for _ in range(BURST_USERS)]
    await asyncio.gather(*(one.send(tokens[0], message="hello") for _ in range(8)))  # what is made once is made
    before, peak = one.resident_kib(), 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, one.resident_kib())
            await asyncio.sleep(0.5)

    watching = asyncio.ensure_future(watch())
    began = time.perf_counter()
    answers: list[Answer] = await asyncio.gather(
        *(
            one.ask(token, message="hello", wait_seconds=wait_seconds)
            for token in tokens
            for _ in range(BURST // BURST_USERS)
        )
    )
    figures[f"{name}_seconds"] = round(time.perf_counter() - began, 1)
    watching.cancel()
    figures[f"{name}_failed"] = sum(answer.status not in (200, 202) for answer in answers)
    figures[f"{name}_final"] = sum(answer.status == 200 for answer in answers)
    figures[f"{name}_kib_per_message"] = round(max(peak - before, 0) / BURST, 1)


if __name__ == "__main__":
    asyncio.run(measure()).show()
