"""The function instances as child processes, with the settings that a deployment would give them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx

from dev.ports import HOST
from dev.probe import report_of
from dev.processes import Child, Processes
from dev.supabase_local import Keys

TARGET = "multi_agent_chat"
# Servers on this machine take any key, the SDK insists on one.
DUMMY_KEY = "local-development"
_READY_SECONDS = 60.0
_OK = 200


def url(port: int) -> str:
    """Base URL of the instance on this port."""
    return f"http://{HOST}:{port}"


def settings_for(supabase: str, keys: Keys, openai: str | None, origins: str | None) -> dict[str, str]:
    """The developer's own environment, completed. Where things are is ours to say; the rest is only filled in."""
    settings = dict(os.environ)
    settings.update(
        SUPABASE_URL=supabase,
        SUPABASE_SECRET_KEY=keys.secret,
        SUPABASE_JWT_SECRET=keys.jwt_secret,
    )
    for name in ("SUPABASE_JWKS_URL", "SUPABASE_JWT_ISSUER"):  # of another project, which did not sign these tokens
        settings.pop(name, None)
    if openai:
        settings["OPENAI_BASE_URL"] = openai
    settings["OPENAI_API_KEY"] = settings.get("OPENAI_API_KEY") or DUMMY_KEY
    if origins:
        settings.setdefault("ALLOWED_ORIGINS", origins)
    return settings


async def start(
    processes: Processes, name: str, port: int, source: Path, settings: dict[str, str], *, target: str = TARGET
) -> Child:
    """Start one instance with the command that also runs it in the cloud."""
    command: list[str | Path] = [Path(sys.executable).with_name("functions-framework")]
    command += ["--source", source, "--target", target, "--host", HOST, "--port", str(port)]
    runtime = processes.home / name  # each gunicorn keeps a control socket there
    runtime.mkdir(exist_ok=True)
    environment = {**settings, "PORT": str(port), "XDG_RUNTIME_DIR": str(runtime)}
    return await processes.start(name, command, environment)


async def wait_ready(
    processes: Processes, child: Child, http: httpx.AsyncClient, port: int, *, provider_is_ours: bool
) -> None:
    """Return once GET /health says that all is well.

    A provider that is not ours to start may be down without holding anything up: then the rest has to be well.
    """

    async def healthy() -> bool:
        status, report = await report_of(http, f"{url(port)}/health")
        return status == _OK or (not provider_is_ours and report.get("store") == "ok")

    await processes.wait_ready(child, healthy, _READY_SECONDS)
