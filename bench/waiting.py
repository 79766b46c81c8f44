"""What a waiting request costs in memory: `python -m bench.waiting`. Promised: at most 64 KiB each.

They wait behind runs that never end, 49 behind each, on one instance; or watch such runs in an event stream, 50 each.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from bench.figures import Figures
from bench.stack import Running, running

WAITING = (500, 1000)
WATCHING = (500,)
QUEUE = 50  # one runs, the others wait
SETTINGS = {
    "MAX_OPEN_TURNS": "60",
    "MESSAGES_PER_MINUTE": "100000",
    "MAX_CONCURRENT_REQUESTS": "1200",
    "WAIT_BUDGET_SECONDS": "600",
    "RUN_BUDGET_SECONDS": "900",
    "POLL_MIN_SECONDS": "5",  # memory is measured, not how many polls a database on the same machine can take
    "POLL_MAX_SECONDS": "20",
    "LOG_LEVEL": "WARNING",
}
PACE_SECONDS = 0.03  # between two requests, so that the database answers them all
QUIET_SECONDS = 5.0  # after the last has been sent
NEVER = "[[never]] hold the line"
JSON, EVENT_STREAM = "application/json", "text/event-stream"

Wanted = tuple[str, str]  # whose token, and the path
Prepare = Callable[[Running, list[str]], Awaitable[list[Wanted]]]


async def measure() -> Figures:
    """KiB a request that waits or watches, by how many there are."""
    found = Figures()
    for count in WAITING:
        async with running(SETTINGS) as one:
            found[f"waiting_kib_{count}"] = round(await _cost(one, count, _turns), 1)
    for count in WATCHING:
        async with running(SETTINGS) as one:
            found[f"watching_kib_{count}"] = round(await _cost(one, count, _runs, EVENT_STREAM), 1)
    return found


async def _cost(one: Running, count: int, prepare: Prepare, accept: str = JSON) -> float:
    tokens = [one.token(str(uuid.uuid4())) for _ in range(count // QUEUE)]
    # what is made once is made before
    await asyncio.gather(*(one.send(token, message="hello") for token in tokens))
    before, waiting = one.resident_kib(), []
    for token, path in await prepare(one, tokens):
        reader, writer = await one.open(token, "GET", f"{path}?wait_seconds=600", accept)
        waiting.append((asyncio.ensure_future(_to_end(reader)), writer))
        await asyncio.sleep(PACE_SECONDS)
    await asyncio.sleep(QUIET_SECONDS)
    after, still = one.resident_kib(), sum(not answer.done() for answer, _ in waiting)
    for answer, writer in waiting:
        writer.close()
        answer.cancel()
    if still < 0.9 * count:
        raise RuntimeError(f"only {still} of {count} still waited: this machine is too busy")
    return (after - before) / still


async def _to_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def _turns(one: Running, tokens: list[str]) -> list[Wanted]:
    """To wait for: each behind others in a queue, or at its head."""
    queues = await asyncio.gather(*(_queue(one, token) for token in tokens))
    return [(token, f"/turns/{turn}") for token, ids in zip(tokens, queues, strict=True) for turn in ids]


async def _runs(one: Running, tokens: list[str]) -> list[Wanted]:
    """To watch: the streams of conversations in which a run is under way."""
    wanted = []
    for token in tokens:
        conversation = str(uuid.uuid4())
        await one.send(token, message=NEVER, conversation_id=conversation, wait_seconds=0)
        wanted += [(token, f"/conversations/{conversation}/stream")] * QUEUE
    return wanted


async def _queue(one: Running, token: str) -> list[str]:
    """A run that never ends and those behind it, all accepted and none waited for."""
    conversation, ids = str(uuid.uuid4()), []
    for text in [NEVER, *["next, please"] * (QUEUE - 1)]:
        answer = await one.send(token, message=text, conversation_id=conversation, wait_seconds=0)
        ids.append(str(answer["turn_id"]))
    return ids


if __name__ == "__main__":
    asyncio.run(measure()).show()
