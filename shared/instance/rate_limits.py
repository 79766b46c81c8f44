"""When the providers of this process take creates again, after they have refused one for coming too soon.

Where the provider names a time, no create is sent before it. Where it names none, the pause doubles with every burst of
refusals, with full jitter: it is drawn between nothing and the longest. A limiter may count the creates that it
refuses, so all turns of the process share one pause, and behind it one create at a time tries whether it is over.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from shared.ports import Clock

FIRST_SECONDS = 1.0  # half of what the first pause may last
LONGEST_SECONDS = 60.0
LEAST_SECONDS = 0.1

LimitKey = tuple[str, str]
"""Provider and model: limits are counted for each of them."""


@dataclass(slots=True)
class _Limit:
    opens_at: float = 0.0
    bursts: int = 0  # of refusals without a time, less what was accepted since
    refused_at: float = float("-inf")


class RateLimits:
    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` draws a number from 0 to 1."""
        self._clock, self._jitter = clock, jitter
        self._limits: dict[LimitKey, _Limit] = {}

    def wait_seconds(self, key: LimitKey) -> float:
        """How long a create has to wait; 0: it may be sent now, and others wait for what comes of it."""
        limit = self._limits.get(key)
        if limit is None:
            return 0.0
        now = self._clock.now()
        if now < limit.opens_at:
            return limit.opens_at - now + self._pause(limit) * (limit.bursts > 0)
        if limit.bursts:
            limit.opens_at = now + self._pause(limit)
        return 0.0

    def refused(self, key: LimitKey, sent_at: float, told_seconds: float | None) -> float:
        """A create sent at `sent_at` came too soon. Returns the seconds until the next try of its turn."""
        limit = self._limits.setdefault(key, _Limit())
        now = self._clock.now()
        if told_seconds is not None:
            seconds = max(told_seconds, LEAST_SECONDS)
        else:
            if sent_at > limit.refused_at:  # else it was sent before the pause began that it would make longer
                limit.bursts, limit.refused_at = limit.bursts + 1, now
            seconds = self._pause(limit)
        limit.opens_at = max(limit.opens_at, now + seconds)
        return seconds

    def accepted(self, key: LimitKey) -> None:
        """A create was taken: the next pause is half as long."""
        limit = self._limits.get(key)
        if limit is None:
            return
        limit.bursts = max(limit.bursts - 1, 0)
        if not limit.bursts and limit.opens_at <= self._clock.now():
            del self._limits[key]

    def _pause(self, limit: _Limit) -> float:
        longest = min(FIRST_SECONDS * 2.0**limit.bursts, LONGEST_SECONDS)
        return max(longest * self._jitter(), LEAST_SECONDS)
