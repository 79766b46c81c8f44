"""The local Supabase as a child process."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from dev.cli import CHECKOUT, Options
from dev.node import CACHE, Node
from dev.ports import HOST
from dev.probe import status_of
from dev.processes import Child, Processes

PACKAGE = CHECKOUT / "dev/supabase"
DEMO_EMAIL = "demo@example.com"
DEMO_PASSWORD = "demo-password"  # noqa: S105 - of a user that exists on this machine only
_READY_SECONDS = 90.0
_POSTGRES_SECONDS = 60.0


@dataclass(frozen=True)
class Keys:
    """What a Supabase project hands out; new ones for every start."""

    secret: str
    publishable: str
    jwt_secret: str

    @classmethod
    def fresh(cls) -> Keys:
        return cls(f"sb_secret_{_random()}", f"sb_publishable_{_random()}", _random() + _random())


def url(port: int) -> str:
    """The project URL of the local Supabase."""
    return f"http://{HOST}:{port}"


async def start(
    processes: Processes, node: Node, options: Options, port: int, keys: Keys, functions: list[str], socket: Path | None
) -> Child:
    """Start it in front of `functions`, on PGlite or on the Postgres whose socket directory is given."""
    command: list[str | Path] = [node.program, PACKAGE / "local.mjs", "--port", str(port)]
    command += ["--migrations", options.migrations, "--seed", options.seed]
    command += ["--postgres", socket] if socket else ["--cache", CACHE]
    for function in functions:
        command += ["--function", function]
    # Keys travel in the environment: a command line can be read by everybody on the machine.
    environment = {
        **os.environ,
        "JWT_SECRET": keys.jwt_secret,
        "PUBLISHABLE_KEY": keys.publishable,
        "SECRET_KEY": keys.secret,
        "DEMO_EMAIL": DEMO_EMAIL,
        "DEMO_PASSWORD": DEMO_PASSWORD,
    }
    return await processes.start("supabase", command, environment)


async def wait_ready(processes: Processes, child: Child, http: httpx.AsyncClient, port: int) -> None:
    """Return once migrations, seed and demo user are in place: it does not listen before."""

    async def answers() -> bool:
        return await status_of(http, f"{url(port)}/auth/v1/health") is not None

    await processes.wait_ready(child, answers, _READY_SECONDS)


async def start_postgres(processes: Processes, python: str) -> Path:
    """A real Postgres in a temporary directory; returns the directory of its socket."""
    child = await processes.start("postgres", [python, "-m", "dev.postgres", "--bare"], os.environ)

    async def said_ready() -> bool:
        return "ready " in child.log.read_text()

    await processes.wait_ready(child, said_ready, _POSTGRES_SECONDS)
    dsn = child.log.read_text().split("ready ", 1)[1].split("\n", 1)[0]
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def _random() -> str:
    return secrets.token_urlsafe(24)
