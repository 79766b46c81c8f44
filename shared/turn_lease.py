"""A turn under its lease: work, with the heartbeat that keeps the lease alive meanwhile.

The one task that works also keeps the lease alive, and stops itself when it cannot. A heartbeat from another task would
keep a lease alive for work that hangs, so there is none: every wait goes through `keep`, which heartbeats between two
looks at the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from shared.core.errors import Fenced, StoreUnavailable
from shared.core.turns import Claim
from shared.fenced_writes import RELEASE_SECONDS, FencedWrites
from shared.instance.instance import Instance
from shared.ports import TurnUpdate

T = TypeVar("T")

DRAFT_SECONDS = 1.0  # between two records of what a run has said so far


class TurnLease(FencedWrites):
    """Every wait of a holder goes through it."""

    def __init__(self, instance: Instance, claim: Claim) -> None:
        super().__init__(instance, claim)
        self._wakeups = instance.wakeups
        self._draft = ""  # what the present run has said, to be recorded with a heartbeat
        self._recorded_draft = ""

    def note_draft(self, text: str) -> None:
        """Have what was said so far recorded soon: other instances cannot hear it by themselves."""
        self._draft = text
        self._beat_at = min(self._beat_at, max(self._clock.now(), self._until - self._seconds + DRAFT_SECONDS))

    async def heartbeat(self) -> None:
        """Raises Fenced once the lease can no longer be trusted."""
        draft = self._draft
        try:
            await self.advance(TurnUpdate(draft=draft) if draft != self._recorded_draft else TurnUpdate())
            self._recorded_draft = draft
        except StoreUnavailable:
            self._beat_at = self._clock.now() + self._retry_seconds
            if not self._trusted:
                raise Fenced from None

    async def keep(
        self,
        work: Coroutine[Any, Any, T],
        *,
        stoppable: bool = True,
        through_displacement: bool = False,
        wakeful: bool = False,
    ) -> T:
        """The result of `work`, with the lease kept alive meanwhile. Raises Fenced or Stopped, and ends the work.

        `wakeful`: a wake-up in this process (a cancel, for one) is looked into at once.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                seconds = max(self._beat_at - self._clock.now(), 0)
                if wakeful:
                    if not await self._woken(task, min(seconds, DRAFT_SECONDS)) and self._clock.now() < self._beat_at:
                        continue
                else:
                    await asyncio.wait({task}, timeout=seconds)
                if not task.done():
                    await self.heartbeat()
                    if stoppable:
                        self.check(through_displacement=through_displacement)
            return task.result()
        finally:
            task.add_done_callback(_forget)
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=RELEASE_SECONDS)

    async def _woken(self, task: asyncio.Future[Any], seconds: float) -> bool:
        """Whether a wake-up came within `seconds`; returns at once when the work is done."""
        until = self._clock.now() + seconds
        waking = asyncio.ensure_future(self._wakeups.wait(self.turn.conversation, seconds))
        try:
            await asyncio.wait({task, waking}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done() and self._clock.now() < until
        finally:
            waking.cancel()
            await asyncio.wait({waking})

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass. A wake-up in this process (a cancel, for one) is looked into at once.

        Where it has changed nothing for this turn the pause goes on: no request can shorten the pause before a retry.
        """
        until = self._clock.now() + seconds
        while True:
            await self.keep(self._wakeups.wait(self.turn.conversation, max(until - self._clock.now(), 0)))
            if self._clock.now() >= until:
                return
            await self.heartbeat()
            self.check()

    async def sleep_until_over(self, seconds: float, latest: float) -> None:
        """Let so much time pass, but not beyond `latest` on the clock."""
        await self.sleep(min(seconds, max(latest - self._clock.now(), 0.0)))


def _forget(task: asyncio.Task[Any]) -> None:
    """Take the outcome of abandoned work, so that the event loop does not report it as lost."""
    if not task.cancelled():
        task.exception()
