"""Time and hints, as the core needs them."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds and a way to let them pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Wakeups(Protocol):
    """In-process "something changed in this conversation" signals: a hint, never the truth."""

    def notify(self, conversation_id: str) -> None: ...

    async def wait(self, conversation_id: str, seconds: float) -> None:
        """Return when notified or after `seconds`, whichever comes first."""
        ...
