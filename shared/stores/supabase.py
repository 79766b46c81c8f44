"""The Store over PostgREST. Every method is one database function in one transaction; the decisions are made there.

This file is longer than 250 lines because the port has so many methods: there is a call in each and nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from shared.core.conversation import Conversation
from shared.core.errors import NotFound
from shared.core.model import Agent, JsonObject, Message
from shared.core.person_calls import PersonAnswer
from shared.core.turns import Claim, Turn
from shared.ports import (
    Accepted,
    Busy,
    Deletion,
    Ended,
    Lease,
    LeftRun,
    Lessee,
    Orphan,
    Peek,
    Scratch,
    Stopping,
    Submission,
    ToolTicket,
    TurnUpdate,
)
from shared.stores.answers import (
    agent_of,
    by_outcome,
    gone,
    list_of,
    nothing,
    read_ended,
    read_stopping,
    read_submitted,
    read_ticket,
    turn_of,
)
from shared.stores.counted_turns import CountedTurns
from shared.stores.lane import Rank
from shared.stores.left_records import LeftRecords, read_deletion, read_left_run
from shared.stores.outbox_rows import OutboxRows
from shared.stores.rows import read_agent, read_claim, read_conversation, read_message, read_orphan, read_peek
from shared.stores.storable import as_json
from shared.stores.turn_patch import as_patch, ms

T = TypeVar("T")

LAST_SEQ = 2**31 - 1  # what the database can count lines to


class SupabaseStore(LeftRecords, CountedTurns, OutboxRows):
    """`rpc` calls functions of the database, each within a deadline of its own."""

    async def submit_turn(self, submission: Submission, lessee: Lessee | None) -> Accepted:
        s = submission
        return await self._rpc.call(
            "chat_submit_turn",
            by_outcome({"created": read_submitted, "replayed": read_submitted}),
            rank=Rank.ACCEPT,
            refusable=True,
            in_crowd={"owner": None, "lease_ms": 0},
            user=s.user_id,
            turn=s.turn_id,
            conversation=s.conversation_id,
            new_conversation=s.new_conversation_id,
            scope_kind=None if s.scope is None else s.scope.kind.value,
            scope_key=None if s.scope is None else s.scope.key,
            text=s.text,
            agent=s.agent,
            strategy=s.strategy.value,
            metadata=as_json(s.metadata),
            key=s.idempotency_key,
            hash=s.request_hash,
            ttl_ms=ms(s.ttl_seconds),
            open_per_conversation=s.limits.open_per_conversation,
            open_per_user=s.limits.open_per_user,
            per_minute=s.limits.per_minute,
            gather_ms=ms(s.gather_seconds),
            replaces=s.replaces,
            webhook=s.webhook,
            scope_ttl_ms=None if s.scope is None or s.scope.ttl_hours is None else ms(s.scope.ttl_hours * 3600),
            idle_ttl_ms=ms(s.conversation_ttl_seconds),
            trigger=None if s.chat is None else s.chat.trigger.value,
            names=None if s.chat is None else s.chat.names,
            message=None if s.chat is None else s.chat.message_id,
            owner=None if lessee is None else lessee.owner,
            lease_ms=0 if lessee is None else ms(lessee.lease_seconds),
        )

    async def claim_turn(self, user_id: str, conversation_id: str, lessee: Lessee) -> Claim | Busy:
        readers: dict[str, Callable[[JsonObject], Claim | Busy]] = {
            "claimed": read_claim,
            "idle": lambda _: Busy(),
            "busy": lambda _: Busy(),
            "backoff": lambda _: Busy(),
        }
        return await self._rpc.call(
            "chat_claim_turn",
            by_outcome(readers),
            rank=Rank.CLAIM,
            user=user_id,
            conversation=conversation_id,
            owner=lessee.owner,
            lease_ms=ms(lessee.lease_seconds),
            op=_new_op(),
        )

    async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, lease_seconds: float) -> Turn:
        return await self._rpc.call(
            "chat_advance_turn",
            by_outcome({"ok": turn_of, "final": turn_of, "not_found": gone}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            op=_new_op(),
            to=None if update.to is None else update.to.value,
            patch=as_json(as_patch(update)),
            lease_ms=ms(lease_seconds),
        )

    async def end_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, next_lessee: Lessee | None) -> Ended:
        return await self._rpc.call(
            "chat_advance_turn",
            by_outcome({"ok": read_ended, "final": read_ended, "not_found": gone}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            op=_new_op(),
            to=None if update.to is None else update.to.value,
            patch=as_json(as_patch(update)),
            lease_ms=0,
            next_owner=None if next_lessee is None else next_lessee.owner,
            next_lease_ms=0 if next_lessee is None else ms(next_lessee.lease_seconds),
        )

    async def release(self, lease: Lease) -> None:
        await self._rpc.call("chat_release_lease", by_outcome({"ok": nothing}), rank=Rank.HOLD, **_lease(lease))

    async def withdraw_turn(self, lease: Lease, turn_id: str) -> None:
        await self._rpc.call(
            "chat_withdraw_turn", by_outcome({"ok": nothing}), rank=Rank.HOLD, **_lease(lease), turn=turn_id
        )

    async def begin_tool_call(self, lease: Lease, turn_id: str, call_id: str, name: str, op: str) -> ToolTicket:
        return await self._rpc.call(
            "chat_begin_tool_call",
            by_outcome({"run": read_ticket, "done": read_ticket, "in_doubt": read_ticket}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            call=call_id,
            name=name,
            op=op,
        )

    async def finish_tool_call(self, lease: Lease, turn_id: str, call_id: str, output: str) -> str:
        return await self._rpc.call(
            "chat_finish_tool_call",
            by_outcome({"done": lambda answer: str(answer["output"])}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            call=call_id,
            output=output,
        )

    async def get_tool_output(self, user_id: str, conversation_id: str, call_id: str) -> str | None:
        return await self._rpc.call(
            "chat_get_tool_output",
            by_outcome({"ok": lambda answer: None if answer["output"] is None else str(answer["output"])}),
            user=user_id,
            conversation=conversation_id,
            call=call_id,
        )

    async def keep_scratch(self, lease: Lease, turn_id: str, call_id: str, scratch: Scratch) -> None:
        await self._rpc.call(
            "chat_keep_scratch",
            by_outcome({"ok": nothing}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            call=call_id,
            provider=scratch.thread.provider,
            thread=scratch.thread.thread_id,
            run=scratch.run_id,
        )

    async def get_turn(self, user_id: str, turn_id: str) -> Peek:
        return await self._rpc.call("chat_get_turn", by_outcome({"ok": read_peek}), user=user_id, turn=turn_id)

    async def cancel_turn(self, user_id: str, turn_id: str) -> Stopping:
        return await self._rpc.call(
            "chat_cancel_turn", by_outcome({"ok": read_stopping}), rank=Rank.ACCEPT, user=user_id, turn=turn_id
        )

    async def edit_turn(self, user_id: str, turn_id: str, text: str) -> Turn:
        return await self._rpc.call(
            "chat_edit_turn",
            by_outcome({"ok": turn_of}),
            rank=Rank.ACCEPT,
            user=user_id,
            turn=turn_id,
            text=text,
            op=_new_op(),
        )

    async def answer_call(self, user_id: str, turn_id: str, answer: PersonAnswer) -> Turn:
        return await self._rpc.call(
            "chat_answer_call",
            by_outcome({"ok": turn_of}),
            rank=Rank.ACCEPT,
            user=user_id,
            turn=turn_id,
            call=answer.call_id,
            approve=answer.approve,
            reason=answer.reason,
            output=answer.output,
            op=_new_op(),
        )

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

    async def note_stream(self, user_id: str, turn_id: str, *, whole: bool) -> None:
        await self._rpc.call(
            "chat_note_stream",
            by_outcome({"ok": nothing}),
            rank=Rank.ACCEPT,
            user=user_id,
            turn=turn_id,
            whole=whole,
        )

    async def change_conversation(self, user_id: str, conversation_id: str, fields: JsonObject) -> Conversation:
        return await self._rpc.call(
            "chat_change_conversation",
            by_outcome({"ok": lambda answer: read_conversation(answer["conversation"])}),
            rank=Rank.ACCEPT,
            user=user_id,
            conversation=conversation_id,
            patch=as_json(fields),
            op=_new_op(),
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

    async def list_agents(self, user_id: str) -> Sequence[Agent]:
        return await self._rpc.call("chat_list_agents", list_of("agents", read_agent), user=user_id)

    async def get_agent(self, user_id: str, slug: str) -> Agent:
        return await self._rpc.call("chat_get_agent", by_outcome({"ok": agent_of}), user=user_id, slug=slug)

    async def create_agent(self, user_id: str, fields: JsonObject, most: int) -> Agent:
        return await self._rpc.call(
            "chat_create_agent",
            by_outcome({"ok": agent_of}),
            user=user_id,
            agent=_new_op(),
            fields=as_json(fields),
            most=most,
        )

    async def change_agent(self, user_id: str, slug: str, fields: JsonObject) -> Agent:
        return await self._rpc.call(
            "chat_change_agent", by_outcome({"ok": agent_of}), user=user_id, slug=slug, fields=as_json(fields)
        )

    async def delete_agent(self, user_id: str, slug: str) -> None:
        agent = await self.get_agent(user_id, slug)
        if not agent.owned:
            raise NotFound
        await self._rpc.call("chat_delete_agent", by_outcome({"ok": nothing}), user=user_id, agent=agent.agent_id)

    async def read_project(self, user_id: str, conversation_id: str) -> JsonObject:
        return await self._rpc.call(
            "chat_read_project", by_outcome({"ok": _project}), user=user_id, conversation=conversation_id
        )

    async def read_feedback(self, user_id: str, conversation_id: str) -> Sequence[JsonObject]:
        return await self._rpc.call(
            "chat_read_feedback", list_of("feedback", lambda row: row), user=user_id, conversation=conversation_id
        )

    async def write_project(self, user_id: str, conversation_id: str, fields: JsonObject) -> JsonObject:
        return await self._rpc.call(
            "chat_write_project",
            by_outcome({"ok": _project}),
            user=user_id,
            conversation=conversation_id,
            patch=as_json(fields),
        )

    async def begin_assistant(self, mark: str) -> None:
        await self._rpc.call("chat_begin_assistant", by_outcome({"ok": nothing}), mark=mark)

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str:
        return await self._rpc.call(
            "chat_remember_assistant",
            by_outcome({"ok": lambda answer: str(answer["assistant_id"])}),
            agent=agent_id,
            assistant=assistant_id,
            instead_of=instead_of,
            mark=mark,
        )

    async def find_run(self, run_id: str) -> Turn:
        return await self._rpc.call("chat_find_run", by_outcome({"ok": turn_of}), run=run_id)

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        return await self._rpc.call("chat_list_orphans", list_of("orphans", read_orphan), limit=limit)

    async def ping(self) -> bool:
        return await self._rpc.call("chat_ping", by_outcome({"ok": lambda _: True}))

    async def schema_version(self) -> str:
        return await self._rpc.call("chat_schema_version", by_outcome({"ok": lambda answer: str(answer["version"])}))


def _project(answer: JsonObject) -> JsonObject:
    project: JsonObject = answer["project"]
    return project


def _lease(lease: Lease) -> dict[str, Any]:
    return {"user": lease.user_id, "conversation": lease.conversation_id, "epoch": lease.epoch}


def _new_op() -> str:
    """One a call, the same for all its attempts: so the database knows a repeated write."""
    return str(uuid.uuid4())
