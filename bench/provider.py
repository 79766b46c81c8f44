"""The provider itself, asked without the function: what every figure is held against."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

MODEL = {"model": "emulated-model"}
ENDED = ("completed", "failed", "incomplete", "cancelled")


class Provider:
    """The emulator over its wire, and over the routes by which a measurement sets it up."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._admin = str(http.base_url).removesuffix("/").removesuffix("/v1") + "/_emulator"

    async def configure(self, **fields: Any) -> None:
        (await self.http.post(f"{self._admin}/config", json=fields)).raise_for_status()

    async def conversation(self) -> str:
        return str((await self.http.post("/conversations", json={})).raise_for_status().json()["id"])

    async def create_and_follow(self, conversation: str, text: str = "hello") -> None:
        """One response, followed by its event stream to its end."""
        body = {**MODEL, "input": text, "conversation": conversation, "background": True, "stream": True}
        async with self.http.stream("POST", "/responses", json=body) as answer:
            async for line in answer.raise_for_status().aiter_lines():
                if line == "event: response.completed":
                    return

    async def create(self, conversation: str, text: str = "hello") -> dict[str, Any] | None:
        """The response as it begins; None where the conversation is locked."""
        body = {**MODEL, "input": text, "conversation": conversation, "background": True}
        answer = await self.http.post("/responses", json=body)
        if answer.status_code in (400, 409) and answer.json()["error"]["code"] == "conversation_locked":
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def status(self, response_id: str) -> str:
        return str((await self.http.get(f"/responses/{response_id}")).raise_for_status().json()["status"])

    async def cancel(self, response_id: str) -> None:
        await self.http.post(f"/responses/{response_id}/cancel")

    async def start_foreign(self, conversation: str, seconds: float) -> str:
        """Another program's run, which takes so long: its id."""
        body = {"conversation_id": conversation, "seconds": seconds}
        return str((await self.http.post(f"{self._admin}/foreign", json=body)).raise_for_status().json()["id"])

    async def runs(self) -> list[dict[str, Any]]:
        """Every response there was, in order of creation, with the moments of its beginning and its end."""
        found: list[dict[str, Any]] = (await self.http.get(f"{self._admin}/state")).json()["responses"]
        return found

    async def gap_seconds(self, conversation: str) -> float:
        """Between the end of the last run but one in a conversation and the beginning of the last."""
        runs = [run for run in await self.runs() if run["conversation_id"] == conversation]
        return float(runs[-1]["created_at"] - runs[-2]["ended_at"])


@contextlib.asynccontextmanager
async def provider(url: str) -> AsyncIterator[Provider]:
    headers = {"authorization": "Bearer bench"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as http:
        yield Provider(http)
