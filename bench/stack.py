"""The whole stack for a measurement, in this process's care, and the least of a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt

from dev.cli import Options
from dev.launch import Stack, launch
from dev.ports import HOST
from dev.processes import Processes

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGESIZE")
SETTINGS = {
    "EMULATOR_LATENCY_SECONDS": "0.02",
    "MESSAGES_PER_MINUTE": "100000",
    "MAX_OPEN_TURNS": "60",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Running:
    stack: Stack
    processes: Processes

    @property
    def ports(self) -> list[int]:
        return [int(url.rsplit(":", 1)[1]) for url in self.stack.functions]

    @property
    def dsn(self) -> str:
        """Of the database, for its superuser."""
        log = next(each.log for each in self.processes.children if each.name == "postgres")
        return log.read_text().split("ready ", 1)[1].split("\n", 1)[0]

    def token(self, user_id: str | None = None) -> str:
        """A user's token; a new user's where none is named."""
        claims = {"sub": user_id or str(uuid.uuid4()), "role": "authenticated", "aud": "authenticated"}
        claims["iss"] = f"{self.stack.supabase}/auth/v1"
        return jwt.encode({**claims, "exp": int(time.time()) + 3600}, self.stack.keys.jwt_secret, algorithm="HS256")

    async def open(
        self,
        token: str,
        method: str = "POST",
        path: str = "/",
        accept: str = "application/json",
        *,
        instance: int = 0,
        **body: Any,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request on a connection of its own, sent and not waited for."""
        reader, writer = await asyncio.open_connection(HOST, self.ports[instance])
        content = json.dumps(body) if body else ""
        writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
            f"accept: {accept}\r\ncontent-type: application/json\r\nidempotency-key: {uuid.uuid4()}\r\n"
            f"content-length: {len(content)}\r\n\r\n{content}".encode()
        )
        await writer.drain()
        return reader, writer

    async def ask(self, token: str, *, instance: int = 0, **body: Any) -> Answer:
        """What one message is answered, and how long it took."""
        began = time.perf_counter()
        reader, writer = await self.open(token, instance=instance, **body)
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return Answer(int(head.split(b" ")[1]), json.loads(content), time.perf_counter() - began)

    async def send(self, token: str, *, instance: int = 0, **body: Any) -> dict[str, Any]:
        """Raises RuntimeError where the answer is none of the wished ones."""
        answer = await self.ask(token, instance=instance, **body)
        if answer.status not in (200, 202):
            raise RuntimeError(str(answer.body))
        return answer.body

    def resident_kib(self, name: str = "function-1") -> int:
        """Memory of a child's process tree that is in RAM and not shared with another process."""
        pages = 0
        for process in self._tree(name):
            with contextlib.suppress(OSError):
                resident, shared = (process / "statm").read_text().split()[1:3]
                pages += int(resident) - int(shared)
        return pages * PAGE_BYTES // 1024

    def cpu_seconds(self, name: str) -> float:
        """Processor time that the trees of all children whose names begin so have taken until now."""
        ticks = 0
        for child in self.processes.children:
            if child.name.startswith(name):
                for process in self._tree(child.name):
                    with contextlib.suppress(OSError):
                        fields = (process / "stat").read_text().rpartition(")")[2].split()
                        ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def _tree(self, name: str) -> list[Path]:
        child = next(each for each in self.processes.children if each.name == name)
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        tree = {child.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in tree and pid not in tree}:
            tree |= more
        return [Path("/proc") / str(pid) for pid in tree]


@contextlib.asynccontextmanager
async def running(
    settings: Mapping[str, str], instances: int = 1, db: Literal["postgres", "pglite"] = "postgres"
) -> AsyncIterator[Running]:
    """Instances on a real Postgres and the emulator; the settings are the functions', and the emulator's."""
    before = dict(os.environ)
    os.environ.pop("OPENAI_API_KEY", None)
    os.environ.update(settings)
    options = Options(db=db, instances=instances, port=0, web=False)
    try:
        async with Processes(report=print) as processes:
            yield Running(await launch(options, processes, lambda _: None), processes)
    finally:
        os.environ.clear()
        os.environ.update(before)
