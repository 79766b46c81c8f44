"""The Store over PostgREST. Every method is one database function in one transaction; the decisions are made there."""

from __future__ import annotations

from shared.stores.agent_rows import AgentRows
from shared.stores.answers import by_outcome
from shared.stores.conversation_rows import ConversationRows
from shared.stores.counted_turns import CountedTurns
from shared.stores.image_rows import ImageRows
from shared.stores.left_rows import LeftRows
from shared.stores.outbox_rows import OutboxRows
from shared.stores.queue_rows import QueueRows


class SupabaseStore(QueueRows, ConversationRows, AgentRows, ImageRows, LeftRows, CountedTurns, OutboxRows):
    """`rpc` calls functions of the database, each within a deadline of its own."""

    async def ping(self) -> bool:
        return await self._rpc.call("chat_ping", by_outcome({"ok": lambda _: True}))

    async def schema_version(self) -> str:
        return await self._rpc.call("chat_schema_version", by_outcome({"ok": lambda answer: str(answer["version"])}))
