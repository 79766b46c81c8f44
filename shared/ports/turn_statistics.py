"""What operators see of all turns, as it is stored. Never the text of a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.core.model import JsonObject


@dataclass(frozen=True, slots=True)
class OpenTurns:
    """How many there are of all users, and how long the oldest has been open."""

    count: int
    oldest_ms: int


class TurnStatistics(Protocol):
    """Raises StoreUnavailable beside what each method names."""

    async def get_statistics(self, window_seconds: int, bucket_seconds: int) -> JsonObject:
        """Counts and percentiles of each bucket and of the whole window, as `core.statistics` reads them."""
        ...

    async def list_watched(self, state: str, limit: int) -> list[JsonObject]:
        """Turns that are `open` (the longest waiting first), have `failed` or were `slow` (the newest first)."""
        ...

    async def list_feedback(self, limit: int) -> JsonObject:
        """What people think of answers: `agents` with their numbers of good and bad ones, and the newest `feedback`."""
        ...

    async def tidy_events(self) -> OpenTurns:
        """Count what is over, and give up events that are a week old: once a minute is enough."""
        ...

    async def get_timeline(self, turn_id: str) -> tuple[JsonObject, list[JsonObject]]:
        """A turn, of any user, and its events in order. Raises NotFound."""
        ...
