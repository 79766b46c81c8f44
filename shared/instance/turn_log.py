"""What happens to a turn, for its watchers in this process: one log a turn, read at every reader's own pace.

A log exists while a request watches the turn; nothing is kept for later. Its text stands there once, for all readers.
Nothing stands there twice: what is told again, by another source or a newer holder, is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shared.core.chat_events import ChatEvent, MessageDelta, RunStarted, TurnQueued
from shared.core.turns import ConversationKey, Turn


@dataclass(slots=True)
class _Text:
    """What one run has said until something else happened."""

    run_id: str
    agent: str
    text: str = ""


class TurnLog:
    """The events of one turn, and its row as it was read last."""

    def __init__(self) -> None:
        self.admitted = asyncio.Event()  # a run was started
        self._row: Turn | None = None  # as it was read last
        self._row_read = asyncio.Event()
        self._entries: list[ChatEvent | _Text] = []
        self._said: dict[str, int] = {}  # characters by run
        self._changed = asyncio.Event()

    def add(self, event: ChatEvent) -> None:
        """Keep the event, unless it is known already."""
        if isinstance(event, TurnQueued):
            last = next((entry for entry in reversed(self._entries) if isinstance(entry, TurnQueued)), None)
            known = event == last
        else:
            known = event in self._entries
        if not known:
            self._entries.append(event)
            if isinstance(event, RunStarted):
                self.admitted.set()
            self._wake()

    def say(self, run_id: str, agent: str, at: int, text: str) -> None:
        """`text` stands at offset `at` of all that this run says. Text behind a gap is left out."""
        heard = self._said.get(run_id, 0)
        new = text[heard - at :] if at <= heard else ""
        if not new:
            return
        self._said[run_id] = heard + len(new)
        last = self._entries[-1] if self._entries else None
        if not isinstance(last, _Text) or last.run_id != run_id:
            last = _Text(run_id, agent)
            self._entries.append(last)
        last.text += new
        self._wake()

    def see(self, turn: Turn) -> None:
        """The turn's row was read anew."""
        self._row = turn
        self._row_read.set()

    async def next_row(self) -> Turn:
        """The turn's row once it was read again since the last call."""
        await self._row_read.wait()
        self._row_read.clear()
        if self._row is None:
            raise AssertionError("woken without a row")
        return self._row

    async def changed(self) -> None:
        """Returns when there is something that was not there at the call."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class LogReader:
    """One reader's place in a log, from its beginning."""

    def __init__(self, log: TurnLog) -> None:
        self._log, self._at, self._offset = log, 0, 0

    def take(self) -> Iterator[ChatEvent]:
        """Everything since the last call."""
        entries = self._log._entries  # the other half of the same thing
        while self._at < len(entries):
            entry = entries[self._at]
            if isinstance(entry, _Text):
                new = entry.text[self._offset :]
                self._offset += len(new)
                if new:
                    yield MessageDelta(entry.run_id, entry.agent, new)
                if self._at == len(entries) - 1:
                    return  # it may go on
            else:
                yield entry
            self._at, self._offset = self._at + 1, 0


_TurnKey = tuple[ConversationKey, str]


@dataclass(slots=True)
class _Watched:
    log: TurnLog
    progress: asyncio.Future[None]
    watchers: int = 0


class TurnLogs:
    """The logs of this process, by turn."""

    def __init__(self) -> None:
        self._logs: dict[_TurnKey, _Watched] = {}
        self._fed: set[_TurnKey] = set()

    @contextmanager
    def watched(self, turn: Turn, progress: Callable[[TurnLog], Coroutine[Any, Any, None]]) -> Iterator[TurnLog]:
        """The turn's log. The first watcher's `progress` fills it, until the last watcher has left."""
        key = _key(turn)
        entry = self._logs.get(key)
        if entry is None:
            log = TurnLog()
            entry = self._logs[key] = _Watched(log, asyncio.ensure_future(progress(log)))
        entry.watchers += 1
        try:
            yield entry.log
        finally:
            entry.watchers -= 1
            if entry.watchers == 0:
                entry.progress.cancel()
                del self._logs[key]

    @contextmanager
    def fed(self, turn: Turn) -> Iterator[None]:
        """This process serves the turn's run, and tells what it says."""
        key = _key(turn)
        self._fed.add(key)
        try:
            yield
        finally:
            self._fed.discard(key)

    def is_fed(self, turn: Turn) -> bool:
        return _key(turn) in self._fed

    def feeds(self, conversation: ConversationKey, turn_id: str) -> bool:
        """As `is_fed`, for a turn of which only the ids are known."""
        return (conversation, turn_id) in self._fed

    def of(self, turn: Turn) -> TurnLog | None:
        """The turn's log, where it is watched."""
        entry = self._logs.get(_key(turn))
        return None if entry is None else entry.log

    def covered_by(self, turn: Turn) -> list[TurnLog]:
        """The logs, as far as they are watched, of the turns that share this turn's outcome."""
        keys = ((turn.conversation, turn_id) for turn_id in turn.covers)
        return [self._logs[key].log for key in keys if key in self._logs]


def _key(turn: Turn) -> _TurnKey:
    return (turn.conversation, turn.turn_id)
