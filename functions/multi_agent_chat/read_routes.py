"""Endpoints that only read: conversations, transcripts, agents, health."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi.errors import json_response
from functions.multi_agent_chat import render, url_fields
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.url_fields import id_in


class ReadingRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def list_conversations(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        limit, before = url_fields.limit(request.query_params, 20), url_fields.before(request.query_params)
        found = await self._deps.read(self._deps.store.list_conversations(user.id, limit, before))
        return json_response(render.conversation_list(found, limit))

    async def get_conversation(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        found = await self._deps.read(self._deps.store.get_conversation(user.id, id_in(request)))
        return json_response(render.conversation_detail(found))

    async def list_messages(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        limit, after_seq = url_fields.limit(request.query_params, 50), url_fields.after_seq(request.query_params)
        found = await self._deps.read(
            self._deps.store.list_messages(user.id, id_in(request), after_seq=after_seq, limit=limit)
        )
        return json_response(render.message_list(found, limit))

    async def list_agents(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        return json_response(render.agent_list(await self._deps.read(self._deps.store.list_agents(user.id))))

    async def get_health(self, request: Request) -> Response:
        report = await self._deps.health.report()
        return json_response(report, 200 if report["status"] == "ok" else 503)
