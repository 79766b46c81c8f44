"""Cancel the run in the way, then try to create after 2, 4 and 8 seconds."""

from __future__ import annotations

import asyncio

from bench.provider import Provider

PAUSES = (2.0, 4.0, 8.0)


async def take(provider: Provider, conversation: str, active_run: str) -> None:
    """Raises RuntimeError where the conversation is still locked after the last pause."""
    await provider.cancel(active_run)
    for pause in PAUSES:
        await asyncio.sleep(pause)
        if await provider.create(conversation) is not None:
            return
    raise RuntimeError("the conversation stayed locked")
