"""How a request waits in line: until it is handed the claim, hears the end of the run in its way, or looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from shared.core.runs import Thread
from shared.core.turns import Claim, Turn
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.instance.waiting_lines import Place
from shared.ports import HeadRun, Lessee, Peek, Provider

HEARD_SECONDS = 5.0  # between two looks while the end of the run in the way is sure to be told
JUST_OVER_SECONDS = 0.02  # after the first look since that end was heard: its holder, elsewhere, is writing it down
GROWTH = 2.0  # of that pause, should the holder take its time


class WaitInLine:
    """The waits of one request for the head of its conversation's queue."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        lessee: Lessee,
        turn: Turn,
        deadline: Callable[[], float],
        start_margin_seconds: float,
    ) -> None:
        self._instance, self._providers = instance, providers
        self._lessee, self._turn = lessee, turn
        self._deadline, self._start_margin_seconds = deadline, start_margin_seconds
        self._position = turn.position
        self._run: HeadRun | None = None  # that was in the way at the last look
        self._over: str | None = None  # the run whose end was heard
        self._looks_since = 0
        self._handed: Claim | None = None

    def note(self, peek: Peek) -> None:
        """What the last look has shown."""
        self._position, self._run = peek.turn.position, peek.head_run
        self._looks_since += 1

    async def wait(self, seconds: float) -> None:
        """At the latest after `seconds` look again; later where the end of the run in the way will be told."""
        latest_start_at = self._deadline() - self._start_margin_seconds
        with self._instance.lines.place(
            self._turn.conversation, self._turn.turn_id, self._lessee, latest_start_at
        ) as place:
            listening = asyncio.ensure_future(self._listen(place))
            try:
                left = self._deadline() - self._instance.clock.now()
                await place.wait(max(min(self._pause(seconds), left), 0))
            finally:
                self._handed = place.claim
                if self._run is not None and self._run.run_id == self._over:
                    self._instance.reads.forget(self._turn.conversation)  # a look from before its end says nothing
                listening.cancel()
                await asyncio.wait({listening})

    def take(self) -> Claim | None:
        """What was handed over, once."""
        handed, self._handed = self._handed, None
        return handed

    async def give_back(self) -> None:
        """Release what was handed over and has not been taken."""
        if (claim := self.take()) is not None:
            await HeldTurn(self._instance, claim).release()
            self._instance.notify(self._turn.conversation)

    def _pause(self, seconds: float) -> float:
        run = self._run
        if run is None:
            return seconds
        if run.run_id == self._over:
            return min(JUST_OVER_SECONDS * GROWTH ** min(self._looks_since - 1, 10), seconds)
        return HEARD_SECONDS if self._is_served_here(run) or self._hears(run) else seconds

    def _is_served_here(self, run: HeadRun) -> bool:
        """Whether its holder is in this process, and so hands over what it ends."""
        return self._instance.logs.feeds(self._turn.conversation, run.turn_id)

    def _hears(self, run: HeadRun) -> bool:
        """Whether this request listens to the run: the next in line does, where its server lets it."""
        return self._position == 1 and self._provider_of(run).attachable

    def _provider_of(self, run: HeadRun) -> Provider:
        return self._providers(None if run.thread is None else run.thread.provider)

    async def _listen(self, place: Place) -> None:
        run = self._run
        if run is None or run.run_id == self._over or self._is_served_here(run) or not self._hears(run):
            return
        provider = self._provider_of(run)
        async with aclosing(provider.listen(run.thread or Thread(provider.name), run.run_id, run.turn_id)) as stream:
            async for _ in stream:
                pass
        self._over, self._looks_since = run.run_id, 0  # or its stream gave out: then looks tell
        place.wake()
