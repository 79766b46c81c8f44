"""A create on a server that has shown nothing yet: it may answer at once, or only when its run is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from shared.core.errors import ProviderError
from shared.core.runs import RunState
from shared.ports import Clock
from shared.providers.wire import Answer

PROBE_SECONDS = 1.0


async def created_or_found(
    create: Coroutine[Any, Any, Answer],
    look: Callable[[], Awaitable[RunState | None]],
    clock: Clock,
    patience_seconds: float,
) -> Answer | RunState:
    """The create's answer, however late; or the run itself, once `look` shows it and the answer must have been lost.

    The looks begin after `patience_seconds`; a look that fails says nothing. The create keeps its own deadline.
    """
    task = asyncio.ensure_future(create)
    pause = patience_seconds
    try:
        while not await _done_within(task, clock, pause):
            pause = PROBE_SECONDS
            with contextlib.suppress(ProviderError):
                found = await look()
                if found is not None and not task.done():
                    return found
        return await task
    finally:
        await _stopped(task)


async def _done_within(task: asyncio.Future[Answer], clock: Clock, seconds: float) -> bool:
    pause = asyncio.ensure_future(clock.sleep(seconds))
    try:
        both: set[asyncio.Future[Any]] = {task, pause}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _stopped(pause)
    return task.done()


async def _stopped(task: asyncio.Future[Any]) -> None:
    """Cancel what has not ended and take its outcome, so that none is left unheard."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
