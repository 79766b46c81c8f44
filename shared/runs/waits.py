"""How work on a run waits: every wait of a held turn keeps its lease alive, one inside such a wait needs not."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from shared.ports import Clock

T = TypeVar("T")


class Waits(Protocol):
    """A held turn is one: its waits heartbeat, and end where the lease is lost or the turn is stopped."""

    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class PlainWaits:
    """For work inside `HeldTurn.keep`, which keeps the lease alive already."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
