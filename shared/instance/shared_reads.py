"""Looks at turns' rows, shared by all requests of this process that wait for the same turn: they cost one look."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.core.errors import ChatError
from shared.core.turns import ConversationKey
from shared.ports import Clock, Peek, Store


@dataclass(slots=True)
class _Look:
    begun_at: float
    seen: asyncio.Future[Peek]


class SharedReads:
    """A look serves later callers until it is too old for them, or until `forget` is called."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looks: dict[ConversationKey, dict[str, _Look]] = {}  # by conversation; by turn

    async def read(self, conversation: ConversationKey, turn_id: str, max_age_seconds: float) -> Peek:
        """As `Store.get_turn`, by a look that began at most `max_age_seconds` ago or is still under way."""
        while (look := self._looks.get(conversation, {}).get(turn_id)) is not None:
            if look.seen.done() and self._clock.now() - look.begun_at >= max_age_seconds:
                break
            await asyncio.wait({look.seen})
            if not look.seen.cancelled():
                return look.seen.result()
        return await self._look(conversation, turn_id, max_age_seconds)

    def forget(self, conversation: ConversationKey) -> None:
        """Something has changed there: what was read before does not show it."""
        self._looks.pop(conversation, None)

    async def _look(self, conversation: ConversationKey, turn_id: str, max_age_seconds: float) -> Peek:
        loop = asyncio.get_running_loop()
        look = _Look(self._clock.now(), loop.create_future())
        self._looks.setdefault(conversation, {})[turn_id] = look
        try:
            peek = await self._store.get_turn(conversation.user_id, turn_id)
        except BaseException as error:
            self._drop(conversation, turn_id, look)
            if isinstance(error, ChatError):
                look.seen.set_exception(error)
                look.seen.exception()  # taken here, because there may be no other request that waits for it
            else:
                look.seen.cancel()  # the request that looked has ended: another of those that wait looks instead
            raise
        look.seen.set_result(peek)
        loop.call_later(max_age_seconds, self._drop, conversation, turn_id, look)
        return peek

    def _drop(self, conversation: ConversationKey, turn_id: str, look: _Look) -> None:
        looks = self._looks.get(conversation, {})
        if looks.get(turn_id) is look:
            del looks[turn_id]
            if not looks:
                del self._looks[conversation]
