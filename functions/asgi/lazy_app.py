"""An app that its first request puts together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

Compose = Callable[[], Awaitable[ASGIApp]]


class LazyApp:
    """What is put together by the first request; a failure is that request's, the next one tries again."""

    def __init__(self, compose: Compose) -> None:
        self._compose = compose
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    self._app = await self._composed()
        await self._app(scope, receive, send)

    async def _composed(self) -> ASGIApp:
        """Made without looking for garbage: modules stay, and looking through them takes a tenth of the time."""
        collects = gc.isenabled()
        gc.disable()
        try:
            return await self._compose()
        finally:
            if collects:
                gc.enable()
