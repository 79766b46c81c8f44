"""Whether the client of a request that waits is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from functions.asgi.call import call_of

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T | None:
    """The result of `work`; None, with the work cancelled, once the client has closed its half of the connection.

    It may have closed all of it, and may as well be reading: it is to be answered at once. Raises ClientDisconnect
    where the connection is known to be gone.
    """
    working = asyncio.ensure_future(work)
    half_closed = asyncio.ensure_future(call_of(request).client_done.wait())
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((working, half_closed, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if gone.done():
            raise ClientDisconnect
        return None
    finally:
        for future in (working, half_closed, gone):
            future.cancel()
        await asyncio.wait((working,))


async def _disconnected(request: Request) -> None:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("more_body", False):
            await asyncio.Event().wait()  # a body that nothing reads is not taken off the connection here
