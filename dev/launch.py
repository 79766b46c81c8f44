"""Brings the whole stack up, in the order in which its parts need each other."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dev import functions, node, page, supabase_local
from dev.cli import Options, real_key
from dev.kept import Kept
from dev.ports import HOST, free_range, function_ports, near_range
from dev.probe import client, sign_in, status_of
from dev.processes import Child, Processes
from dev.scheduler import Scheduler
from dev.supabase_local import Keys

REAL_API = "https://api.openai.com/v1"
_READY_SECONDS = 30.0
_OK = 200

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """Where everything is. The token in the file is the demo user's."""

    functions: list[str]
    supabase: str
    keys: Keys
    openai: str
    web: str | None
    token_file: Path
    scheduler: Scheduler | None = None  # who calls the sweep, once told to run

    def as_json(self) -> str:
        """The line of `--json`; its keys are a contract."""
        return json.dumps(
            {
                "functions": self.functions,
                "supabase": self.supabase,
                "secret_key": self.keys.secret,
                "publishable_key": self.keys.publishable,
                "jwt_secret": self.keys.jwt_secret,
                "openai": self.openai,
                "web": self.web,
            }
        )


async def launch(options: Options, processes: Processes, say: Say, kept: Kept | None = None) -> Stack:
    """Start everything and return once all of it answers. Raises DevError with a sentence a person can act on."""
    ports, (supabase_port, emulator_port, web_port) = choose_ports(options, kept, say)
    urls = [functions.url(port) for port in ports]
    keys = kept.keys if kept else Keys.fresh()
    if kept:
        kept.ports = {"function": ports[0], "supabase": supabase_port, "emulator": emulator_port, "web": web_port}
        kept.write()
        say(f"data and ports are kept in {shown(kept.directory)} (--fresh drops them)")
    supabase = supabase_local.url(supabase_port)
    web = f"http://{HOST}:{web_port}" if options.web else None
    say(f"logs are in {processes.home}")

    found = await node.find_node()
    say(f"Node {found.version} runs the local Supabase")

    # The page is built while the database starts: neither needs the other.
    async with client() as http, _beside(page.build(found, processes, say) if web else None) as built:
        await node.ensure_packages(found, supabase_local.PACKAGE, processes, say)

        emulator: Child | None = None
        if options.openai is None and real_key() is None:
            say("starting the OpenAI emulator")
            emulator = await _start_emulator(processes, emulator_port)
        openai = _provider_url(options, emulator_port if emulator else None)

        socket = None
        if options.db == "postgres":
            say("starting Postgres")
            socket = await supabase_local.start_postgres(processes, sys.executable)
        say(f"starting the local Supabase on {options.db}, applying migrations and seed")
        data, lock = (kept.data, kept.lock) if kept else (None, None)
        place = supabase_local.Place(supabase_port, keys, urls, socket, data, lock, web)
        database = await supabase_local.start(processes, found, options, place)

        say(f"starting {options.instances} function process{'es' if options.instances > 1 else ''}")
        settings = functions.settings_for(supabase, keys, openai, _origins(web))
        instances = [
            await functions.start(processes, f"function-{number}", port, options.source, settings)
            for number, port in enumerate(ports, start=1)
        ]

        if emulator:
            await _wait_listening(processes, emulator, http, f"http://{HOST}:{emulator_port}/v1/models")
        await database.wait_ready(processes, http)
        say("the database is ready")
        for child, port in zip(instances, ports, strict=True):
            await functions.wait_ready(processes, child, http, port, provider_is_ours=emulator is not None)
        if not emulator and await status_of(http, f"{urls[0]}/health") != _OK:
            say(f"warning: {openai} does not answer the function's health check")
        if built:
            # Several instances are reached as the hosted ones are, through one address.
            function = urls[0] if len(urls) == 1 else f"{supabase}/functions/v1/multi-agent-chat"
            server = await _start_page(processes, web_port, await built, supabase, keys, function)
            await _wait_listening(processes, server, http, f"{web}/config.json")
        token = await sign_in(http, supabase, keys.publishable, supabase_local.DEMO_EMAIL, supabase_local.DEMO_PASSWORD)
    token_file = (kept.directory if kept else processes.home) / "token"
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    processes.settle()
    return Stack(urls, supabase, keys, openai, web, token_file, Scheduler(processes, options.source, settings))


def choose_ports(options: Options, kept: Kept | None, say: Say) -> tuple[list[int], list[int]]:
    """Of the function, and of Supabase, emulator and page: those of the start before where they are free.

    A port that was asked for and is taken is an error; one that was not is given up for the next free one.
    """
    before = kept.ports if kept else {}
    if options.port_given or options.json or not options.port:
        ports = function_ports(options.port, options.instances)
    else:
        wanted = before.get("function", options.port)
        ports = near_range(wanted, options.instances)
        if ports[0] != wanted:
            say(f"port {wanted} is taken: the function is on {ports[0]}")
    others: list[int] = []
    free = free_range(3, taken=ports)
    for name, other in zip(("supabase", "emulator", "web"), free, strict=True):
        others += near_range(before.get(name, other), 1, taken=[*ports, *others])
    return ports, others


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _provider_url(options: Options, emulator_port: int | None) -> str:
    if options.openai is not None:
        return options.openai
    if emulator_port is not None:
        return f"http://{HOST}:{emulator_port}/v1"
    return os.environ.get("OPENAI_BASE_URL") or REAL_API


def _origins(web: str | None) -> str | None:
    """Both names of this machine: people type either."""
    return f"{web},{web.replace(HOST, 'localhost')}" if web else None


async def _start_emulator(processes: Processes, port: int) -> Child:
    return await processes.start("emulator", [sys.executable, "-m", "dev.emulator", "--port", str(port)], os.environ)


async def _start_page(processes: Processes, port: int, built: Path, supabase: str, keys: Keys, function: str) -> Child:
    config = {
        "supabaseUrl": supabase,
        "publishableKey": keys.publishable,
        "functionUrl": function,
        "realtime": False,
        "demo": {"email": supabase_local.DEMO_EMAIL, "password": supabase_local.DEMO_PASSWORD},
    }
    command: list[str | Path] = [sys.executable, "-m", "dev.web", str(port), built, json.dumps(config)]
    return await processes.start("web", command, os.environ)


@asynccontextmanager
async def _beside(work: Coroutine[None, None, Path] | None) -> AsyncIterator[asyncio.Task[Path] | None]:
    """`work` goes on while the body runs, and not for longer. What goes wrong in it is raised where it is awaited."""
    task = None if work is None else asyncio.create_task(work)
    try:
        yield task
    finally:
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _wait_listening(processes: Processes, child: Child, http: httpx.AsyncClient, url: str) -> None:
    """Return once anything at all is answered there."""

    async def listens() -> bool:
        return await status_of(http, url) is not None

    await processes.wait_ready(child, listens, _READY_SECONDS)
