"""The processes of a deployment on this machine, behind proxies, and what is done to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from dev import functions, node, supabase_local
from dev.cli import Options
from dev.emulator.testing import local_client
from dev.ports import free_range
from dev.probe import status_of
from dev.processes import Child, Processes
from dev.supabase_local import Keys, Place
from tests.soak.proxy import Proxy, Weather, proxy

INSTANCES = 3
SECRET = "soak-maintenance-secret"
SWEEP_EVERY_SECONDS = 5.0
FAULT_EVERY = 20  # calls of the database: one of them is struck as a hosted project's are now and then
# Shorter than a deployment's, so that more of what they are for happens in the same time.
SETTINGS = {
    "LEASE_SECONDS": "6",
    "PROVIDER_TIMEOUT_SECONDS": "3",
    "MESSAGES_PER_MINUTE": "100000",
    "MAX_OPEN_TURNS": "40",
    "WAIT_BUDGET_SECONDS": "20",
    "MAINTENANCE_SECRET": SECRET,
}


@dataclass
class Stage:
    """`ports` are the chat functions'; `done` counts what was done to the processes."""

    processes: Processes
    keys: Keys
    issuer: str
    dsn: str
    emulator: str
    settings: dict[str, str]
    ports: list[int]
    maintenance: int
    proxies: tuple[Proxy, Proxy]
    database: Child
    running: dict[int, Child] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    async def start_function(self, port: int) -> None:
        target = "maintenance" if port == self.maintenance else functions.TARGET
        name = f"function-{port}-{self.done['kills']}"
        self.running[port] = await functions.start(
            self.processes, name, port, Options().source, self.settings, target=target
        )

    async def kill_function(self, chance: random.Random) -> None:
        """SIGKILL to one of them, and another one on the same port."""
        port = chance.choice([*self.ports, self.maintenance])
        child = self.running[port]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        await child.process.wait()
        self.done["kills"] += 1
        await self.start_function(port)

    async def kill_again_and_again(self, chance: random.Random) -> None:
        while True:
            await asyncio.sleep(chance.uniform(1, 3))
            await self.kill_function(chance)

    def restart_database(self) -> None:
        self.database.process.send_signal(signal.SIGHUP)
        self.done["restarts"] += 1

    async def sweep_again_and_again(self) -> None:
        headers = {"authorization": f"Bearer {SECRET}"}
        async with local_client(functions.url(self.maintenance), **headers) as http:
            while True:
                await asyncio.sleep(SWEEP_EVERY_SECONDS)
                with contextlib.suppress(httpx.HTTPError):
                    answer = await http.post("/", timeout=60)
                    self.done["sweeps"] += answer.is_success

    async def wait_up(self) -> None:
        """Until every function answers."""
        async with local_client("http://127.0.0.1") as http:
            for port in [*self.ports, self.maintenance]:
                while await status_of(http, functions.url(port)) is None:  # noqa: ASYNC110 (another process's doing)
                    await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def stage(wire: str, weather: Weather, chance: random.Random) -> AsyncIterator[Stage]:
    """Everything up: Postgres, the local Supabase, the emulator, the functions, and a proxy before both of theirs."""
    async with contextlib.AsyncExitStack() as stack:
        processes = await stack.enter_async_context(Processes(report=lambda _: None))
        ports = free_range(INSTANCES + 3)
        supabase_port, emulator_port, maintenance, *functions_ports = ports
        keys = Keys.fresh()
        emulator = await processes.start(
            "emulator", [sys.executable, "-m", "dev.emulator", "--port", str(emulator_port)], os.environ
        )
        found = await node.find_node()
        await node.ensure_packages(found, supabase_local.PACKAGE, processes, lambda _: None)
        sockets = await supabase_local.start_postgres(processes, sys.executable)
        database = next(child for child in processes.children if child.name == "postgres")
        supabase = await supabase_local.start(processes, found, Options(), Place(supabase_port, keys, [], sockets))
        to_provider = await stack.enter_async_context(proxy(emulator_port, weather, chance))
        to_database = await stack.enter_async_context(proxy(supabase_port, weather, chance))
        provider, where = f"http://127.0.0.1:{to_provider.port}/v1", f"http://127.0.0.1:{to_database.port}"
        made = Stage(
            processes=processes,
            keys=keys,
            issuer=f"{where}/auth/v1",
            dsn=f"postgresql://postgres@/postgres?host={sockets}",
            emulator=f"http://127.0.0.1:{emulator_port}",
            settings=functions.settings_for(where, keys, provider, None) | SETTINGS | {"PROVIDER": wire},
            ports=functions_ports,
            maintenance=maintenance,
            proxies=(to_provider, to_database),
            database=database,
        )
        async with local_client("http://127.0.0.1") as http:
            await supabase.wait_ready(processes, http, fault_every=FAULT_EVERY)

            async def listens() -> bool:
                return await status_of(http, f"{made.emulator}/v1/models") is not None

            await processes.wait_ready(emulator, listens, 30)
        for port in [*functions_ports, maintenance]:
            await made.start_function(port)
        await made.wait_up()
        yield made


def logs(home: Path) -> str:
    """Every line that speaks of an error of ours, for a failure's report."""
    found = [line for file in home.glob("*.log") for line in file.read_text(errors="replace").splitlines()]
    return "\n".join(line[:600] for line in found if '"severity": "ERROR"' in line)
