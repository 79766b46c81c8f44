"""People with tabs, who send, give up, send again with the same key, and remember every answer they got."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from dev import functions
from dev.emulator.testing import local_client
from tests.soak.stage import Stage

GIVE_UP_SECONDS = 90.0  # no message may take longer to be answered, in any case


@dataclass
class Message:
    """One message, its key, and everything that was ever answered about it."""

    user: str
    conversation: str
    text: str
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    strategy: str = "enqueue"
    edited: str | None = None  # what it is changed to once it is accepted
    edit: int | None = None  # the answer to that; None where none came
    stayed: bool = True
    refused: bool = False  # strategy reject, and another message was being answered
    sent_at: float = 0.0
    answered_at: float | None = None
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        return any(
            "turn_id" in body or {"turn", "turn_id"} & set(body.get("details") or {}) for _, body in self.answers
        )

    def outcomes(self) -> set[tuple[Any, ...]]:
        """Every final outcome that was shown for it: there must be one, and always the same."""
        return {shown for status, body in self.answers if (shown := outcome(status, body)) is not None}


def outcome(status: int, body: dict[str, Any]) -> tuple[Any, ...] | None:
    """Turn, number, status and reply, where it is final; what a displaced one is answered names no number."""
    if body.get("code") == "superseded":
        return body["details"]["turn_id"], None, "cancelled", None
    turn = body.get("details", {}).get("turn", body)
    if "turn_id" not in turn or turn.get("status") not in ("completed", "failed", "cancelled"):
        return None
    return turn["turn_id"], turn["seq"], turn["status"], (turn.get("reply") or {}).get("text")


class Person:
    """A user signed in; any number of tabs may call at once, each at an instance chosen at random."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.id = str(uuid.uuid4())
        claims = {"sub": self.id, "role": "authenticated", "aud": "authenticated", "iss": stage.issuer}
        token = jwt.encode({**claims, "exp": int(time.time()) + 7200}, stage.keys.jwt_secret, algorithm="HS256")
        self._headers = {"authorization": f"Bearer {token}"}
        self._stage, self._chance = stage, chance
        self.http = local_client("http://127.0.0.1", **self._headers)

    async def send(self, message: Message, *, stay: bool) -> None:
        """Send until there is a final answer; one who does not stay leaves as soon as the message is accepted."""
        message.sent_at, message.stayed = time.monotonic(), stay
        while time.monotonic() - message.sent_at < GIVE_UP_SECONDS:
            patient = stay and (message.edited is None or message.edit is not None)
            if await self._once(message, self._chance.uniform(1, 8) if patient else 0):
                return
            if message.edited is not None and message.edit is None and message.accepted:
                await self._edit(message)
            if not stay and message.accepted:
                return
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    async def _once(self, message: Message, wait_seconds: float) -> bool:
        """Whether the answer was final."""
        body: dict[str, Any] = {
            "message": message.text,
            "conversation_id": message.conversation,
            "wait_seconds": wait_seconds,
        }
        body |= {"multitask_strategy": message.strategy}
        url = functions.url(self._chance.choice(self._stage.ports))
        try:
            answer = await self.http.post(
                f"{url}/", json=body, headers={"idempotency-key": message.key}, timeout=wait_seconds + 5
            )
        except httpx.HTTPError:
            return False
        message.answers.append((answer.status_code, answer.json()))
        if answer.json().get("code") == "run_in_progress":
            message.refused = True
            return True
        if outcome(answer.status_code, answer.json()) is None:
            return False
        message.answered_at = message.answered_at or time.monotonic()
        return True

    async def _edit(self, message: Message) -> None:
        """Change it, if it is not too late; sent again where no answer came."""
        turn_id = next(body["turn_id"] for _, body in message.answers if "turn_id" in body)
        url = f"{functions.url(self._chance.choice(self._stage.ports))}/turns/{turn_id}"
        with contextlib.suppress(httpx.HTTPError):
            answer = await self.http.patch(url, json={"message": message.edited}, timeout=10)
            message.edit = answer.status_code if answer.status_code in (200, 409) else None

    async def read(self, message: Message) -> None:
        """Ask once more, by key and by id, at every instance."""
        await self._once(message, 5)
        turn_id = next((shown[0] for shown in message.outcomes()), None)
        for port in self._stage.ports if turn_id else []:
            answer = await self._get(f"{functions.url(port)}/turns/{turn_id}")
            message.answers.append((answer.status_code, answer.json()))

    async def _get(self, url: str) -> httpx.Response:
        """Ask, and once more where the server closed an idle connection just as it was used again."""
        try:
            return await self.http.get(url, timeout=30)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return await self.http.get(url, timeout=30)
