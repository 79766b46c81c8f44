"""What a process does once, whichever of the functions it serves."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from starlette.types import ASGIApp

from functions.multi_agent_chat import server
from functions.multi_agent_chat.app import build_misconfigured_app
from shared import logs
from shared.settings import Settings, SettingsError, load_settings

_logger = logging.getLogger(logs.OURS)


def prepare() -> None:
    """On import of a target: connects to nothing, the process may still be forked. Safe to repeat."""
    logs.configure()
    server.take_over(lambda: _settings().allowed_origins)


def app_from(build: Callable[[Settings], ASGIApp]) -> ASGIApp:
    """The app, on the first request: the server has replaced our log handlers by then, so they are set again."""
    settings = _settings()
    if isinstance(settings, SettingsError):
        logs.configure()
        _logger.error("settings.refused", extra={"event": {"faults": settings.faults}})
        return build_misconfigured_app(settings)
    logs.configure(settings.log_level)
    return build(settings)


@functools.cache
def _settings() -> Settings | SettingsError:
    try:
        return load_settings()
    except SettingsError as error:
        return error
