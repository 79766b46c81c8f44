"""Time and hints, as the core needs them."""

from __future__ import annotations

from typing import Protocol

from shared.core.turns import ConversationKey


class Clock(Protocol):
    """Monotonic seconds and a way to let them pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Wakeups(Protocol):
    """In-process "something changed in this conversation" signals: a hint, never the truth."""

    def notify(self, conversation: ConversationKey) -> None: ...

    async def wait(self, conversation: ConversationKey, seconds: float) -> None:
        """Return when notified, and after `seconds` at the latest."""
        ...
