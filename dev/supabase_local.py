"""The local Supabase as a child process."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from dev.cli import CHECKOUT, Options
from dev.node import CACHE, Node
from dev.ports import HOST, free_range
from dev.postgres import apply_sql
from dev.probe import status_of
from dev.processes import Child, Processes

PACKAGE = CHECKOUT / "dev/supabase"
SCHEMA_WATCH = CHECKOUT / "dev/data_api/schema_watch.sql"
DEMO_EMAIL = "demo@example.com"
DEMO_PASSWORD = "demo-password"  # noqa: S105 - of a user that exists on this machine only
_READY_SECONDS = 90.0
_POSTGRES_SECONDS = 60.0
_POOL_SIZE = 20


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


@dataclass(frozen=True)
class LocalSupabase:
    """The project at `port`. On Postgres its Data API listens there, in front of the vendor's implementation."""

    child: Child
    port: int
    vendor_port: int
    keys: Keys
    socket: Path | None

    async def wait_ready(self, processes: Processes, http: httpx.AsyncClient, *, fault_every: int = 0) -> None:
        """Return once migrations, seed and demo user are in place: the vendor's does not listen before.

        With `fault_every` N, each Nth call of the Data API is struck by a fault of hosted projects; 0: none is.
        """

        async def answers() -> bool:
            return await status_of(http, f"{url(self.vendor_port)}/auth/v1/health") is not None

        await processes.wait_ready(self.child, answers, _READY_SECONDS)
        if self.socket is not None:
            await self._start_data_api(processes, http, self.socket, fault_every)

    async def _start_data_api(
        self, processes: Processes, http: httpx.AsyncClient, socket: Path, fault_every: int
    ) -> None:
        await asyncio.to_thread(apply_sql, _dsn("postgres", socket), SCHEMA_WATCH)
        command = [sys.executable, "-m", "dev.data_api", "--port", str(self.port), "--pool", str(_POOL_SIZE)]
        command += ["--dsn", _dsn("authenticator", socket), "--upstream", url(self.vendor_port)]
        command += ["--fault-every", str(fault_every)]
        child = await processes.start("data-api", command, {**os.environ, **_environment(self.keys)})

        async def ready() -> bool:
            return await status_of(http, f"{url(self.port)}/rest-admin/v1/ready") == httpx.codes.OK

        await processes.wait_ready(child, ready, _READY_SECONDS)


@dataclass(frozen=True)
class Place:
    """Where the project is, the functions that it stands in front of, and its database.

    That is the Postgres whose socket directory is given; else PGlite, in memory unless a directory for its `data` is.
    The process of that one holds their `lock`, too.
    """

    port: int
    keys: Keys
    functions: list[str]
    socket: Path | None = None
    data: Path | None = None
    lock: int | None = None
    page: str | None = None  # where links in emails may lead


async def start(processes: Processes, node: Node, options: Options, place: Place) -> LocalSupabase:
    """Start the project. Migrations that its data have had already are left out."""
    port, keys, socket = place.port, place.keys, place.socket
    vendor_port = free_range(1, taken=[port])[0] if socket else port
    command: list[str | Path] = [node.program, PACKAGE / "local.mjs", "--port", str(vendor_port), "--url", url(port)]
    command += ["--migrations", options.migrations, "--seed", options.seed]
    command += ["--postgres", socket] if socket else ["--cache", CACHE]
    if place.page:
        command += ["--page", place.page]
    if place.data:
        command += ["--data", place.data]
    for function in place.functions:
        command += ["--function", function]
    environment = {**os.environ, **_environment(keys), "DEMO_EMAIL": DEMO_EMAIL, "DEMO_PASSWORD": DEMO_PASSWORD}
    held = () if place.lock is None else (place.lock,)
    child = await processes.start("supabase", command, environment, descriptors=held)
    return LocalSupabase(child, port, vendor_port, keys, socket)


def _environment(keys: Keys) -> dict[str, str]:
    """Keys travel in the environment: a command line can be read by every user of the machine."""
    return {"JWT_SECRET": keys.jwt_secret, "PUBLISHABLE_KEY": keys.publishable, "SECRET_KEY": keys.secret}


def _dsn(role: str, socket: Path) -> str:
    return f"postgresql://{role}@/postgres?host={socket}"


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
