"""What a turn that ended without a reply is to those who ask for it: one error, the same on every way."""

from __future__ import annotations

from typing import Any

from functions.multi_agent_chat import render
from functions.multi_agent_chat.http_errors import sentence_of
from shared.core.errors import Conflict, TurnFailed
from shared.core.model import Turn, TurnStatus


def error_of(turn: Turn, replayed: bool) -> Conflict | TurnFailed | None:
    """None for a turn that is open, or completed."""
    if not turn.status.final or turn.status is TurnStatus.COMPLETED:
        return None
    if turn.superseded_by is not None:
        return _superseded(turn)
    details = {"turn": render.turn_answer(turn, replayed, quoting=False)}
    if turn.status is TurnStatus.CANCELLED:
        return Conflict(sentence_of("cancelled"), code="cancelled", details=details)
    error = render.stored_error(turn.error or {})
    return TurnFailed(error["message"], code=error["code"], retryable=error["retryable"], details=details)


def state_of(turn: Turn) -> dict[str, Any]:
    """A turn as its owner reads it. A displaced one says so, on every way it is asked for."""
    if turn.status.final and turn.superseded_by is not None:
        raise _superseded(turn)
    return render.turn_state(turn)


def _superseded(turn: Turn) -> Conflict:
    details = {"turn_id": turn.turn_id, "superseded_by": turn.superseded_by}
    return Conflict(sentence_of("superseded"), code="superseded", details=details)
