"""An event loop whose time passes only when nothing else is left to do, and whose order is a seed's choice."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Mapping
from typing import Any

START = 1000.0  # the loop's first moment, in virtual seconds


class Deadlock(RuntimeError):
    """Everybody waits and no timer is set: in a real process this would hang for ever."""


class _Selector(selectors.BaseSelector):
    """Knows no sockets; where the loop would sleep, it turns the clock on."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}
        self.now = START

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
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class SimLoop(asyncio.SelectorEventLoop):
    _ready: Any
    _clock_resolution: float

    def __init__(self, seed: int) -> None:
        self._selector_clock = _Selector()
        super().__init__(self._selector_clock)
        self._clock_resolution = 1e-9
        self._order = random.Random(f"order {seed}")

    def time(self) -> float:
        return self._selector_clock.now

    def _run_once(self) -> None:
        if len(self._ready) > 1:
            ready = list(self._ready)
            self._order.shuffle(ready)
            self._ready.clear()
            self._ready.extend(ready)
        super()._run_once()  # type: ignore[misc]  # the loop's own step, which the stubs do not show
