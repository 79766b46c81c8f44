"""What the scheduled function works through: what has expired, and what is left at a provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.runs import Thread
from shared.ports.records import Expiry, LeftRun, RemoteObject


class LeftRecords(Protocol):
    """Raises StoreUnavailable."""

    async def expire_conversations(self, ttl_seconds: float, retention_seconds: float, limit: int) -> Expiry:
        """Close those without a message for so long, or for as long as their scope says, and delete; 0 is never."""
        ...

    async def list_ended_threads(self, limit: int) -> Sequence[Thread]:
        """Threads that no conversation and no asked agent needs any more, but for those put off; the oldest first."""
        ...

    async def drop_thread(self, thread: Thread) -> None:
        """It is deleted at the provider."""
        ...

    async def defer_thread(self, thread: Thread) -> None:
        """The provider did not delete it: it is listed again after a pause, which doubles from a minute to a day."""
        ...

    async def list_left_runs(self, limit: int) -> Sequence[LeftRun]:
        """Of conversations that are gone, but for those put off; the longest left first."""
        ...

    async def drop_left_run(self, run: LeftRun) -> None:
        """It has ended."""
        ...

    async def defer_left_run(self, run: LeftRun) -> None:
        """It has not: it is listed again after a pause, which doubles from a minute to a day."""
        ...

    async def list_ended_objects(self, limit: int) -> Sequence[RemoteObject]:
        """What providers keep that need not be kept, but for what is put off; the longest ended first."""
        ...

    async def drop_object(self, remote: RemoteObject) -> None:
        """It is deleted at its provider, or was never made."""
        ...

    async def defer_object(self, remote: RemoteObject) -> None:
        """The provider did not delete it: it is listed again after a pause, which doubles from a minute to a day."""
        ...
