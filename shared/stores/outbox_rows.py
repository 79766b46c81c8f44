"""Outbox over PostgREST."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.model import JsonObject
from shared.ports import Webhook
from shared.stores.answers import by_outcome, list_of, nothing
from shared.stores.rpc import DatabaseCalls


class OutboxRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def take_webhooks(self, conversation_id: str | None, limit: int) -> Sequence[Webhook]:
        return await self._rpc.call(
            "chat_take_webhooks", list_of("webhooks", _read), conversation=conversation_id, limit=limit
        )

    async def drop_webhook(self, webhook_id: str) -> None:
        await self._rpc.call("chat_drop_webhook", by_outcome({"ok": nothing}), id=webhook_id)


def _read(row: JsonObject) -> Webhook:
    return Webhook(row["id"], row["name"], row["turn_id"], row["conversation_id"], row["made_at"])
