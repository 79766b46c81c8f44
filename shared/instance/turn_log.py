"""What happens to a turn, for those who watch it in this process: one log a turn, read at every reader's own pace.

A log exists while somebody watches; what nobody would hear is not kept. Its text stands there once, however many read
it and however slowly. Nothing is said twice: what is told again, by another source or a newer holder, is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shared.core.chat_events import ChatEvent, MessageDelta, RunStarted, TurnQueued
from shared.core.turns import Turn


@dataclass(slots=True)
class _Said:
    """Words of one run, as long as nothing else happens in between."""

    run_id: str
    agent: str
    text: str = ""


class TurnLog:
    def __init__(self) -> None:
        self.admitted = asyncio.Event()  # a run was started
        self._row: Turn | None = None  # as it was read last
        self._row_read = asyncio.Event()
        self._entries: list[ChatEvent | _Said] = []
        self._said: dict[str, int] = {}  # characters by run
        self._changed = asyncio.Event()

    def add(self, event: ChatEvent) -> None:
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
        """`text` stands at offset `at` of all that this run says. Words behind a gap wait for a fuller text."""
        heard = self._said.get(run_id, 0)
        new = text[heard - at :] if at <= heard else ""
        if not new:
            return
        self._said[run_id] = heard + len(new)
        last = self._entries[-1] if self._entries else None
        if not isinstance(last, _Said) or last.run_id != run_id:
            last = _Said(run_id, agent)
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
            raise AssertionError("seen without a row")
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
            if isinstance(entry, _Said):
                new = entry.text[self._offset :]
                self._offset += len(new)
                if new:
                    yield MessageDelta(entry.run_id, entry.agent, new)
                if self._at == len(entries) - 1:
                    return  # it may go on
            else:
                yield entry
            self._at, self._offset = self._at + 1, 0


@dataclass(slots=True)
class _Watched:
    log: TurnLog
    echo: asyncio.Future[None]
    watchers: int = 0


class TurnLogs:
    """The logs of this process, by turn."""

    def __init__(self) -> None:
        self._logs: dict[str, _Watched] = {}
        self._fed: set[str] = set()

    @contextmanager
    def watched(self, turn_id: str, echo: Callable[[TurnLog], Coroutine[Any, Any, None]]) -> Iterator[TurnLog]:
        """The turn's log, for as long as somebody is inside. Meanwhile one `echo` works on it: the first one's."""
        entry = self._logs.get(turn_id)
        if entry is None:
            log = TurnLog()
            entry = self._logs[turn_id] = _Watched(log, asyncio.ensure_future(echo(log)))
        entry.watchers += 1
        try:
            yield entry.log
        finally:
            entry.watchers -= 1
            if entry.watchers == 0:
                entry.echo.cancel()
                del self._logs[turn_id]

    @contextmanager
    def fed(self, turn_id: str) -> Iterator[None]:
        """This process serves the turn's run, and tells what it says."""
        self._fed.add(turn_id)
        try:
            yield
        finally:
            self._fed.discard(turn_id)

    def is_fed(self, turn_id: str) -> bool:
        return turn_id in self._fed

    def of(self, turn_ids: Collection[str]) -> list[TurnLog]:
        """Those of these turns that somebody watches."""
        return [self._logs[turn_id].log for turn_id in turn_ids if turn_id in self._logs]
