"""`python -m dev --json` as other tools drive it, and people who call what it started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt

from dev.emulator.testing import local_client

ROOT = Path(__file__).parents[2]
READY_SECONDS = 120
STOP_SECONDS = 20
TIMES_SENT = 5


@dataclass(frozen=True)
class Stack:
    functions: list[str]
    supabase: str
    secret_key: str
    publishable_key: str
    jwt_secret: str
    openai: str
    web: str | None

    def person(self, number: int = 0, *, user_id: str | None = None) -> httpx.AsyncClient:
        """A user signed in, calling one of the instances."""
        claims = {
            "sub": user_id or str(uuid.uuid4()),
            "role": "authenticated",
            "aud": "authenticated",
            "iss": f"{self.supabase}/auth/v1",
            "exp": int(time.time()) + 3600,
        }
        token = jwt.encode(claims, self.jwt_secret, algorithm="HS256")
        client = local_client(self.functions[number % len(self.functions)], Authorization=f"Bearer {token}")
        client.timeout = httpx.Timeout(180)
        return client

    async def emulator_state(self) -> dict[str, Any]:
        async with local_client(self.openai.removesuffix("/v1")) as client:
            state: dict[str, Any] = (await client.get("/_emulator/state")).raise_for_status().json()
            return state


@contextmanager
def stack(directory: Path, *flags: str, web: bool = False, **environment: str) -> Iterator[Stack]:
    inherited = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    with (directory / "launcher.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev", "--json", *([] if web else ["--no-web"]), "--port", "0", *flags],
            cwd=ROOT,
            env={**inherited, **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (directory / "launcher.log").read_text()
        yield Stack(**json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


async def ask(person: httpx.AsyncClient, text: str, conversation_id: str, **more: Any) -> httpx.Response:
    """Sends a message as a client should: once more under its key, where the database was too slow for the deadline."""
    body, key = {"message": text, "conversation_id": conversation_id, **more}, {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(TIMES_SENT - 1):
        answer = await person.post("/", json=body, headers=key)
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(float(answer.headers["retry-after"]))
    return await person.post("/", json=body, headers=key)


async def all_of(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))
