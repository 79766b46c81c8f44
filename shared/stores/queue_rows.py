"""TurnQueue over PostgREST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shared.core.model import JsonObject
from shared.core.person_calls import PersonAnswer
from shared.core.turns import Claim, Turn
from shared.ports import (
    Accepted,
    Busy,
    Ended,
    Lease,
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
from shared.stores.lane import Rank
from shared.stores.rows import read_claim, read_orphan, read_peek
from shared.stores.rpc import DatabaseCalls, new_op
from shared.stores.storable import as_json
from shared.stores.turn_patch import as_patch, ms


class QueueRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

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
            op=new_op(),
        )

    async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, lease_seconds: float) -> Turn:
        return await self._rpc.call(
            "chat_advance_turn",
            by_outcome({"ok": turn_of, "final": turn_of, "not_found": gone}),
            rank=Rank.HOLD,
            **_lease(lease),
            turn=turn_id,
            op=new_op(),
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
            op=new_op(),
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
            op=new_op(),
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
            op=new_op(),
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

    async def find_run(self, run_id: str) -> Turn:
        return await self._rpc.call("chat_find_run", by_outcome({"ok": turn_of}), run=run_id)

    async def list_orphans(self, limit: int) -> Sequence[Orphan]:
        return await self._rpc.call("chat_list_orphans", list_of("orphans", read_orphan), limit=limit)


def _lease(lease: Lease) -> dict[str, Any]:
    return {"user": lease.user_id, "conversation": lease.conversation_id, "epoch": lease.epoch}
