"""An event loop whose time passes only when nothing else is left to do, and whose order is a seed's choice.

Timers of a frozen process do not fire before it goes on: then all that are due do, among everything else it missed.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

START = 1000.0  # the loop's first moment, in virtual seconds


class Deadlock(RuntimeError):
    """All tasks wait and no timer is set: in a real process this would hang for ever."""


class _Selector(selectors.BaseSelector):
    """Knows no sockets; where the loop would sleep, it turns the clock on."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}
        self.now = START
        self.thaw: Callable[[], None] = lambda: None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[number] = key = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is scheduled any more")
        self.now += max(timeout, 0)
        self.thaw()
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class SimLoop(asyncio.SelectorEventLoop):
    _ready: Any
    _scheduled: Any
    _clock_resolution: float

    def __init__(self, seed: int) -> None:
        self._selector_clock = _Selector()
        super().__init__(self._selector_clock)
        self._clock_resolution = 1e-9
        self._order = random.Random(f"order {seed}")
        self._selector_clock.thaw = self._put_off
        self.frozen_until: Callable[[Context], float] = lambda _: 0.0  # whose timer it is tells the context

    def time(self) -> float:
        return self._selector_clock.now

    def _run_once(self) -> None:
        if len(self._ready) > 1:
            ready = list(self._ready)
            self._order.shuffle(ready)
            self._ready.clear()
            self._ready.extend(ready)
        super()._run_once()  # type: ignore[misc]  # the loop's own step, which the stubs do not show

    def _put_off(self) -> None:
        """Due timers of frozen processes, to the moment they go on."""
        now, put_off = self.time(), []
        while self._scheduled and self._scheduled[0].when() <= now + self._clock_resolution:
            handle = heapq.heappop(self._scheduled)
            handle._when = max(handle.when(), self.frozen_until(handle._context))
            put_off.append(handle)
        for handle in put_off:
            heapq.heappush(self._scheduled, handle)
