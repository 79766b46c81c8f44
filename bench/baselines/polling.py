"""Ask for the status of the run in the way every two seconds until it is terminal, then create."""

from __future__ import annotations

import asyncio

from bench.provider import ENDED, Provider

POLL_SECONDS = 2.0


async def take(provider: Provider, conversation: str, active_run: str) -> None:
    while await provider.status(active_run) not in ENDED:  # noqa: ASYNC110 - polling is what is measured
        await asyncio.sleep(POLL_SECONDS)
    await provider.create_and_follow(conversation)
