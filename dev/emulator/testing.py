"""The emulator for tests: in the test's own loop, on a free port, over real sockets."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

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


@contextlib.asynccontextmanager
async def running_emulator(**config: Any) -> AsyncIterator[RunningEmulator]:
    """An emulator of its own, with `Config` fields as keywords; fast unless `latency_seconds` says otherwise."""
    emulator = Emulator(Config.model_validate({"latency_seconds": TEST_LATENCY_SECONDS, **config}))
    async with serving(emulator, "127.0.0.1", 0) as port:
        root = f"http://127.0.0.1:{port}"
        # Nothing of the environment (a proxy, for example) belongs between a test and its own server.
        async with httpx.AsyncClient(base_url=f"{root}/_emulator", trust_env=False) as admin:
            yield RunningEmulator(f"{root}/v1", admin, emulator)
