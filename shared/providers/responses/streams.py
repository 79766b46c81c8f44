"""Responses that are streamed: by their create, or by an instance that attaches to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from shared.core.errors import ProviderError
from shared.core.runs import RunState
from shared.ports import TextHeard
from shared.providers import fields
from shared.providers.responses.events import ResponseEvents
from shared.providers.responses.items import in_background
from shared.providers.streams.open_streams import OpenStreams
from shared.providers.streams.run_stream import RunStream, StreamRules
from shared.providers.wire import Answer, EventSource, Wire


class ResponseStreams:
    def __init__(self, wire: Wire, run_budget_seconds: float, most_streams: int | None = None) -> None:
        self._wire = wire
        self._run_budget_seconds = run_budget_seconds
        self.open_streams = OpenStreams(most_streams)

    async def create(self, turn_id: str, body: Mapping[str, Any], seconds: float) -> Answer:
        """The response as its stream names it, which is then read on; or the plain answer of another server.

        In the foreground a stream may be opened long before it says anything, as an answer may be long in coming.
        """
        opened = await self._wire.open("POST", "responses", body=body, seconds=seconds)
        if isinstance(opened, Answer):
            return opened
        events = ResponseEvents()
        return await self.open_streams.begin(turn_id, opened, events, self._rules(events), seconds)

    async def listen(self, turn_id: str, run_id: str, *, attach: bool) -> AsyncGenerator[TextHeard | RunState, None]:
        """What was opened here; else, with `attach`, a stream of the server's, from the beginning."""
        stream = self.open_streams.get(turn_id, run_id)
        if (stream is None or stream.broken) and attach and not self.open_streams.full:
            attached = await self._attached(turn_id, run_id)
            if isinstance(attached, ResponseEvents):
                for event in _whole(attached):
                    yield event
                return
            stream = attached or stream
        if stream is None:
            return
        async with contextlib.aclosing(stream.follow()) as told:
            async for event in told:
                yield replace(event, run_id=run_id) if isinstance(event, RunState) else event

    async def _attached(self, turn_id: str, run_id: str) -> RunStream | ResponseEvents | None:
        """None where the server gives no stream; the whole where it answers plainly instead."""
        events = ResponseEvents(attached_to=turn_id)
        try:
            opened = await self._wire.open("GET", "responses", run_id, query={"stream": "true"})
        except ProviderError:
            return None
        if isinstance(opened, Answer):
            events.look(opened.body)
            return events
        stream = self.open_streams.add(opened, events, self._rules(events))
        self.open_streams.name(stream, turn_id, run_id)
        return stream

    def _rules(self, events: ResponseEvents) -> StreamRules:
        async def reopen(number: int) -> EventSource | None:
            run_id = fields.identifier(events.run)
            if run_id is None or not in_background(events.run or {}):
                return None
            query: dict[str, str | int] = {"stream": "true", "starting_after": number}
            opened = await self._wire.open("GET", "responses", run_id, query=query)
            if isinstance(opened, EventSource):
                return opened
            events.look(opened.body)
            return None

        return StreamRules(self._run_budget_seconds, foreground=lambda run: not in_background(run), reopen=reopen)


def _whole(events: ResponseEvents) -> list[TextHeard | RunState]:
    if events.end is None:
        return []
    text = events.end.text
    return [TextHeard(0, text), events.end] if text else [events.end]
