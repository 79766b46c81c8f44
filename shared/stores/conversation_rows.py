"""UserConversations over PostgREST."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.conversation import Conversation
from shared.core.model import JsonObject, Message
from shared.core.turns import Turn
from shared.ports import Deletion, LeftRun
from shared.stores.answers import by_outcome, list_of, nothing, turn_of
from shared.stores.lane import Rank
from shared.stores.left_rows import read_deletion, read_left_run
from shared.stores.rows import read_conversation, read_message
from shared.stores.rpc import DatabaseCalls, new_op
from shared.stores.storable import as_json

LAST_SEQ = 2**31 - 1  # what the database can count lines to


class ConversationRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def list_conversations(
        self, user_id: str, limit: int, before: str | None, *, archived: bool = False, q: str | None = None
    ) -> Sequence[Conversation]:
        return await self._rpc.call(
            "chat_list_conversations",
            list_of("conversations", read_conversation),
            user=user_id,
            limit=limit,
            before=before,
            archived=archived,
            q=q,
        )

    async def get_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        return await self._rpc.call(
            "chat_get_conversation",
            by_outcome({"ok": lambda answer: read_conversation(answer["conversation"])}),
            user=user_id,
            conversation=conversation_id,
        )

    async def follow_conversation(self, user_id: str, conversation_id: str) -> Turn | None:
        return await self._rpc.call(
            "chat_follow_conversation",
            by_outcome({"ok": lambda answer: None if answer["turn"] is None else turn_of(answer)}),
            user=user_id,
            conversation=conversation_id,
        )

    async def change_conversation(self, user_id: str, conversation_id: str, fields: JsonObject) -> Conversation:
        return await self._rpc.call(
            "chat_change_conversation",
            by_outcome({"ok": lambda answer: read_conversation(answer["conversation"])}),
            rank=Rank.ACCEPT,
            user=user_id,
            conversation=conversation_id,
            patch=as_json(fields),
            op=new_op(),
        )

    async def delete_conversation(self, user_id: str, conversation_id: str) -> Sequence[LeftRun]:
        return await self._rpc.call(
            "chat_delete_conversation",
            list_of("runs", read_left_run),
            rank=Rank.ACCEPT,
            user=user_id,
            conversation=conversation_id,
        )

    async def delete_conversations(self, user_id: str, limit: int) -> Deletion:
        return await self._rpc.call(
            "chat_delete_conversations",
            by_outcome({"ok": read_deletion}),
            rank=Rank.ACCEPT,
            user=user_id,
            limit=limit,
        )

    async def rotate_conversation(self, user_id: str, conversation_id: str) -> None:
        await self._rpc.call(
            "chat_rotate_conversation",
            by_outcome({"ok": nothing}),
            rank=Rank.ACCEPT,
            user=user_id,
            conversation=conversation_id,
        )

    async def was_deleted(self, user_id: str, conversation_id: str) -> bool:
        return await self._rpc.call(
            "chat_was_deleted",
            by_outcome({"ok": lambda answer: bool(answer["deleted"])}),
            user=user_id,
            conversation=conversation_id,
        )

    async def list_messages(
        self,
        user_id: str,
        conversation_id: str,
        *,
        after_seq: int,
        limit: int,
        newest: bool = False,
        before_seq: int | None = None,
    ) -> Sequence[Message]:
        return await self._rpc.call(
            "chat_list_messages",
            list_of("messages", read_message),
            user=user_id,
            conversation=conversation_id,
            after_seq=min(after_seq, LAST_SEQ),
            limit=limit,
            newest=newest,
            before_seq=None if before_seq is None else min(before_seq, LAST_SEQ),
        )

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        return await self._rpc.call(
            "chat_read_project", by_outcome({"ok": _project}), user=user_id, conversation=conversation_id
        )

    async def write_project(self, user_id: str, conversation_id: str, fields: JsonObject) -> JsonObject:
        return await self._rpc.call(
            "chat_write_project",
            by_outcome({"ok": _project}),
            user=user_id,
            conversation=conversation_id,
            patch=as_json(fields),
        )

    async def read_feedback(self, user_id: str, conversation_id: str) -> Sequence[JsonObject]:
        return await self._rpc.call(
            "chat_read_feedback", list_of("feedback", lambda row: row), user=user_id, conversation=conversation_id
        )


def _project(answer: JsonObject) -> JsonObject:
    project: JsonObject = answer["project"]
    return project
