"""How many requests are inside at once, and when one that is turned away may come back."""

from __future__ import annotations

from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError
from shared.ports import Clock

FIRST_SECONDS = 2.0  # told while no request has left a full instance yet
LEAST_SECONDS, MOST_SECONDS = 1.0, 30.0
SMOOTHING = 0.1  # of each new gap in the average


class RequestCap:
    """Above `most` each request is told a time of its own: when places for it and for those before it will be free."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock, self._inside = most, clock, 0
        self._gap: float | None = None  # seconds until one leaves where all places are taken, on average
        self._full_at = self._promised_at = float("-inf")

    def enter(self) -> None:
        """Raises ChatError (`overloaded`)."""
        if self._inside >= self._most:
            raise ChatError(code=ErrorCode.OVERLOADED, retryable=True, retry_after=self._retry_seconds())
        self._inside += 1
        if self._inside == self._most:
            self._full_at = self._clock.now()

    def leave(self) -> None:
        if self._inside == self._most:  # the gaps of an idle hour say nothing of a crowd
            gap = self._clock.now() - self._full_at
            self._gap = gap if self._gap is None else self._gap + SMOOTHING * (gap - self._gap)
        self._inside -= 1

    def _retry_seconds(self) -> float:
        if self._gap is None:
            return FIRST_SECONDS
        now = self._clock.now()
        self._promised_at = min(max(now, self._promised_at) + self._gap, now + MOST_SECONDS)
        return max(self._promised_at - now, LEAST_SECONDS)
