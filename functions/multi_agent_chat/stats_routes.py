"""Endpoints for operators: rates and percentiles, turns worth a look, one timeline, what people think of answers.

Nothing of what was said in a conversation.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi.errors import json_response
from functions.multi_agent_chat import query_schemas, url_fields
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.url_fields import id_in
from shared.core.redaction import redacted
from shared.core.statistics import statistics
from shared.core.timeline import timeline


class StatsRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def get_statistics(self, request: Request) -> Response:
        await self._deps.operator(request)
        asked = url_fields.read(request.query_params, query_schemas.STATISTICS)
        window, bucket = asked["window"], url_fields.bucket_of(asked["window"], asked["bucket"])
        seconds = query_schemas.WINDOWS[window], query_schemas.BUCKETS[bucket]
        counted = await self._deps.read(self._deps.store.get_statistics(*seconds))
        return json_response(statistics(window, bucket, counted))

    async def list_turns(self, request: Request) -> Response:
        await self._deps.operator(request)
        asked = url_fields.read(request.query_params, query_schemas.WATCHED)
        turns = await self._deps.read(self._deps.store.list_watched(asked["state"], asked["limit"]))
        return json_response(redacted({"turns": turns}))

    async def list_feedback(self, request: Request) -> Response:
        await self._deps.operator(request)
        asked = url_fields.read(request.query_params, query_schemas.FEEDBACK)
        return json_response(await self._deps.read(self._deps.store.list_feedback(asked["limit"])))

    async def get_timeline(self, request: Request) -> Response:
        await self._deps.operator(request)
        turn, events = await self._deps.read(self._deps.store.get_timeline(id_in(request)))
        return json_response(redacted(timeline(turn, events)))
