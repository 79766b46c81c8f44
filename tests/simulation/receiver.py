"""The other service that is told of the ends of turns, and each instance's way to it, which loses things."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from shared.webhooks import SECRET_PREFIX, Webhooks
from tests.simulation.database import EPOCH

if TYPE_CHECKING:
    from tests.simulation.instance import Instance
    from tests.simulation.world import World

URL = "https://receiver.example/hook"
SECRET = SECRET_PREFIX + base64.b64encode(b"a key that both of us know of").decode()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One that the receiver took: it answered so, whether or not the answer arrived."""

    at: float
    webhook_id: str
    name: str
    turn_id: str


class Receiver:
    def __init__(self, world: World, seed: int) -> None:
        self.taken: list[Delivery] = []
        self._world, self._dice = world, random.Random(f"receiver {seed}")

    async def take(self, request: httpx.Request) -> httpx.Response | httpx.HTTPError:
        deaf = self._world.profile.deaf
        await asyncio.sleep(self._dice.uniform(0.01, 0.1))
        if self._dice.random() < deaf / 2:
            return self._dice.choice((httpx.Response(500), httpx.Response(302), httpx.ConnectError("refused")))
        event = json.loads(request.content)
        webhook_id = request.headers["webhook-id"]
        self.taken.append(Delivery(self._world.now, webhook_id, event["type"], event["data"]["turn_id"]))
        if self._dice.random() < deaf / 2:
            await asyncio.shield(self._world.never)
        return httpx.Response(204)


class _Way(httpx.AsyncBaseTransport):
    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = await self._instance.send("webhook, sent", self._instance.world.receiver.take(request))
        result: httpx.Response | httpx.HTTPError = await asyncio.shield(exchange)
        await self._instance.step("webhook, answered")
        if isinstance(result, httpx.HTTPError):
            raise result
        return result


def webhooks_of(instance: Instance) -> Webhooks | None:
    """What tells the receiver, where it is to be told."""
    if not instance.world.profile.tells:
        return None
    client = httpx.AsyncClient(transport=_Way(instance), trust_env=False)
    return Webhooks(instance.store, client, URL, SECRET, lambda: EPOCH + instance.world.now)
