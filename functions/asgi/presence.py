"""Whether the client of a request that waits is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.requests import Request

from functions.asgi.call import call_of

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T | None:
    """The result of `work`; None, with the work cancelled, once the client has closed its half of the connection.

    It may have closed all of it, and may as well be reading: it is to be answered at once.
    """
    over = False

    def leave(done: asyncio.Future[Any]) -> None:
        if not (over or done.cancelled()):
            limit.reschedule(asyncio.get_running_loop().time())

    limit = asyncio.timeout(None)  # and no task beside this one for the work: hundreds of requests wait
    leaving = asyncio.ensure_future(call_of(request).client_done.wait())
    leaving.add_done_callback(leave)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        return None
    finally:
        over = True
        leaving.cancel()
