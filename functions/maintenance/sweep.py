"""Carries on what no request waits for: conversations with open turns that no request holds."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError, Conflict, NotFound
from shared.core.model import User
from shared.core.turns import Turn
from shared.ports import Clock, Orphan

LISTED = 500  # conversations in one sweep; more of them are the next one's
SIDE_BY_SIDE = 50  # as cheap as waiting requests, and each holds at most one connection at a time
OVERTIME_SECONDS = 0.45  # a waiting request's last look at its turn
_ROLE = "authenticated"


class Waiting(Protocol):
    """What a sweep needs of shared.chat.ChatService: it is one more request that waits."""

    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...


class Unattended(Protocol):
    """What a sweep needs of the Store."""

    async def list_orphans(self, limit: int) -> Sequence[Orphan]: ...


@dataclass(slots=True)
class Report:
    """Conversations found, those taken up, and those of them in which nothing is open any more."""

    found: int = 0
    swept: int = 0
    finished: int = 0

    @property
    def left(self) -> int:
        return self.found - self.finished


class Sweep:
    """One look at everything unattended. Two at once do no harm: the leases decide who serves what."""

    def __init__(self, store: Unattended, service: Waiting, clock: Clock) -> None:
        self._store, self._service, self._clock = store, service, clock

    async def run(self, deadline: float) -> Report:
        """Bring every conversation found as far as it gets by `deadline`, which is on the clock of the service.

        Raises StoreUnavailable where they could not even be listed. A conversation that fails costs no other one.
        """
        try:
            async with asyncio.timeout_at(deadline):
                queue = deque(await self._store.list_orphans(LISTED))
        except TimeoutError:
            return Report()
        report = Report(found=len(queue))
        workers = min(len(queue), SIDE_BY_SIDE)
        await asyncio.gather(*(self._work(queue, workers, deadline, report) for _ in range(workers)))
        return report

    async def _work(self, queue: deque[Orphan], workers: int, deadline: float, report: Report) -> None:
        while queue and (left := deadline - self._clock.now()) > 0:
            # those that take long must not keep the ones behind them from their turn
            share = left / math.ceil(len(queue) / workers)
            orphan = queue.popleft()
            report.swept += 1
            if await self._carry_on(orphan, self._clock.now() + share):
                report.finished += 1

    async def _carry_on(self, orphan: Orphan, until: float) -> bool:
        """Whether all that was open when the conversation was found is final now."""
        with logs.bound(conversation_id=orphan.conversation_id):
            try:
                async with asyncio.timeout_at(until + OVERTIME_SECONDS):
                    turn = await self._service.wait_turn(User(orphan.user_id, _ROLE), orphan.newest_turn_id, until)
            except (Conflict, NotFound):  # taken back, or deleted: in both cases nothing is left to do
                return True
            except (ChatError, TimeoutError) as error:
                logs.event(EventName.SWEEP_STUMBLED, level=logging.WARNING, exception=error)
            except Exception as error:
                logs.event(EventName.SWEEP_STUMBLED, level=logging.ERROR, exception=error)
            else:
                return turn.status.final
        return False
