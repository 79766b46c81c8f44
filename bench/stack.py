"""The whole stack for a measurement, in this process's care, and the least of a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from dev.cli import Options
from dev.launch import Stack, launch
from dev.ports import HOST
from dev.processes import Processes


@dataclass(frozen=True)
class Running:
    stack: Stack
    processes: Processes

    @property
    def port(self) -> int:
        return int(self.stack.functions[0].rsplit(":", 1)[1])

    def token(self, user_id: str) -> str:
        claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated"}
        claims["iss"] = f"{self.stack.supabase}/auth/v1"
        return jwt.encode({**claims, "exp": int(time.time()) + 3600}, self.stack.keys.jwt_secret, algorithm="HS256")

    async def open(
        self, token: str, method: str = "POST", path: str = "/", accept: str = "application/json", **body: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request on a connection of its own, sent and not waited for."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        content = json.dumps(body) if body else ""
        writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
            f"accept: {accept}\r\ncontent-type: application/json\r\nidempotency-key: {uuid.uuid4()}\r\n"
            f"content-length: {len(content)}\r\n\r\n{content}".encode()
        )
        await writer.drain()
        return reader, writer

    async def send(self, token: str, **body: Any) -> dict[str, Any]:
        """Raises RuntimeError where the answer is none of the wished ones."""
        reader, writer = await self.open(token, **body)
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        if head.split(b" ")[1] not in (b"200", b"202"):
            raise RuntimeError(content.decode())
        answer: dict[str, Any] = json.loads(content)
        return answer

    def resident_kib(self) -> int:
        """Memory of the function's process tree that is in RAM and not shared with another process."""
        child = next(each for each in self.processes.children if each.name == "function-1")
        pages = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = status.read_text().rpartition(")")[2].split()
                if int(fields[2]) == child.process.pid:  # the process group
                    resident, shared = (status.parent / "statm").read_text().split()[1:3]
                    pages += int(resident) - int(shared)
        return pages * os.sysconf("SC_PAGESIZE") // 1024


@contextlib.asynccontextmanager
async def running(**settings: str) -> AsyncIterator[Running]:
    """One instance on a real Postgres and the emulator; the settings are the function's, and the emulator's."""
    before = dict(os.environ)
    os.environ.pop("OPENAI_API_KEY", None)
    os.environ.update(settings)
    options = Options(db="postgres", instances=1, port=0, web=False)
    try:
        async with Processes(report=print) as processes:
            yield Running(await launch(options, processes, lambda _: None), processes)
    finally:
        os.environ.clear()
        os.environ.update(before)
