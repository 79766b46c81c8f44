"""Conversations as their users see them: lists, transcripts, changes, deletions, and what belongs to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.conversation import Conversation
from shared.core.model import JsonObject, Message
from shared.core.turns import Turn
from shared.ports.records import Deletion, LeftRun


class UserConversations(Protocol):
    """Raises StoreUnavailable beside what each method names."""

    async def list_conversations(
        self, user_id: str, limit: int, before: str | None, *, archived: bool = False, q: str | None = None
    ) -> Sequence[Conversation]:
        """Newest first; `before` is a conversation id of an earlier page. `q` searches titles and lines for words."""
        ...

    async def get_conversation(self, user_id: str, conversation_id: str) -> Conversation:
        """Raises NotFound."""
        ...

    async def follow_conversation(self, user_id: str, conversation_id: str) -> Turn | None:
        """The turn at the head of the queue; with an empty queue the last turn where a stream of it broke off.

        That one for ten minutes, until one of its streams is noted as whole. Raises NotFound.
        """
        ...

    async def change_conversation(self, user_id: str, conversation_id: str, fields: JsonObject) -> Conversation:
        """Change `title`, `archived` or `read_seq`, whichever are given. Raises NotFound."""
        ...

    async def delete_conversation(self, user_id: str, conversation_id: str) -> Sequence[LeftRun]:
        """All of it is gone with this call, for good; its threads and runs stay on record until they are gone too.

        Returns the runs that were under way. One that was deleted before has none. Raises NotFound.
        """
        ...

    async def delete_conversations(self, user_id: str, limit: int) -> Deletion:
        """As `delete_conversation`, up to so many of the user's; to be called until none is left."""
        ...

    async def rotate_conversation(self, user_id: str, conversation_id: str) -> None:
        """Its next message starts a new thread, seeded with the last lines. Raises NotFound."""
        ...

    async def was_deleted(self, user_id: str, conversation_id: str) -> bool:
        """Whether the user had such a conversation and has deleted it."""
        ...

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
        """In order of `seq`, between the two numbers; with `newest` the last `limit` of them. Raises NotFound."""
        ...

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        """The conversation's project record: title, script, scenes; empty where nothing was written."""
        ...

    async def write_project(self, user_id: str, conversation_id: str, fields: JsonObject) -> JsonObject:
        """Change the fields given; the record afterwards. Raises NotFound."""
        ...

    async def read_feedback(self, user_id: str, conversation_id: str) -> Sequence[JsonObject]:
        """What its user thinks of the conversation's answers: `turn_id`, `good`, `comment`, `created_at`."""
        ...
