"""What the function adds before a stream's first words: `python -m bench.first_token`. Ratios, both sides in one run.

- first token: from sending a message to the first piece of its answer, against a stream opened at the provider itself
- stream: from sending it to the end of the stream, against the same
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx

from bench.figures import Figures
from bench.stack import Running, running

ROUNDS = 15
WIRES = ("responses", "assistants")
TEXT = "say some words that come one by one"
SETTINGS = {"EMULATOR_LATENCY_SECONDS": "1.0", "MESSAGES_PER_MINUTE": "100000", "LOG_LEVEL": "WARNING"}

Stream = tuple[str, dict[str, Any]]  # path and body


async def measure() -> Figures:
    figures = Figures()
    for wire in WIRES:
        async with running({**SETTINGS, "PROVIDER": wire}) as one:
            headers = {"authorization": "Bearer bench", "openai-beta": "assistants=v2"}
            async with httpx.AsyncClient(base_url=one.stack.openai, headers=headers, trust_env=False) as provider:
                figures |= await _rounds(one, provider, wire)
    return figures


async def _rounds(one: Running, provider: httpx.AsyncClient, wire: str) -> dict[str, float]:
    token, conversation, stream = one.token(str(uuid.uuid4())), str(uuid.uuid4()), await _stream_of(provider, wire)
    ours, theirs = [], []
    for _ in range(1 + ROUNDS):
        ours.append(await _timed(_through(one, token, conversation), b'"type":"text-delta"'))
        theirs.append(await _timed(_alone(provider, stream), b"delta\n"))
    # what is made once is made in the first round
    (our_first, our_end), (first, end) = _medians(ours[1:]), _medians(theirs[1:])
    return {
        f"{wire}_first_token_ratio": round(our_first / first, 3),
        f"{wire}_first_token_added_ms": round((our_first - first) * 1000, 1),
        f"{wire}_stream_ratio": round(our_end / end, 3),
        f"{wire}_stream_added_ms": round((our_end - end) * 1000, 1),
    }


async def _timed(stream: AsyncIterator[bytes], first: bytes) -> tuple[float, float]:
    """Seconds to the first words and to the end. Raises RuntimeError where there were none."""
    began, arrived, begun = time.perf_counter(), b"", None
    async for piece in stream:
        arrived += piece
        if begun is None and first in arrived:
            begun = time.perf_counter() - began
    if begun is None:
        raise RuntimeError(arrived.decode())
    return begun, time.perf_counter() - began


def _medians(taken: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(begun for begun, _ in taken), statistics.median(ended for _, ended in taken)


async def _through(one: Running, token: str, conversation: str) -> AsyncIterator[bytes]:
    reader, writer = await one.open(token, accept="text/event-stream", message=TEXT, conversation_id=conversation)
    while piece := await reader.read(65536):
        yield piece
    writer.close()


async def _alone(provider: httpx.AsyncClient, stream: Stream) -> AsyncIterator[bytes]:
    path, body = stream
    async with provider.stream("POST", path, json=body) as answer:
        async for piece in answer.raise_for_status().aiter_bytes():
            yield piece


async def _stream_of(provider: httpx.AsyncClient, wire: str) -> Stream:
    """What opens a stream at the provider, in a thread that is there already."""
    model = {"model": "emulated-model"}
    if wire == "responses":
        place = (await provider.post("/conversations", json={})).json()["id"]
        return "/responses", {**model, "input": TEXT, "conversation": place, "background": True, "stream": True}
    assistant = (await provider.post("/assistants", json=model)).json()["id"]
    thread = (await provider.post("/threads", json={})).json()["id"]
    messages = [{"role": "user", "content": TEXT}]
    body = {"assistant_id": assistant, "additional_messages": messages, "stream": True}
    return f"/threads/{thread}/runs", body


if __name__ == "__main__":
    asyncio.run(measure()).show()
