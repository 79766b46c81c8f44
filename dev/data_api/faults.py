"""What a hosted project answers now and then, brought about on purpose.

The pool, the time-outs and the schema cache bring about their answers themselves where a test makes them; these come
without the load, the clock skew or the outage that is behind them at a hosted project.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal, get_args

from dev.data_api.errors import ApiError, claims_refused, connection_lost, no_schema_cache, pool_exhausted

FaultName = Literal["pool", "schema", "connection", "timeout", "connections", "token", "gateway"]
FAULTS: tuple[FaultName, ...] = get_args(FaultName)
GATEWAY_STATUS = 522
GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>522: Connection timed out</title></head><body></body></html>"


def error_of(name: FaultName) -> ApiError | None:
    """The answer in PostgREST's form; None for the gateway's, which is a page of HTML."""
    match name:
        case "pool":
            return pool_exhausted()
        case "schema":
            return no_schema_cache()
        case "connection":
            return connection_lost("server closed the connection unexpectedly")
        case "timeout":
            return ApiError(500, "57014", "canceling statement due to statement timeout")
        case "connections":
            return ApiError(503, "53300", "sorry, too many clients already")
        case "token":
            return claims_refused("JWT issued at future")
        case "gateway":
            return None


@dataclass
class Faults:
    """`upcoming` strike the next calls, one each. With `every` N, each Nth call has one, all kinds in turn."""

    every: int = 0
    upcoming: deque[FaultName] = field(default_factory=deque)
    _calls: int = 0
    _kinds: cycle[FaultName] = field(default_factory=lambda: cycle(FAULTS))

    def strike(self) -> FaultName | None:
        """Counts a call, and says what strikes it."""
        if self.upcoming:
            return self.upcoming.popleft()
        self._calls += 1
        if self.every and self._calls % self.every == 0:
            return next(self._kinds)
        return None
