"""What a waiting request costs in memory: `python -m bench.waiting`. Promised: at most 64 KiB each.

They wait behind runs that never end, 49 behind each, on one instance.
"""

from __future__ import annotations

import asyncio
import uuid

from bench.stack import Running, running

COUNTS = (500, 1000)
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


async def measure() -> dict[str, float]:
    """KiB a waiting request, by how many wait."""
    found = {}
    for count in COUNTS:
        async with running(**SETTINGS) as one:
            found[f"waiting_kib_{count}"] = round(await _cost(one, count), 1)
    return found


async def _cost(one: Running, count: int) -> float:
    tokens = [one.token(str(uuid.uuid4())) for _ in range(count // QUEUE)]
    # whatever is made once is made before
    await asyncio.gather(*(one.send(token, message="hello") for token in tokens))
    before = one.resident_kib()
    turns = await asyncio.gather(*(_queue(one, token) for token in tokens))
    waiting = []
    for token, ids in zip(tokens, turns, strict=True):
        for turn_id in ids:
            reader, writer = await one.open(token, "GET", f"/turns/{turn_id}?wait_seconds=600")
            waiting.append((asyncio.ensure_future(reader.read()), writer))
            await asyncio.sleep(PACE_SECONDS)
    await asyncio.sleep(QUIET_SECONDS)
    after, still = one.resident_kib(), sum(not answer.done() for answer, _ in waiting)
    for answer, writer in waiting:
        writer.close()
        answer.cancel()
    if still < 0.9 * count:
        raise RuntimeError(f"only {still} of {count} still waited: this machine is too busy")
    return (after - before) / still


async def _queue(one: Running, token: str) -> list[str]:
    """A run that never ends and those behind it, all accepted and none waited for."""
    conversation, ids = str(uuid.uuid4()), []
    for text in ["[[never]] hold the line", *["next, please"] * (QUEUE - 1)]:
        answer = await one.send(token, message=text, conversation_id=conversation, wait_seconds=0)
        ids.append(str(answer["turn_id"]))
    return ids


if __name__ == "__main__":
    print(asyncio.run(measure()))
