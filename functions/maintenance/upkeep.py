"""What the database's own records need once a minute: events are counted, and given up when they are a week old; and
what another service could not be told of the ends of turns is told again."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.ports import OpenTurns
from shared.telemetry import spans


class CountedEvents(Protocol):
    """What the upkeep needs of the Store."""

    async def tidy_events(self) -> OpenTurns: ...


class Telling(Protocol):
    """What it needs of shared.webhooks.Webhooks."""

    async def send_due(self, deadline: float) -> int: ...


class Upkeep:
    """Two at once do no harm: the second one finds nothing to count, and takes no webhook that the first one has."""

    def __init__(self, store: CountedEvents, webhooks: Telling | None) -> None:
        self._store, self._webhooks = store, webhooks

    async def run(self, deadline: float) -> None:
        """Never raises: a sweep is more urgent than this."""
        await asyncio.gather(self._tidy(deadline), self._tell(deadline))

    async def _tell(self, deadline: float) -> None:
        if self._webhooks is not None:
            await self._webhooks.send_due(deadline)

    async def _tidy(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                left = await self._store.tidy_events()
            spans.record("multi_agent_chat.turns.open", left.count)
            spans.record("multi_agent_chat.turns.oldest_open", left.oldest_ms / 1000)
        except TimeoutError:
            pass
        except ChatError as error:
            logs.event(EventName.UPKEEP_STUMBLED, level=logging.WARNING, exception=error)
