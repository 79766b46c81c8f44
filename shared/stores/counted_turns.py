"""TurnStatistics over PostgREST, and the upkeep of what it reads."""

from __future__ import annotations

from shared.core.model import JsonObject
from shared.ports import OpenTurns
from shared.stores.answers import by_outcome, list_of
from shared.stores.rpc import DatabaseCalls

SLICES = 60  # of five minutes, counted in one call of the scheduled function


class CountedTurns:
    """`rpc` calls functions of the database, each within a deadline of its own."""

    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def get_statistics(self, window_seconds: int, bucket_seconds: int) -> JsonObject:
        return await self._rpc.call(
            "chat_get_statistics",
            by_outcome({"ok": _all}),
            window_seconds=window_seconds,
            bucket_seconds=bucket_seconds,
        )

    async def list_watched(self, state: str, limit: int) -> list[JsonObject]:
        return list(
            await self._rpc.call("chat_list_watched", list_of("turns", lambda row: row), state=state, limit=limit)
        )

    async def get_timeline(self, turn_id: str) -> tuple[JsonObject, list[JsonObject]]:
        return await self._rpc.call("chat_get_timeline", by_outcome({"ok": _timeline}), turn=turn_id)

    async def list_feedback(self, limit: int) -> JsonObject:
        return await self._rpc.call("chat_list_feedback", by_outcome({"ok": _feedback}), limit=limit)

    async def tidy_events(self) -> OpenTurns:
        return await self._rpc.call("chat_tidy_events", by_outcome({"ok": _open}), slices=SLICES)


def _open(answer: JsonObject) -> OpenTurns:
    return OpenTurns(answer["open"], answer["oldest_open_ms"])


def _all(answer: JsonObject) -> JsonObject:
    names = ("since", "now", "open", "oldest_open_ms", "buckets")
    # a database that has not been upgraded yet knows no breakers
    return {name: answer[name] for name in names} | {"breakers": answer.get("breakers", [])}


def _feedback(answer: JsonObject) -> JsonObject:
    return {name: answer[name] for name in ("agents", "feedback")}


def _timeline(answer: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    return answer["turn"], list(answer["events"])
