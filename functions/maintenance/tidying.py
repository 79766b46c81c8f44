"""What is done about conversations that are old or gone: rows first, then what their providers have of them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from functions.maintenance.delete_objects import DeletingObjects, EndedObjects, ObjectDeletion
from functions.maintenance.delete_threads import Deleting, EndedThreads, ThreadDeletion
from functions.maintenance.end_runs import Ending, LeftRunEnds, LeftRuns
from functions.maintenance.expire import Expiring, OldConversations
from shared.ports import Clock


class TidiedService(Expiring, Ending, Deleting, DeletingObjects, Protocol):
    """What tidying needs of shared.chat.ChatService."""


class TidiedRecords(LeftRuns, EndedThreads, EndedObjects, Protocol):
    """What it needs of the Store."""


class Tidying:
    """Each step of it is safe to be interrupted, and to be taken by two calls at once: the next call goes on."""

    def __init__(self, store: TidiedRecords, service: TidiedService, clock: Clock) -> None:
        self._old = OldConversations(service)
        self._runs, self._threads = LeftRunEnds(store, service, clock), ThreadDeletion(store, service, clock)
        self._objects = ObjectDeletion(store, service)
        self._clock = clock

    async def run(self, deadline: float) -> dict[str, int]:
        """Counts of what was done by `deadline`, which is on the clock of the service. Raises StoreUnavailable."""
        old = await self._old.run(deadline)
        now = self._clock.now()
        ended = await self._runs.run(now + (deadline - now) / 2)  # those that do not end leave time for the others
        threads, objects = await asyncio.gather(self._threads.run(deadline), self._objects.run(deadline))
        return {
            "archived": old.archived,
            "deleted": old.deleted,
            "runs_ended": ended,
            "threads_deleted": threads,
            "objects_deleted": objects,
        }
