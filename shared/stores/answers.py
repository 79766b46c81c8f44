"""Reading an answer by its outcome: the wished ones become values, all others typed errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ChatError,
    Conflict,
    ConversationDeleted,
    Fenced,
    InvalidRequest,
    NoAgents,
    NotFound,
    TooMany,
)
from shared.core.model import Agent, JsonObject
from shared.core.turns import Turn
from shared.ports import Accepted, Ended, Stopping, ToolTicket
from shared.stores.rows import read_agent, read_claim, read_head_run, read_scratch, read_turn

T = TypeVar("T")

RETRY_AFTER_SECONDS = 2.0  # where the queue has to shrink first, which takes as long as its answers


def by_outcome(readers: dict[str, Callable[[JsonObject], T]]) -> Callable[[JsonObject], T]:
    """A reader that picks by outcome; every other outcome raises what it means."""

    def read(answer: JsonObject) -> T:
        reader = readers.get(answer["outcome"])
        if reader is None:
            raise refusal(answer)
        return reader(answer)

    return read


def list_of(name: str, read: Callable[[JsonObject], T]) -> Callable[[JsonObject], tuple[T, ...]]:
    return by_outcome({"ok": lambda answer: tuple(read(row) for row in answer[name])})


def read_submitted(answer: JsonObject) -> Accepted:
    claim = None if answer.get("claim") is None else read_claim(answer["claim"])
    return Accepted(
        turn=read_turn(answer["turn"]) if claim is None else claim.turn,
        replayed=answer["outcome"] == "replayed",
        claim=claim,
        head_run=read_head_run(answer.get("active_run")),
    )


def read_stopping(answer: JsonObject) -> Stopping:
    return Stopping(read_turn(answer["turn"]), read_head_run(answer.get("active_run")))


def read_ended(answer: JsonObject) -> Ended:
    following = answer.get("next")
    return Ended(read_turn(answer["turn"]), None if following is None else read_claim(following))


def read_ticket(answer: JsonObject) -> ToolTicket:
    return ToolTicket(answer["outcome"], answer.get("output"), read_scratch(answer.get("scratch")))


def turn_of(answer: JsonObject) -> Turn:
    return read_turn(answer["turn"])


def agent_of(answer: JsonObject) -> Agent:
    return read_agent(answer["agent"])


def gone(_: JsonObject) -> Any:
    raise Fenced


def nothing(_: JsonObject) -> None:
    return None


def refusal(answer: JsonObject) -> ChatError:
    """The error for an outcome. Raises KeyError where the outcome is not known here."""
    outcome = answer["outcome"]
    if outcome == "rate_limited":
        return TooMany(retry_after=answer["retry_ms"] / 1000)
    if outcome == "wrong_field":
        return InvalidRequest(details={"field": answer["field"], "fault": answer["fault"]})
    return _REFUSALS[outcome]()


_REFUSALS: dict[str, Callable[[], ChatError]] = {
    "not_found": NotFound,
    "key_mismatch": lambda: InvalidRequest(code=ErrorCode.IDEMPOTENCY_KEY_REUSED),
    "unknown_agent": lambda: InvalidRequest(code=ErrorCode.UNKNOWN_AGENT),
    "no_agents": NoAgents,
    "too_long": lambda: InvalidRequest(code=ErrorCode.JOINED_TOO_LONG, details={"field": "regenerate"}),
    "run_in_progress": lambda: Conflict(code=ErrorCode.RUN_IN_PROGRESS, retryable=True),
    "queue_full": lambda: TooMany(code=ErrorCode.QUEUE_FULL, retry_after=RETRY_AFTER_SECONDS),
    "too_many_open": lambda: TooMany(code=ErrorCode.TOO_MANY_OPEN, retry_after=RETRY_AFTER_SECONDS),
    "deleted": ConversationDeleted,
    "archived": lambda: Conflict(code=ErrorCode.CONVERSATION_ARCHIVED),
    "already_started": lambda: Conflict(code=ErrorCode.ALREADY_STARTED),
    "agent_exists": lambda: Conflict(code=ErrorCode.AGENT_EXISTS, details={"field": "slug"}),
    "too_many_agents": lambda: Conflict(code=ErrorCode.TOO_MANY_AGENTS),
    "already_answered": lambda: Conflict(code=ErrorCode.ALREADY_ANSWERED),
    "wrong_answer": lambda: InvalidRequest(details={"field": "approve"}),
    "fenced": Fenced,
    # a step that the turn's status does not allow: the holder's picture of the turn is out of date
    "conflict": Fenced,
}
