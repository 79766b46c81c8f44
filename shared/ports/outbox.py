"""What another service is to be told of, until it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Webhook:
    """The end of a turn, by its name (`turn.completed`). `id` is the same with every attempt to tell it."""

    id: str
    name: str
    turn_id: str
    conversation_id: str
    made_at: str


class Outbox(Protocol):
    """Raises StoreUnavailable."""

    async def take_webhooks(self, conversation_id: str | None, limit: int) -> Sequence[Webhook]:
        """Those that are due, of one conversation or of all. They are due again after a pause, unless dropped."""
        ...

    async def drop_webhook(self, webhook_id: str) -> None:
        """It has arrived."""
        ...
