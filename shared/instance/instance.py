"""What all requests of one process share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.core.chat_events import ChatEvent
from shared.core.turns import ConversationKey, Turn
from shared.instance.rate_limits import RateLimits
from shared.instance.shared_reads import SharedReads
from shared.instance.shutdown import Shutdown
from shared.instance.turn_log import TurnLogs
from shared.instance.waiting_lines import WaitingLines
from shared.ports import Clock, Store, Wakeups


def tell_no_one(conversation: ConversationKey) -> None:
    """Where no other service is told of the ends of turns."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What every held turn works with. A process has one."""

    store: Store
    clock: Clock
    wakeups: Wakeups
    lease_seconds: float
    shutdown: Shutdown = field(default_factory=Shutdown)
    lines: WaitingLines = field(default_factory=WaitingLines)
    logs: TurnLogs = field(default_factory=TurnLogs)
    announce: Callable[[ConversationKey], None] = tell_no_one  # turns of it may have ended
    jitter: Callable[[], float] = random.random  # from 0 to 1
    reads: SharedReads = field(init=False)
    limits: RateLimits = field(init=False)
    _writes: set[asyncio.Future[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", SharedReads(self.store, self.clock))
        object.__setattr__(self, "limits", RateLimits(self.clock, self.jitter))
        self.shutdown.tell(self.lines.wake_all)  # a message that only waits does so better elsewhere

    def add_write(self, write: asyncio.Future[Any]) -> None:
        """Keep a write to a turn alive until it is done, whether or not its caller waits for it."""
        self._writes.add(write)
        write.add_done_callback(self._drop_write)

    def _drop_write(self, write: asyncio.Future[Any]) -> None:
        self._writes.discard(write)
        if not write.cancelled():
            write.exception()  # its caller hears of it, where there still is one

    def notify(self, conversation: ConversationKey) -> None:
        """Something has changed in this conversation: the requests that wait here look anew."""
        self.reads.forget(conversation)
        self.wakeups.notify(conversation)
        self.lines.wake(conversation)

    def watched(self, turn: Turn) -> bool:
        """Whether a request of this process watches the turn, or one that shares its run."""
        return bool(self.logs.covered_by(turn))

    def see(self, turn: Turn) -> None:
        """Tell the turn's watchers how it stands: it may be served elsewhere."""
        if (log := self.logs.of(turn)) is not None:
            log.see(turn)

    def tell(self, turn: Turn, event: ChatEvent) -> None:
        """Tell the watchers of the turn, and of those that share its run, what has happened."""
        for log in self.logs.covered_by(turn):
            log.add(event)

    def say(self, turn: Turn, run_id: str, agent: str, at: int, text: str) -> None:
        """Tell them what the run says at offset `at` of its whole text."""
        for log in self.logs.covered_by(turn):
            log.say(run_id, agent, at, text)
