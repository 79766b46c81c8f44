"""The event stream of one run, as it is or as streams lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.core.runs import RunState
from shared.ports import TextHeard
from tests.simulation.servers import PASSING, Run

if TYPE_CHECKING:
    from tests.simulation.world import World

LIES = ("absent", "broken", "silent", "late", "wrong", "repeated")
SILENCE_SECONDS = 15.0  # after which an adapter gives a stream up
LATE_SECONDS = 6.0
TOLD = ("completed", "failed", "cancelled", "incomplete", "expired", "requires_action")


class Stream:
    """`lie` names how it lies: not at all, where it is "true"."""

    def __init__(self, world: World, run: Run, state: Callable[[Run], RunState]) -> None:
        dice = world.streams
        self._world, self._run, self._state = world, run, state
        self._cut_at = world.now + dice.uniform(0, 8)
        self._late_by = dice.uniform(0, LATE_SECONDS)
        self._wrong = dice.choice(("in_progress", "failed", "cancelled"))
        self.lie = dice.choice(LIES) if dice.random() < world.profile.lies else "true"

    async def events(self) -> AsyncGenerator[TextHeard | RunState, None]:
        """Ends without a state where the stream gives out before its run does."""
        if self.lie == "absent":
            return
        told = ""
        while True:
            state = self._state(self._run)
            if state.text.startswith(told) and state.text != told:
                at = 0 if self.lie == "repeated" else len(told)
                yield TextHeard(at, state.text[at:])
                told = state.text
            if state.status in TOLD:
                break
            if not await self._changed(self._run.news):
                if self.lie == "wrong":
                    yield replace(state, status=self._wrong, error_code=PASSING)
                elif self.lie == "silent":
                    await asyncio.sleep(SILENCE_SECONDS)
                return
        if self.lie == "late":
            await asyncio.sleep(self._late_by)
        for _ in range(2 if self.lie == "repeated" else 1):
            yield state

    async def _changed(self, news: asyncio.Event) -> bool:
        """Whether there is news of the run, before the stream gives out."""
        limit = self._cut_at if self.lie in ("broken", "silent", "wrong") else None
        with suppress(TimeoutError):
            async with asyncio.timeout_at(limit):
                await news.wait()
                return True
        return False
