"""Looks at turns' rows, shared by all in this process who wait for the same turn: many watchers cost one look."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.core.errors import ChatError
from shared.ports import Clock, Peek, Store


@dataclass(slots=True)
class _Look:
    begun_at: float
    seen: asyncio.Future[Peek]


class SharedReads:
    """A look is kept for as long as its callers find it young enough, and never beyond what `forget` tells of."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looks: dict[str, dict[tuple[str, str], _Look]] = {}  # by conversation; by user and turn

    async def read(self, user_id: str, conversation_id: str, turn_id: str, max_age_seconds: float) -> Peek:
        """As `Store.get_turn`, by a look that began at most `max_age_seconds` ago or is still under way."""
        key = (user_id, turn_id)
        while (look := self._looks.get(conversation_id, {}).get(key)) is not None:
            if look.seen.done() and self._clock.now() - look.begun_at >= max_age_seconds:
                break
            await asyncio.wait({look.seen})
            if not look.seen.cancelled():
                return look.seen.result()
        return await self._look(conversation_id, key, max_age_seconds)

    def forget(self, conversation_id: str) -> None:
        """Something has changed there: what was seen before says nothing of it."""
        self._looks.pop(conversation_id, None)

    async def _look(self, conversation_id: str, key: tuple[str, str], max_age_seconds: float) -> Peek:
        loop = asyncio.get_running_loop()
        look = _Look(self._clock.now(), loop.create_future())
        self._looks.setdefault(conversation_id, {})[key] = look
        try:
            peek = await self._store.get_turn(*key)
        except BaseException as error:
            self._drop(conversation_id, key, look)
            if isinstance(error, ChatError):
                look.seen.set_exception(error)
                look.seen.exception()  # heard here, whether others wait for it or not
            else:
                look.seen.cancel()  # the one who looked has left: another of those who wait does it
            raise
        look.seen.set_result(peek)
        loop.call_later(max_age_seconds, self._drop, conversation_id, key, look)
        return peek

    def _drop(self, conversation_id: str, key: tuple[str, str], look: _Look) -> None:
        looks = self._looks.get(conversation_id, {})
        if looks.get(key) is look:
            del looks[key]
            if not looks:
                del self._looks[conversation_id]
