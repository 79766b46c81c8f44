"""The emulator for tests: in the test's own loop, on a free port, over real sockets."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from dev.emulator.brain.plan import Brain
from dev.emulator.brain.team import play
from dev.emulator.config import Config
from dev.emulator.server import serving
from dev.emulator.state import Emulator

TEST_LATENCY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class RunningEmulator:
    base_url: str
    """Ends in `/v1`, as a client's base URL does."""
    admin: httpx.AsyncClient
    """Its base is `/_emulator`; paths are `/config`, `/faults`, `/foreign`, `/reset` and `/state`."""
    emulator: Emulator
    """The server's memory, for what is awkward to ask over HTTP."""

    async def state(self) -> dict[str, Any]:
        answer = await self.admin.get("/state")
        state: dict[str, Any] = answer.raise_for_status().json()
        return state

    async def configure(self, **config: Any) -> None:
        (await self.admin.post("/config", json=config)).raise_for_status()

    async def fault(self, **rule: Any) -> None:
        """A rule as `POST /_emulator/faults` takes it, for example `fault(path="/runs$", action={"kind": "reset"})`."""
        (await self.admin.post("/faults", json=rule)).raise_for_status()

    async def foreign(self, **what: Any) -> str:
        """Starts another program's run or response and returns its id."""
        answer = (await self.admin.post("/foreign", json=what)).raise_for_status()
        return str(answer.json()["id"])

    async def started(self, count: int = 1) -> list[str]:
        """Waits until that many runs and responses exist, and returns their ids, runs first."""
        while len(jobs := [*self.emulator.runs, *self.emulator.responses]) < count:
            await self.emulator.started.wait()
        return jobs

    async def reached(self, job_id: str, *statuses: str) -> str:
        """Waits, without polling, until a run or response has one of these statuses; any end will do for none."""
        job = self.emulator.runs.get(job_id) or self.emulator.responses[job_id]
        if not statuses:
            await job.ended.wait()
            return job.status
        return await job.reached(*statuses)


def local_client(base_url: str, **headers: str) -> httpx.AsyncClient:
    """A client for plain HTTP on this machine: nothing of the environment (a proxy, for example) comes between, and
    no certificates are loaded, which would cost more than most tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(base_url=base_url, headers=headers, verify=context, trust_env=False)


@contextlib.asynccontextmanager
async def running_emulator(brain: Brain = play, **config: Any) -> AsyncIterator[RunningEmulator]:
    """An emulator of its own, with `Config` fields as keywords; fast unless `latency_seconds` says otherwise."""
    emulator = Emulator(Config.model_validate({"latency_seconds": TEST_LATENCY_SECONDS, **config}), brain)
    async with serving(emulator, "127.0.0.1", 0) as port:
        root = f"http://127.0.0.1:{port}"
        async with local_client(f"{root}/_emulator") as admin:
            yield RunningEmulator(f"{root}/v1", admin, emulator)
