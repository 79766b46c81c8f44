"""Event streams: a log that any number of readers follow from any point, and its bytes on the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from dev.emulator import errors
from dev.emulator.connection import reset_connection
from dev.emulator.event_log import Event
from dev.emulator.request import emulator_of

"""The last event of the thread wire; responses end with their terminal event instead."""


def wants_stream(request: Request, wanted: object) -> bool:
    """Whether the answer is a stream, on this server."""
    config = emulator_of(request).config
    if wanted and config.stream == "refuse":
        raise errors.no_streams()
    return bool(wanted) and config.stream == "on"


def stream(request: Request, events: AsyncIterator[Event]) -> StreamingResponse:
    config = emulator_of(request).config

    async def encoded() -> AsyncIterator[bytes]:
        sent = 0
        async with contextlib.aclosing(events) as following:  # type: ignore[type-var]
            async for event in following:
                if sent == config.stream_breaks_after:
                    reset_connection(request.scope)
                if sent in (config.stream_breaks_after, config.stream_silent_after):
                    await asyncio.Event().wait()
                yield event.encode()
                sent += 1

    return StreamingResponse(encoded(), media_type="text/event-stream", headers={"cache-control": "no-cache"})
