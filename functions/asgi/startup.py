"""What a process does once, whichever of the functions it serves."""

from __future__ import annotations

import functools
import logging
from typing import Protocol

from starlette.types import ASGIApp

import functions
from functions.asgi import server
from shared import logs
from shared.core.chat_events import EventName
from shared.instance.shutdown import Shutdown
from shared.settings import Settings, SettingsError, load_settings
from shared.telemetry import spans

# Of the ten seconds between SIGTERM and SIGKILL on Cloud Run: what has not ended by then is left to another instance.
SHUTDOWN_SECONDS = 6.0


class Build(Protocol):
    """Makes the app of one of the functions."""

    def __call__(self, settings: Settings, *, shutdown: Shutdown) -> ASGIApp: ...


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
    server.take_over(lambda: settings.allowed_origins, settings.max_concurrent_requests)


def app_from(build: Build) -> ASGIApp:
    """The app, on the first request: the server has replaced our log handlers by then, so they are set again."""
    settings, shutdown = _settings(), Shutdown()
    logs.configure(settings.log_level)
    measure(settings)

    def shut_down() -> None:
        if not shutdown.begun:
            logs.event(EventName.SHUTDOWN_BEGUN, seconds=SHUTDOWN_SECONDS)
            shutdown.begin(SHUTDOWN_SECONDS)

    server.when_shutting_down(shut_down)
    return build(settings, shutdown=shutdown)


def measure(settings: Settings) -> None:
    """Have traces and metrics sent where an endpoint is set for them; else nothing is imported for it."""
    if settings.sends_traces or settings.sends_metrics:
        from shared.telemetry import open_telemetry

        backend = open_telemetry.exporting(
            functions.__version__, traces=settings.sends_traces, metrics=settings.sends_metrics
        )
        spans.send_to(backend)
        logs.listen(backend.count_event)


@functools.cache
def _settings() -> Settings:
    return load_settings()
