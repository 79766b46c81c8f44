"""Responses that are streamed: by their create, or by whoever attaches to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from shared.core.errors import ProviderError
from shared.core.runs import RunState
from shared.ports import TextHeard
from shared.providers import fields
from shared.providers.responses.events import ResponseHearing
from shared.providers.streams.open_streams import LiveRuns
from shared.providers.streams.run_stream import LiveRun, StreamRules
from shared.providers.wire import Answer, EventSource, Wire


class ResponseStreams:
    def __init__(self, wire: Wire, run_budget_seconds: float) -> None:
        self._wire = wire
        self._run_budget_seconds = run_budget_seconds
        self.runs = LiveRuns()

    async def create(self, body: Mapping[str, Any], seconds: float) -> Answer:
        """The response as its stream names it, which is then read on; or the plain answer of another server.

        In the foreground a stream may be opened long before it says anything, as an answer may be long in coming.
        """
        opened = await self._wire.open("POST", "responses", body=body, seconds=seconds)
        if isinstance(opened, Answer):
            return opened
        hearing = ResponseHearing()
        return await self.runs.begin(opened, hearing, self._rules(hearing), seconds)

    async def listen(self, run_id: str, *, attach: bool) -> AsyncGenerator[TextHeard | RunState, None]:
        """What was opened here; else, with `attach`, what the server tells whoever comes, from the beginning."""
        live = self.runs.get(run_id)
        if (live is None or live.broken) and attach and not self.runs.full:
            attached = await self._attached(run_id)
            if isinstance(attached, ResponseHearing):
                for event in _whole(attached):
                    yield event
                return
            live = attached or live
        if live is None:
            return
        async with contextlib.aclosing(live.follow()) as events:
            async for event in events:
                yield replace(event, run_id=run_id) if isinstance(event, RunState) else event

    async def _attached(self, run_id: str) -> LiveRun | ResponseHearing | None:
        """None where the server gives no stream; the whole where it answers plainly instead."""
        hearing = ResponseHearing(attached=True)
        try:
            opened = await self._wire.open("GET", "responses", run_id, query={"stream": "true"})
        except ProviderError:
            return None
        if isinstance(opened, Answer):
            hearing.look(opened.body)
            return hearing
        live = self.runs.add(opened, hearing, self._rules(hearing))
        self.runs.name(live, run_id)
        return live

    def _rules(self, hearing: ResponseHearing) -> StreamRules:
        async def reopen(number: int) -> EventSource | None:
            run_id = fields.identifier(hearing.run)
            if run_id is None or not in_background(hearing.run or {}):
                return None
            query: dict[str, str | int] = {"stream": "true", "starting_after": number}
            opened = await self._wire.open("GET", "responses", run_id, query=query)
            if isinstance(opened, EventSource):
                return opened
            hearing.look(opened.body)
            return None

        return StreamRules(self._run_budget_seconds, foreground=lambda run: not in_background(run), reopen=reopen)


def in_background(response: Mapping[str, Any]) -> bool:
    """Whether the response outlives the connection it was made on, as far as it says."""
    said = response.get("background")
    return said is True or (said is None and response.get("status") == "queued")


def _whole(hearing: ResponseHearing) -> list[TextHeard | RunState]:
    if hearing.end is None:
        return []
    text = hearing.end.text
    return [TextHeard(0, text), hearing.end] if text else [hearing.end]
