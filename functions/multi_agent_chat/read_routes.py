"""Endpoints that only read: health, the document of the API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi.call import base_of
from functions.asgi.errors import json_response
from functions.multi_agent_chat import openapi
from functions.multi_agent_chat.dependencies import Dependencies


class ReadingRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def get_document(self, request: Request) -> Response:
        return json_response(openapi.document(base_of(request)))

    async def get_health(self, request: Request) -> Response:
        report = await self._deps.health.report()
        return json_response(report, 200 if report["status"] == "ok" else 503)
