"""The store, as the core needs it."""

from __future__ import annotations

from typing import Protocol

from shared.ports.agents import Agents
from shared.ports.image_store import ImageStore
from shared.ports.left_records import LeftRecords
from shared.ports.outbox import Outbox
from shared.ports.turn_queue import TurnQueue
from shared.ports.turn_statistics import TurnStatistics
from shared.ports.user_conversations import UserConversations

# The migration that this code was written for. A database whose version sorts before it lacks what is called here.
SCHEMA_VERSION = "20261129000510"


class Store(TurnQueue, UserConversations, Agents, ImageStore, LeftRecords, TurnStatistics, Outbox, Protocol):
    """The queue, which is the transcript. Raises StoreUnavailable beside what each method names.

    Every call is safe to repeat when its answer was lost, and the adapter does so a bounded number of times.
    Times are the database's own; what returns is relative (milliseconds), never to be compared with a local clock.
    """

    async def ping(self) -> bool: ...

    async def schema_version(self) -> str:
        """The version of the last migration that the database has, to be compared with SCHEMA_VERSION."""
        ...
