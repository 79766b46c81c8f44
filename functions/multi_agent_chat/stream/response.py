"""A turn as an answer that goes on: the head once the message is accepted, then what happens while it happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.asgi.call import Call
from functions.asgi.errors import error_body, noted
from functions.multi_agent_chat import render
from functions.multi_agent_chat.stream import frames, ui_messages
from shared.core.chat_events import ChatEvent
from shared.core.errors import ChatError
from shared.core.turns import Turn, TurnStatus
from shared.ports import Clock

HEADERS: Mapping[str, str] = {
    "content-type": "text/event-stream",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",  # asks proxies not to collect it
    "cache-control": "no-store, no-transform",  # a proxy that compresses collects it too
}
KEEP_ALIVE_SECONDS = 15.0  # without anything to say
STALL_SECONDS = 30.0  # without the reader taking anything
PROBE_SECONDS = 1.0  # between writes to a reader that may have closed all of its connection and not only its half
LET_GO_SECONDS = 1.0
CLOSE_SECONDS = 5.0  # beyond the deadline, for work that goes on without a reader
NOTE_SECONDS = 2.0  # for the note of how a stream ended


class TurnStream(Protocol):
    """What this needs of shared.chat.TurnStream."""

    @property
    def turn(self) -> Turn:
        """As last known; once `events` has ended, as it stands then."""
        ...

    @property
    def replayed(self) -> bool: ...

    def events(self) -> AsyncIterator[ChatEvent]:
        """From the turn's beginning; ends when it is final or the deadline has come. Reading it is never waited for."""
        ...

    async def note_whole(self) -> None:
        """The turn's end is with the reader."""
        ...

    async def note_broken(self) -> None:
        """The stream ends without the turn's end."""
        ...

    async def close(self) -> None:
        """The reader has left: the work goes on until the deadline, and is waited for here."""
        ...


class _ReaderLeft(Exception):
    """The connection is gone, or its reader takes nothing from it."""


class EventStream(Response):
    """`limit` is the moment, on `clock`, by which the end has left, even where a call below hangs."""

    def __init__(
        self,
        stream: TurnStream,
        call: Call,
        *,
        clock: Clock,
        limit: float,
        ui: ui_messages.UiStream | None = None,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._stream, self._call, self._clock, self._limit = stream, call, clock, limit
        self._keep_alive_seconds = keep_alive_seconds
        self._ui = ui or ui_messages.UiStream()
        self._broken: asyncio.Future[None] | None = None  # the note that it is

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        whole = False
        try:
            with contextlib.suppress(_ReaderLeft):
                whole = await self._tell(_Line(send), gone)
        except Exception as error:  # the head is out: the reader can be told in no other way
            noted(error)
        except asyncio.CancelledError:  # the server ends: so does the work
            await self._abandon()
            raise
        finally:
            gone.cancel()
        if not whole:
            self._break()
        await self._close()
        if self._broken is not None:
            await self._broken

    async def _tell(self, line: _Line, gone: asyncio.Future[None]) -> bool:
        """Whether the turn's end was written to a reader that was there."""
        await line.begin()
        failure: Exception | None = None
        try:
            await line.put(self._ui.opening(self._stream.turn, self._stream.replayed))
            async with contextlib.aclosing(self._events(gone)) as events:
                async for event in events:
                    await line.put(frames.KEEP_ALIVE if event is None else self._ui.event(event))
        except _ReaderLeft:
            raise
        except Exception as error:
            failure = error
        await line.put(self._end(failure))
        left = gone.done() or self._call.client_done.is_set()  # one that has closed its half has most often left
        whole = failure is None and self._stream.turn.status.final and not left
        if whole:  # before the reader can know that it has come to the end, and ask again
            await _in_note_time(self._stream.note_whole())
        await line.put(b"", more=False)
        return whole

    def _break(self) -> None:
        """Note, once and at once, that the reader may not get the end: it may come back before this call is over."""
        if self._broken is None:
            self._broken = asyncio.ensure_future(_in_note_time(self._stream.note_broken()))

    async def _events(self, gone: asyncio.Future[None]) -> AsyncGenerator[ChatEvent | None, None]:
        """The stream's events, and None whenever there was none for a while."""
        events = self._stream.events()
        pull: asyncio.Future[ChatEvent] = asyncio.ensure_future(anext(events))
        half_closed: asyncio.Future[Any] = asyncio.ensure_future(self._call.client_done.wait())
        try:
            while True:
                either: list[asyncio.Future[Any]] = [pull, gone]
                pause = PROBE_SECONDS
                if not half_closed.done():
                    either.append(half_closed)
                    pause = self._keep_alive_seconds
                wait = max(0.0, min(pause, self._limit - self._clock.now()))
                await asyncio.wait(either, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                if half_closed.done():
                    self._break()
                if gone.done():
                    raise _ReaderLeft
                if pull.done():
                    yield pull.result()
                    pull = asyncio.ensure_future(anext(events))
                elif self._clock.now() >= self._limit:
                    return
                else:
                    yield None
        except StopAsyncIteration:
            return
        finally:
            half_closed.cancel()
            await _let_go(events, pull)

    def _end(self, failure: Exception | None) -> bytes:
        try:
            return self._last_words(failure)
        except Exception as error:
            return ui_messages.UiStream().closing(None, error_body(noted(error), self._call.request_id))

    def _last_words(self, failure: Exception | None) -> bytes:
        turn = self._stream.turn
        error: ChatError | None = None if failure is None else noted(failure)
        if turn.status is TurnStatus.COMPLETED:
            error = None
        elif turn.status.final:
            error = render.error_of(turn, self._stream.replayed)
        if error is None:
            return self._ui.closing(turn, None)
        body = error_body(error, self._call.request_id)
        self._call.code = body["code"]
        return self._ui.closing(turn, body)

    async def _close(self) -> None:
        patience = max(0.0, self._limit - self._clock.now()) + CLOSE_SECONDS
        try:
            async with asyncio.timeout(patience):
                await self._stream.close()
        except Exception as error:
            noted(error)

    async def _abandon(self) -> None:
        closing = asyncio.ensure_future(self._close())
        await asyncio.sleep(0)  # it begins
        closing.cancel()
        await asyncio.wait({closing}, timeout=LET_GO_SECONDS)


class _Line:
    """The way to the reader. Raises _ReaderLeft once there is none."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def begin(self) -> None:
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await self._put({"type": "http.response.start", "status": 200, "headers": headers})

    async def put(self, content: bytes, *, more: bool = True) -> None:
        if content or not more:
            await self._put({"type": "http.response.body", "body": content, "more_body": more})

    async def _put(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._send(message)
        except (OSError, TimeoutError) as error:
            raise _ReaderLeft from error


async def _disconnected(receive: Receive) -> None:
    with contextlib.suppress(Exception):  # a connection that cannot be asked is no connection
        while (await receive())["type"] != "http.disconnect":
            pass


async def _in_note_time(note: Awaitable[None]) -> None:
    """What cannot be noted costs a reader that comes back the repetition, and nothing else."""
    with contextlib.suppress(ChatError, TimeoutError):
        async with asyncio.timeout(NOTE_SECONDS):
            await note


async def _let_go(events: AsyncIterator[ChatEvent], pull: asyncio.Future[ChatEvent]) -> None:
    """Have done with the events, the one that is waited for included."""
    pull.cancel()
    await asyncio.wait({pull}, timeout=LET_GO_SECONDS)
    if pull.done() and not pull.cancelled():
        pull.exception()
    if isinstance(events, AsyncGenerator):
        with contextlib.suppress(Exception):
            await events.aclose()
