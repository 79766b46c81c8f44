"""The Functions Framework's target. Importing it is cheap and connects to nothing; the process may still be forked."""

from __future__ import annotations

import functools
import logging

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from functions.multi_agent_chat import server
from functions.multi_agent_chat.app import build_app, build_misconfigured_app
from shared import logs
from shared.settings import Settings, SettingsError, load_settings

_logger = logging.getLogger(logs.OURS)


@functions_framework.aio.http
async def multi_agent_chat(request: Request) -> Response:
    """Hands every request to the app, which reads it from the socket itself."""
    return server.PassedOn(_app())


@functools.cache
def _settings() -> Settings | SettingsError:
    try:
        return load_settings()
    except SettingsError as error:
        return error


@functools.cache
def _app() -> ASGIApp:
    """Built by the first request: the server has replaced our log handlers by then, so they are set again."""
    settings = _settings()
    if isinstance(settings, SettingsError):
        logs.configure()
        _logger.error("settings.refused", extra={"event": {"faults": settings.faults}})
        return build_misconfigured_app(settings)
    logs.configure(settings.log_level)
    return build_app(settings)


logs.configure()
server.take_over(_app, lambda: _settings().allowed_origins)
