"""In-process "something changed in this conversation" signals. A hint that saves a poll, never the truth."""

from __future__ import annotations

import asyncio
import contextlib


class LocalWakeups:
    """One future a waiting conversation, shared by all who wait for it; gone when the last of them has left."""

    def __init__(self) -> None:
        self._signals: dict[str, tuple[asyncio.Future[None], int]] = {}

    def notify(self, conversation_id: str) -> None:
        signal = self._signals.pop(conversation_id, None)
        if signal is not None and not signal[0].done():
            signal[0].set_result(None)

    async def wait(self, conversation_id: str, seconds: float) -> None:
        future, waiting = self._signals.get(conversation_id) or (asyncio.get_running_loop().create_future(), 0)
        self._signals[conversation_id] = (future, waiting + 1)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(future), seconds)
        finally:
            self._leave(conversation_id, future)

    def _leave(self, conversation_id: str, future: asyncio.Future[None]) -> None:
        current, waiting = self._signals.get(conversation_id, (None, 0))
        if current is not future:
            return
        if waiting > 1:
            self._signals[conversation_id] = (future, waiting - 1)
        else:
            del self._signals[conversation_id]
