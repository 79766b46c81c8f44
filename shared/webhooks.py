"""Tells another service of the ends of turns, signed as Standard Webhooks has it: at least once, in no certain order.

What is to be told stands in the outbox from the transaction on that ended the turn. The process that ended it sends it
at once; what did not arrive is sent by the scheduled function, with pauses that grow, for three days.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError
from shared.core.turns import ConversationKey
from shared.ports import Outbox, Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret of this kind begins with)
SEND_SECONDS = 10.0  # less than the half minute after which it is due again
OF_CONVERSATION, OF_ALL = 20, 200  # taken at once
SIDE_BY_SIDE = 10


class Webhooks:
    """`secret` is `whsec_` and base64. Nothing that goes wrong here reaches a caller: it is sent again."""

    def __init__(
        self,
        outbox: Outbox,
        client: httpx.AsyncClient,
        url: str,
        secret: str,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox, self._client, self._url = outbox, client, url
        self._key, self._wall_clock = base64.b64decode(secret.removeprefix(SECRET_PREFIX)), wall_clock
        self._sending: set[asyncio.Task[int]] = set()

    def announce(self, conversation: ConversationKey) -> None:
        """Turns of this conversation may have ended here: send what there is, beside the answer."""
        task = asyncio.ensure_future(self._send_due(conversation.conversation_id, OF_CONVERSATION))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def send_due(self, deadline: float) -> int:
        """How many have arrived by `deadline`, which is on the event loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._send_due(None, OF_ALL)
        except TimeoutError:
            return 0

    async def _send_due(self, conversation_id: str | None, limit: int) -> int:
        try:
            queue = deque(await self._outbox.take_webhooks(conversation_id, limit))
        except ChatError:
            return 0  # logged where it was asked for
        return sum(await asyncio.gather(*(self._work(queue) for _ in range(min(len(queue), SIDE_BY_SIDE)))))

    async def _work(self, queue: deque[Webhook]) -> int:
        arrived = 0
        while queue:
            webhook = queue.popleft()
            if not await self._send(webhook):
                continue
            arrived += 1
            with contextlib.suppress(ChatError):  # then it is sent once more, under the same id
                await self._outbox.drop_webhook(webhook.id)
        return arrived

    async def _send(self, webhook: Webhook) -> bool:
        data = {"turn_id": webhook.turn_id, "conversation_id": webhook.conversation_id}
        body = json.dumps({"type": webhook.name, "timestamp": webhook.made_at, "data": data}).encode()
        headers = signed_headers(self._key, webhook.id, int(self._wall_clock()), body)
        fields: dict[str, Any] = {"webhook_id": webhook.id, "turn_id": webhook.turn_id}
        try:
            async with asyncio.timeout(SEND_SECONDS):
                response = await self._client.post(self._url, content=body, headers=headers, follow_redirects=False)
        except (httpx.HTTPError, TimeoutError) as error:
            logs.event(EventName.WEBHOOK_FAILED, level=logging.WARNING, error=type(error).__name__, **fields)
            return False
        if not response.is_success:
            logs.event(EventName.WEBHOOK_FAILED, level=logging.WARNING, status=response.status_code, **fields)
        return response.is_success


def signed_headers(key: bytes, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: its id, when it is sent, and the signature over both and the body."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
