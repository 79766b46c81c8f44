"""Ten times as many messages as one instance takes: `python -m bench.overload`. Promised: the excess refused in 50 ms.

The places are taken by messages that take seconds to answer. Meanwhile ten times as many come, as many at once as there
are places, so that it is the function that is measured and not how many connections its callers can open at once.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from bench.figures import Figures
from bench.stack import SETTINGS, Answer, Running, running

PLACES, TIMES, ROUNDS = 20, 10, 3
SLOW = "[[slow 5]] hold a place"


async def measure() -> Figures:
    """Milliseconds until the excess was refused and of the processor for it, admitted that were not served, memory."""
    figures = Figures()
    async with running({**SETTINGS, "MAX_CONCURRENT_REQUESTS": str(PLACES)}) as one:
        tokens = [one.token() for _ in range(PLACES * TIMES)]
        await _round(one, tokens)  # what is made once is made
        before, refused, failed, busy = one.resident_kib(), list[Answer](), 0, 0.0
        for _ in range(ROUNDS):
            served, over, seconds = await _round(one, tokens)
            refused += over
            busy += seconds
            failed += sum(answer.status != 200 for answer in served)
        figures["overload_memory_ratio"] = round(one.resident_kib() / before, 3)
    figures["overload_refused_cpu_ms"] = round(1000 * busy / len(refused), 2)
    taken = [answer.seconds * 1000 for answer in refused]
    figures["overload_refused_ms"] = round(statistics.median(taken), 1)
    figures["overload_refused_p95_ms"] = round(statistics.quantiles(taken, n=20)[-1], 1)
    figures["overload_taken"] = sum(answer.status != 503 for answer in refused)
    figures["overload_failed"] = failed
    return figures


async def _round(one: Running, tokens: list[str]) -> tuple[list[Answer], list[Answer], float]:
    """What was admitted, what was over, and the function's seconds of the processor while that was refused."""
    admitted = [asyncio.ensure_future(one.ask(token, message=SLOW, wait_seconds=30)) for token in tokens[:PLACES]]
    await asyncio.sleep(1.5)  # they have their places
    at_once, over = asyncio.Semaphore(PLACES), list[Answer]()

    async def send(token: str) -> None:
        async with at_once:
            over.append(await one.ask(token, message="hello", wait_seconds=0))

    began, before = time.perf_counter(), one.cpu_seconds("function")
    await asyncio.gather(*(send(token) for token in tokens))
    if time.perf_counter() - began > 3.0:
        raise RuntimeError("the places were free again before all had come: this machine is too busy")
    busy = one.cpu_seconds("function") - before
    return list(await asyncio.gather(*admitted)), over, busy


if __name__ == "__main__":
    asyncio.run(measure()).show()
