"""What all requests of one process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.chat_events import ChatEvent
from shared.core.turns import Turn
from shared.instance.shared_reads import SharedReads
from shared.instance.shutdown import Shutdown
from shared.instance.turn_log import TurnLogs
from shared.ports import Clock, Store, Wakeups


@dataclass(frozen=True, slots=True)
class Instance:
    """What every holder works with; one of it an instance."""

    store: Store
    clock: Clock
    wakeups: Wakeups
    lease_seconds: float
    shutdown: Shutdown = field(default_factory=Shutdown)
    logs: TurnLogs = field(default_factory=TurnLogs)
    reads: SharedReads = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", SharedReads(self.store, self.clock))

    def notify(self, conversation_id: str) -> None:
        """Something has changed in this conversation: who waits here looks anew."""
        self.reads.forget(conversation_id)
        self.wakeups.notify(conversation_id)

    def watched(self, turn: Turn) -> bool:
        """Whether anybody in this process watches the turn, or one that shares its run."""
        return bool(self.logs.of(turn.covers))

    def see(self, turn: Turn) -> None:
        """Let those who watch know how the turn stands: it may be served elsewhere."""
        for log in self.logs.of((turn.turn_id,)):
            log.see(turn)

    def tell(self, turn: Turn, event: ChatEvent) -> None:
        """Let those hear it who watch."""
        for log in self.logs.of(turn.covers):
            log.add(event)

    def say(self, turn: Turn, run_id: str, agent: str, at: int, text: str) -> None:
        """Let them hear what the run says at offset `at` of its whole text."""
        for log in self.logs.of(turn.covers):
            log.say(run_id, agent, at, text)
