"""One turn as somebody watches it: its events as they come, and its work, which goes on whoever leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress

from shared.core.chat_events import ChatEvent
from shared.core.errors import ChatError
from shared.core.turns import Turn
from shared.echo import Echo, retell
from shared.lease import World
from shared.ports import Provider
from shared.turn_log import LogReader


class LiveTurn:
    """`turn` is the last that is known of it: once `events` has ended, how it stood then, final or at the deadline.

    Whoever has one must `close` it. `work` brings the turn as far as it gets by the caller's deadline.
    """

    def __init__(
        self,
        world: World,
        providers: Callable[[str | None], Provider],
        turn: Turn,
        work: Callable[[], Awaitable[Turn]],
        *,
        replayed: bool = False,
    ) -> None:
        self.turn, self.replayed = turn, replayed
        self._watching = ExitStack()
        watched = world.logs.watched(turn.turn_id, lambda log: Echo(world, providers, log).run())
        self._log = self._watching.enter_context(watched)
        retell(self._log, turn)
        self._work = asyncio.ensure_future(work())

    async def admitted(self) -> None:
        """Returns once a run was started, or the turn is as far as it gets. Raises what the work raised."""
        admitted = asyncio.ensure_future(self._log.admitted.wait())
        try:
            await asyncio.wait({admitted, self._work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            admitted.cancel()
        if self._work.done():
            self.turn = self._work.result()

    async def events(self) -> AsyncIterator[ChatEvent]:
        """From the beginning, as far as it is known here, to the end or the deadline. Raises what the work did."""
        reader = LogReader(self._log)
        while not self._work.done():
            for event in reader.take():
                yield event
            changed = asyncio.ensure_future(self._log.changed())
            try:
                await asyncio.wait({changed, self._work}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
        self.turn = self._work.result()
        retell(self._log, self.turn)
        for event in reader.take():
            yield event

    async def close(self) -> None:
        """Nobody reads any more: the work goes on to its end or its deadline. Raises nothing of it."""
        try:
            with suppress(ChatError):
                await self._work
        finally:
            self._work.cancel()  # where this very wait is cancelled
            await asyncio.gather(self._work, return_exceptions=True)
            self._watching.close()
