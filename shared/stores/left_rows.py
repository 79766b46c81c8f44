"""LeftRecords over PostgREST."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.model import JsonObject
from shared.core.runs import Thread
from shared.ports import Deletion, Expiry, LeftRun, RemoteObject
from shared.stores.answers import by_outcome, list_of, nothing
from shared.stores.rpc import DatabaseCalls
from shared.stores.turn_patch import ms


class LeftRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def expire_conversations(self, ttl_seconds: float, retention_seconds: float, limit: int) -> Expiry:
        return await self._rpc.call(
            "chat_expire_conversations",
            by_outcome({"ok": lambda answer: Expiry(answer["archived"], answer["deleted"])}),
            ttl_ms=ms(ttl_seconds),
            retention_ms=ms(retention_seconds),
            limit=limit,
        )

    async def list_ended_threads(self, limit: int) -> Sequence[Thread]:
        return await self._rpc.call(
            "chat_list_ended_threads",
            list_of("threads", lambda row: Thread(row["provider"], row["thread_id"])),
            limit=limit,
        )

    async def drop_thread(self, thread: Thread) -> None:
        await self._rpc.call(
            "chat_drop_thread", by_outcome({"ok": nothing}), provider=thread.provider, thread=thread.thread_id
        )

    async def defer_thread(self, thread: Thread) -> None:
        await self._rpc.call(
            "chat_defer_thread", by_outcome({"ok": nothing}), provider=thread.provider, thread=thread.thread_id
        )

    async def list_ended_objects(self, limit: int) -> Sequence[RemoteObject]:
        return await self._rpc.call(
            "chat_list_ended_objects",
            list_of("objects", lambda row: RemoteObject(row["id"], row["kind"], row["provider"], row["object_id"])),
            limit=limit,
        )

    async def drop_object(self, remote: RemoteObject) -> None:
        await self._rpc.call("chat_drop_object", by_outcome({"ok": nothing}), object=remote.record_id)

    async def defer_object(self, remote: RemoteObject) -> None:
        await self._rpc.call("chat_defer_object", by_outcome({"ok": nothing}), object=remote.record_id)

    async def list_left_runs(self, limit: int) -> Sequence[LeftRun]:
        return await self._rpc.call("chat_list_left_runs", list_of("runs", read_left_run), limit=limit)

    async def drop_left_run(self, run: LeftRun) -> None:
        await self._rpc.call("chat_drop_left_run", by_outcome({"ok": nothing}), run=run.record_id)

    async def defer_left_run(self, run: LeftRun) -> None:
        await self._rpc.call("chat_defer_left_run", by_outcome({"ok": nothing}), run=run.record_id)


def read_left_run(row: JsonObject) -> LeftRun:
    provider = row["provider"]
    thread = None if provider is None else Thread(provider, row["thread_id"])
    return LeftRun(row["id"], row["run_id"], row["turn_id"], thread)


def read_deletion(answer: JsonObject) -> Deletion:
    return Deletion(tuple(read_left_run(row) for row in answer["runs"]), answer["left"])
