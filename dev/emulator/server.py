"""The socket: uvicorn inside the loop that runs already, ready when entered, gone when left."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dev.emulator.app import build_app
from dev.emulator.state import Emulator

CLOSE_SECONDS = 1.0
"""How long open requests may take to notice that their connections are gone."""


class Protocol(H11Protocol):
    """Sends at once, and hands the connection to the application, so that a fault can reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol; without it every answer waits 40 ms for an ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}


@contextlib.asynccontextmanager
async def serving(emulator: Emulator, host: str, port: int) -> AsyncIterator[int]:
    """Serves until the block is left; yields the port, a free one for port 0."""
    listener = socket.create_server((host, port))
    config = uvicorn.Config(
        build_app(emulator),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        emulator.reset()
        await _close(server)
        listener.close()


async def _close(server: uvicorn.Server) -> None:
    # Not uvicorn's own shutdown: it waits politely in steps of 0.1 s, and for clients that hang on purpose for ever.
    for each in server.servers:
        each.close()
    for connection in list(server.server_state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    open_requests = set(server.server_state.tasks)
    if open_requests:
        _, late = await asyncio.wait(open_requests, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
    for each in server.servers:
        await each.wait_closed()
