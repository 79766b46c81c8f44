"""The scheduler of a deployment, on a developer's machine: calls the maintenance function once a minute.

Its process starts with the first call, as in the cloud, so that a short session never pays for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

import httpx

from dev import functions
from dev.errors import DevError
from dev.ports import free_range
from dev.probe import client, status_of
from dev.processes import Child, Processes

INTERVAL_SECONDS = 60.0
CALL_SECONDS = 58.0
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Scheduler:
    """`settings` are those of the function instances; the secret is this start's own, or the developer's."""

    def __init__(
        self, processes: Processes, source: Path, settings: dict[str, str], interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._processes, self._source, self._interval_seconds = processes, source, interval_seconds
        self._secret = settings.get("MAINTENANCE_SECRET") or secrets.token_urlsafe(24)
        self._settings = {**settings, "MAINTENANCE_SECRET": self._secret}
        self._child: Child | None = None
        self._url = ""

    async def run(self, say: Callable[[str], None]) -> None:
        """Call it for as long as the launcher runs. A call that fails is said once and tried again a minute later."""
        said = ""
        async with client() as http:
            while True:
                await asyncio.sleep(self._interval_seconds)
                trouble = await self._call(http)
                if trouble and trouble != said:
                    say(f"warning: the sweep for unattended turns failed: {trouble}")
                said = trouble

    async def _call(self, http: httpx.AsyncClient) -> str:
        """What went wrong, in a sentence; nothing where it went well."""
        try:
            if self._child is None or self._child.process.returncode is not None:
                await self._start(http)
            authorization = {"Authorization": f"Bearer {self._secret}"}
            answer = await http.post(self._url, headers=authorization, timeout=CALL_SECONDS)
        except (httpx.TransportError, DevError) as error:
            return str(error) or type(error).__name__
        return "" if answer.is_success else f"it answered {answer.status_code}"

    async def _start(self, http: httpx.AsyncClient) -> None:
        (port,) = free_range(1)
        self._url = functions.url(port)
        self._child = child = await functions.start(
            self._processes, "maintenance", port, self._source, self._settings, target="maintenance"
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS):
                while child.process.returncode is None and await status_of(http, self._url) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
