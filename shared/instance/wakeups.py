"""In-process "something changed in this conversation" signals. A hint that saves a poll, never the truth."""

from __future__ import annotations

import asyncio
import contextlib

from shared.core.turns import ConversationKey


class LocalWakeups:
    """One future a conversation, shared by all requests that wait for it; it goes with the last of them."""

    def __init__(self) -> None:
        self._signals: dict[ConversationKey, tuple[asyncio.Future[None], int]] = {}

    def notify(self, conversation: ConversationKey) -> None:
        signal = self._signals.pop(conversation, None)
        if signal is not None and not signal[0].done():
            signal[0].set_result(None)

    async def wait(self, conversation: ConversationKey, seconds: float) -> None:
        future, waiting = self._signals.get(conversation) or (asyncio.get_running_loop().create_future(), 0)
        self._signals[conversation] = (future, waiting + 1)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(future), seconds)
        finally:
            self._leave(conversation, future)

    def _leave(self, conversation: ConversationKey, future: asyncio.Future[None]) -> None:
        current, waiting = self._signals.get(conversation, (None, 0))
        if current is not future:
            return
        if waiting > 1:
            self._signals[conversation] = (future, waiting - 1)
        else:
            del self._signals[conversation]
