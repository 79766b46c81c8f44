"""The application on a real socket."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from dev.data_api.app import DataApi
from dev.ports import HOST


@contextlib.asynccontextmanager
async def serving(api: DataApi, port: int = 0) -> AsyncIterator[int]:
    """The port on which it answers, from when the schema cache is loaded. Raises OSError where it cannot listen."""
    # The protocol is named: asyncio sends at once only on such sockets, on others an answer may wait 40 ms for an ACK.
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        config = uvicorn.Config(api, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        async with api.running():
            await api.schema_cache.loaded.wait()
            await server.startup(sockets=[listener])
            try:
                yield listener.getsockname()[1]
            finally:
                server.force_exit = True
                await server.shutdown(sockets=[listener])
