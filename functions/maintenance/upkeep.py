"""What the database's own records need once a minute: events are counted, and given up when they are a week old."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError


class CountedEvents(Protocol):
    """What the upkeep needs of the Store."""

    async def tidy_events(self) -> None: ...


class Upkeep:
    """Two at once do no harm: the second one finds nothing to count."""

    def __init__(self, store: CountedEvents) -> None:
        self._store = store

    async def run(self, deadline: float) -> None:
        """Never raises: a sweep is more urgent than this."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._store.tidy_events()
        except TimeoutError:
            pass
        except ChatError as error:
            logs.event(EventName.UPKEEP_STUMBLED, level=logging.WARNING, exception=error)
