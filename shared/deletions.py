"""The part of ChatService that deletes conversations, and what providers have left of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import StoreUnavailable
from shared.core.model import User
from shared.core.runs import Thread
from shared.core.turns import ConversationKey
from shared.instance.instance import Instance
from shared.ports import Deletion, Expiry, LeftRun, RemoteObject
from shared.turn.serve import TurnServer

DELETED_AT_ONCE = 50  # conversations in one transaction
END_LEFT_SECONDS = 2.0  # what the deletion of a conversation waits for the end of its runs


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """How long conversations are kept without a message, and after they were closed; 0 is for ever."""

    conversation_ttl_seconds: float = 0.0  # CONVERSATION_TTL_HOURS
    retention_seconds: float = 0.0  # RETENTION_DAYS


class Deletions:
    def __init__(self, instance: Instance, server: TurnServer, ages: AgeLimits) -> None:
        self._instance, self._server, self._ages = instance, server, ages

    async def delete_conversation(self, user: User, conversation_id: str, deadline: float) -> None:
        """All of it is gone at once; until the deadline this asks for the end of its runs. Raises NotFound."""
        runs = await self._instance.store.delete_conversation(user.id, conversation_id)
        self._instance.notify(ConversationKey(user.id, conversation_id))
        self._instance.announce(ConversationKey(user.id, conversation_id))
        logs.event(EventName.CONVERSATION_DELETED, conversation_id=conversation_id, runs=len(runs))
        await self._end_all_left(runs, deadline)

    async def delete_conversations(self, user: User, deadline: float) -> None:
        """As by `delete_conversation` of each that the user has. Interrupted, the rest of them is still there."""
        deletion = Deletion((), 1)
        while deletion.left:
            deletion = await self._instance.store.delete_conversations(user.id, DELETED_AT_ONCE)
            await self._end_all_left(deletion.runs, deadline)
        logs.event(EventName.USER_DELETED)

    async def _end_all_left(self, runs: Sequence[LeftRun], deadline: float) -> None:
        until = min(deadline, self._instance.clock.now() + END_LEFT_SECONDS)
        with contextlib.suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout_at(until):
                await asyncio.gather(*(self._end_left(run, until) for run in runs))

    async def _end_left(self, run: LeftRun, until: float) -> None:
        if await self.end_left_run(run, until):
            await self._instance.store.drop_left_run(run)

    async def end_left_run(self, run: LeftRun, deadline: float) -> bool:
        """Whether the run of a turn that is gone has ended by then."""
        return await self._server.end_left_run(run, deadline)

    async def expire_conversations(self, limit: int) -> Expiry:
        """Close and delete what is old by the settings, up to so many of each. Raises StoreUnavailable."""
        ages = self._ages
        return await self._instance.store.expire_conversations(
            ages.conversation_ttl_seconds, ages.retention_seconds, limit
        )

    async def delete_thread(self, thread: Thread) -> bool:
        """Whether a provider's thread is gone. Raises ProviderError."""
        return await self._server.provider(thread.provider).delete_thread(thread)

    async def delete_object(self, remote: RemoteObject) -> bool:
        """Whether something else that a provider kept is gone. Raises ProviderError."""
        return await self._server.provider(remote.provider).delete_object(remote)
