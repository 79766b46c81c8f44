"""Endpoints of agents: who can answer, and the agents that a user makes."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi.body import read_json, read_nothing
from functions.asgi.call import base_of
from functions.asgi.errors import json_response
from functions.multi_agent_chat import render_agents, request_schemas
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.json_schema import Schema
from functions.multi_agent_chat.request_check import check, invalid
from shared.core.errors import InvalidRequest, NotFound
from shared.core.model import Agent, JsonObject


class AgentRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def list_agents(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        return json_response(render_agents.agent_list(await self._deps.read(self._deps.store.list_agents(user.id))))

    async def create_agent(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        fields = await _read_fields(request, request_schemas.NEW_AGENT)
        made = await self._written(self._deps.store.create_agent(user.id, fields, self._deps.max_own_agents))
        return json_response(render_agents.own_agent(made), 201, {"location": f"{base_of(request)}/agents/{made.slug}"})

    async def change_agent(self, request: Request) -> Response:
        user, slug = await self._deps.reader(request), _slug_in(request)
        fields = await _read_fields(request, request_schemas.AGENT_CHANGE)
        return json_response(
            render_agents.own_agent(await self._written(self._deps.store.change_agent(user.id, slug, fields)))
        )

    async def delete_agent(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        await read_nothing(request)
        await self._deps.read(self._deps.store.delete_agent(user.id, _slug_in(request)))
        return Response(status_code=204)

    async def _written(self, work: Awaitable[Agent]) -> Agent:
        """The agent's row. What the database finds wrong in it is told in a sentence."""
        try:
            return await self._deps.read(work)
        except InvalidRequest as error:
            if "fault" not in error.details:
                raise
            field = str(error.details["field"])
            raise invalid(field, f"{field} {error.details['fault']}.") from error


async def _read_fields(request: Request, schema: Schema) -> JsonObject:
    document = await read_json(request)
    check(document, schema)
    fields: JsonObject = document
    return fields


def _slug_in(request: Request) -> str:
    slug = request.path_params["id"]
    if len(slug) > request_schemas.AGENT_SLUG["maxLength"] or not request_schemas.SLUG.fullmatch(slug):
        raise NotFound
    return str(slug)
