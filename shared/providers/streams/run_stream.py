"""The stream of one run: read by a task of its own, listened to by any number, bounded in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import OutcomeUnknown, ProviderError
from shared.core.model import JsonObject
from shared.core.runs import RunState
from shared.ports import TextHeard
from shared.providers.refusals.classify import from_answer
from shared.providers.sse import ServerEvent
from shared.providers.streams.events import RunEvents
from shared.providers.streams.text_assembly import StreamUnreliable
from shared.providers.wire import Answer, EventSource

SILENCE_SECONDS = 15.0
"""Without an event for so long a listener is sent to ask for the run instead. Comments are no events."""
NO_LISTENER_SECONDS = 10.0
"""How long a stream without a listener is kept."""
HELD_SECONDS = 60.0
"""How long a stream without a listener is kept at most while its run has not begun."""
MOST_REOPENED = 20
Reopen = Callable[[int], Awaitable[EventSource | None]]
Whole = Callable[[RunState], Awaitable[RunState]]


@dataclass(slots=True)
class StreamRules:
    """What a wire allows for one stream."""

    total_seconds: float
    foreground: Callable[[JsonObject], bool] = lambda _: False  # whether the run so named ends with its stream
    reopen: Reopen | None = None  # from behind the event of that number
    whole: Whole | None = None  # the end with all that was said, where the stream does not tell it


class RunStream:
    def __init__(self, source: EventSource, events: RunEvents, rules: StreamRules) -> None:
        self.events = events
        self.rules = rules
        self._source: EventSource | None = source
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._listeners = 0
        self._heard_at = self._left_at = self._loop.time()
        self.task = asyncio.create_task(self._pump())
        self.task.add_done_callback(self._ended)

    @property
    def over(self) -> bool:
        return self.task.done()

    async def named(self, seconds: float) -> Answer:
        """The first object that names the run, within `seconds`. Raises as a create does."""
        events, source = self.events, self._source
        limit = self._loop.time() + seconds
        while events.run is None and not events.over and not self.over:
            if not await self._change(limit):
                self.stop()
                raise OutcomeUnknown(f"The provider did not name the run within {seconds:g} s.")
        status, headers = (source.status, source.headers) if source is not None else (200, {})
        if events.run is not None:
            return Answer(dict(events.run), headers)
        if events.refusal is not None:
            raise from_answer(status, headers, events.refusal)
        raise OutcomeUnknown("The provider's stream ended before it named the run.", status=status)

    async def follow(self) -> AsyncGenerator[TextHeard | RunState, None]:
        """From the beginning; ends when nothing more is to be heard, or nothing was for too long."""
        run_text, told, at = self.events.run_text, 0, len(self.events.run_text.base)
        joined_at = self._loop.time()
        self._listeners += 1
        try:
            while True:
                if told < len(run_text.pieces):
                    fresh = "".join(run_text.pieces[told:])
                    told = len(run_text.pieces)
                    yield TextHeard(at, fresh)
                    at += len(fresh)
                elif self.over:
                    break
                elif not await self._change(max(self._heard_at, joined_at) + SILENCE_SECONDS):
                    return
            if self.events.end is not None:
                yield self.events.end
        finally:
            self._listeners -= 1
            self._left_at = self._loop.time()
            if not self._listeners and self._may_go():
                self.stop()

    @property
    def broken(self) -> bool:
        """Whether it ended without having told the end of its run."""
        return self.over and self.events.end is None

    def state(self, run_id: str) -> RunState | None:
        """The run as far as its stream has told; None where it broke off."""
        if self.events.end is not None or self.over:
            return self.events.end
        return RunState(run_id, "in_progress")

    def stop(self) -> None:
        self.task.cancel()

    @property
    def _foreground(self) -> bool:
        return self.events.run is not None and self.rules.foreground(self.events.run)

    def _may_go(self) -> bool:
        return self.events.begun and not self._foreground

    async def _change(self, until: float) -> bool:
        """Wait for something new; False where `until` came first."""
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logs.event(EventName.PROVIDER_STREAM_FAILED, level=logging.WARNING, kind=type(error).__name__)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _pump(self) -> None:
        events, source, opened = self.events, self._source, 0
        try:
            async with asyncio.timeout(self.rules.total_seconds):
                while source is not None:
                    before = events.number
                    await self._read(source)
                    await source.close()
                    barren = events.number == before
                    source, opened = None, opened + 1
                    if (
                        self.rules.reopen is not None
                        and events.number is not None
                        and not (events.over or barren or self._is_idle() or opened > MOST_REOPENED)
                    ):
                        source = self._source = await self.rules.reopen(events.number)
                        events.resumed()
                if events.end is not None and self.rules.whole is not None:
                    events.end = await self.rules.whole(events.end)
                    events.run_text.complete(events.end.text)
        except (TimeoutError, ProviderError, StreamUnreliable):  # the run is asked for then
            if events.end is not None and self.rules.whole is not None:
                events.end = None  # its words are not known
        finally:
            if source is not None:
                await source.close()

    async def _read(self, source: EventSource) -> None:
        """To the end of this stream, or until it is not worth reading any more."""
        while not self.events.over:
            reading = asyncio.ensure_future(source.read())
            try:
                # A read that was broken off ends its stream, so it is waited for in pieces.
                while not (await asyncio.wait({reading}, timeout=1.0))[0]:
                    if self._is_idle():
                        return
            finally:
                if not reading.done():
                    reading.cancel()
                    await asyncio.wait({reading})
            arrived = reading.result()
            if arrived is None:
                if source.finished:
                    self.events.finished(said_so=False)
                return
            try:
                for event in arrived:
                    self._take(event)
            except StreamUnreliable:
                return
            finally:
                if arrived:
                    self._heard_at = self._loop.time()
                    self._tell()
            if self._is_idle():
                return

    def _take(self, event: ServerEvent) -> None:
        """Of a run in the foreground the stream alone may ever tell the end: there it is heard on for that."""
        try:
            self.events.take(event)
        except StreamUnreliable:
            if not self._foreground:
                raise
            self.events.muted = True

    def _is_idle(self) -> bool:
        """Whether this stream has no use any more."""
        now = self._loop.time()
        if self._foreground or self._listeners:
            return False
        return now >= self._left_at + (NO_LISTENER_SECONDS if self.events.begun else HELD_SECONDS)
