"""What a process does once, whichever of the functions it serves."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from starlette.types import ASGIApp

from functions.asgi import server
from shared import logs
from shared.core.chat_events import EventName
from shared.settings import Settings, SettingsError, load_settings


def prepare() -> None:
    """On import of a target: connects to nothing, the process may still be forked. Safe to repeat.

    Raises SystemExit where the environment is wrong, all its faults named: a deployment that cannot work must not
    take the place of one that does.
    """
    logs.configure()
    try:
        settings = _settings()
    except SettingsError as error:
        logs.event(EventName.SETTINGS_REFUSED, level=logging.ERROR, faults=error.faults)
        raise SystemExit(1) from None
    server.take_over(lambda: settings.allowed_origins)


def app_from(build: Callable[[Settings], ASGIApp]) -> ASGIApp:
    """The app, on the first request: the server has replaced our log handlers by then, so they are set again."""
    settings = _settings()
    logs.configure(settings.log_level)
    return build(settings)


@functools.cache
def _settings() -> Settings:
    return load_settings()
