"""Values of the core as the JSON people get. Names here are the contract with clients."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from functions.asgi.errors import sentence_of
from functions.multi_agent_chat import tool_values
from shared.core.error_codes import ErrorCode
from shared.core.errors import Conflict, TurnFailed
from shared.core.images import Image
from shared.core.model import JsonObject
from shared.core.person_calls import PersonCall
from shared.core.redaction import shown_id
from shared.core.runs import Handoff, Source
from shared.core.turns import RunRecord, Turn, TurnStatus

HEAD_RETRY_SECONDS = 1  # for the turn that is being answered
QUEUED_RETRY_SECONDS = 2  # for one that waits behind others
WAITING_RETRY_SECONDS = 15  # for one that waits for a person


def turn_answer(turn: Turn, replayed: bool, *, quoting: bool = True) -> dict[str, Any]:
    """The turn without its message: what a POST answers with. An error may carry it with `quoting` off."""
    answer: dict[str, Any] = {
        "turn_id": turn.turn_id,
        "conversation_id": turn.conversation_id,
        "seq": turn.seq,
        "status": turn.status.value,
        "agent": turn.agent,
        "reply": _reply(turn) if quoting else None,
        "runs": [_run(run, quoting) for run in turn.runs],
        "handoffs": [handoff_made(handoff, quoting) for handoff in turn.handoffs],
        "waited_ms": turn.waited_ms,
        "conflicts": turn.conflicts,
        "usage": asdict(turn.usage),
        "replayed": replayed,
    }
    if len(turn.covers) > 1:
        answer["covers"] = list(turn.covers)
    return answer | _steered(turn)


def _steered(turn: Turn) -> dict[str, Any]:
    return {} if turn.steered_into is None else {"steered_into": turn.steered_into}


def _reply(turn: Turn) -> dict[str, Any] | None:
    """One that was asked for under a JSON Schema is also shown as what it means; where that is nothing, it is said."""
    if turn.reply is None:
        return None
    reply: dict[str, Any] = {"text": turn.reply}
    if turn.images:
        reply["images"] = [image(one) for one in turn.images]
    if turn.structured_at is not None:
        value = tool_values.came_of_it(turn.reply[turn.structured_at :])
        if isinstance(value, dict):
            return reply | {"json": value}
        code = ErrorCode.REPLY_NOT_JSON
        return reply | {"json_error": {"code": code.value, "message": sentence_of(code)}}
    return reply


def _run(run: RunRecord, quoting: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"run_id": shown_id(run.run_id), "agent": run.agent, "status": run.status}
    if quoting and run.text is not None:
        shown["text"] = run.text
    if run.asked_by is not None:
        shown["asked_by"] = run.asked_by
    if run.version is not None:
        shown["version"] = run.version
    if run.model is not None:
        shown["model"] = run.model
    if run.fallback is not None:
        shown["fallback"] = run.fallback
    if quoting and run.sources:
        shown["sources"] = [source(one) for one in run.sources]
    if quoting and run.images:
        shown["images"] = [image(one) for one in run.images]
    return shown


def source(value: Source) -> dict[str, Any]:
    """What is cited: by an address, or as a file of the provider's."""
    named = {"url": value.url} if value.url is not None else {"file_id": shown_id(value.file_id)}
    return named | ({} if value.title is None else {"title": value.title})


def image(value: Image) -> dict[str, Any]:
    """Where its bytes are, as a route of this function; or why there are none."""
    shown: dict[str, Any] = {"image_id": value.image_id, "bytes": value.size}
    if value.fault is None:
        shown |= {"url": f"/images/{value.image_id}", "media_type": value.media_type}
    else:
        shown["error"] = {"code": value.fault.value, "message": sentence_of(value.fault)}
    optional = {"description": value.description, "width": value.width, "height": value.height}
    return shown | {name: one for name, one in optional.items() if one is not None}


def handoff_made(handoff: Handoff, quoting: bool = True) -> dict[str, Any]:
    ends = {"from": handoff.from_agent, "to": handoff.to_agent}
    return ends | {"reason": handoff.reason, "task": handoff.task} if quoting else ends


def turn_handle(turn: Turn) -> dict[str, Any]:
    """What a caller needs to come back for a turn that is still open."""
    return (
        {
            "turn_id": turn.turn_id,
            "conversation_id": turn.conversation_id,
            "seq": turn.seq,
            "status": turn.status.value,
            "position": turn.position,
            "retry_after": next_poll_seconds(turn),
        }
        | _calls(turn)
        | _steered(turn)
    )


def _calls(turn: Turn) -> dict[str, Any]:
    """What the turn waits for."""
    return {"calls": [person_call(call) for call in turn.calls]} if turn.status is TurnStatus.WAITING else {}


def person_call(call: PersonCall) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        "kind": call.kind.value,
        "name": call.name,
        "arguments": tool_values.given(call.arguments),
        "expires_at": call.expires_at,
    }


def turn_state(turn: Turn) -> dict[str, Any]:
    """A turn as its owner reads it, its message included, in every state."""
    state = turn_answer(turn, replayed=False)
    del state["replayed"]
    state |= {
        "message": turn.text,
        "multitask_strategy": turn.strategy.value,
        "position": turn.position,
        "cancel_requested": turn.cancel_requested,
        "superseded_by": turn.superseded_by,
        "replaced": turn.replaced,
        "client_message_id": turn.client_message_id,
        "error": None if turn.error is None or _cancelled(turn.error) else stored_error(turn.error),
        "partial": None if turn.error is None else _partial(turn.error),
        "metadata": dict(turn.metadata),
        "created_at": turn.created_at,
        "finished_at": turn.finished_at,
    }
    if not turn.status.final:
        state["retry_after"] = next_poll_seconds(turn)
    return state | _calls(turn)


def _cancelled(error: JsonObject) -> bool:  # then it says no more than the turn's status does
    return error.get("code") == ErrorCode.CANCELLED


def _partial(error: JsonObject) -> dict[str, str] | None:
    """What the agent had said when the turn ended without a reply. It stands in no error: errors quote none."""
    text = str(error.get("partial_text") or "")
    return {"text": text} if text else None


def next_poll_seconds(turn: Turn) -> int:
    if turn.status is TurnStatus.WAITING:
        return WAITING_RETRY_SECONDS
    return QUEUED_RETRY_SECONDS if turn.position else HEAD_RETRY_SECONDS


def stored_error(error: JsonObject) -> dict[str, Any]:
    """A turn's final failure; code and sentence are ours, as stored ones may quote a provider."""
    try:
        code = ErrorCode(str(error.get("code")))
    except ValueError:  # a row outlives the version that wrote it
        code = ErrorCode.RUN_FAILED
    known = {"code": code, "message": sentence_of(code), "retryable": bool(error.get("retryable", False))}
    agent = error.get("agent")
    return known | {"details": {"agent": str(agent)}} if agent is not None else known


def error_of(turn: Turn, replayed: bool) -> Conflict | TurnFailed | None:
    """None for a turn that is open, or completed."""
    if not turn.status.final or turn.status is TurnStatus.COMPLETED:
        return None
    if _displaced(turn):
        return _superseded(turn)
    details = {"turn": turn_answer(turn, replayed, quoting=False)}
    if turn.status is TurnStatus.CANCELLED:
        return Conflict(code=ErrorCode.CANCELLED, details=details)
    error = stored_error(turn.error or {})
    details |= error.get("details", {})
    return TurnFailed(error["message"], code=error["code"], retryable=error["retryable"], details=details)


def state_of(turn: Turn) -> dict[str, Any]:
    """A turn as its owner reads it. One that another has ended says so, on every way it is asked for."""
    if _displaced(turn):
        raise _superseded(turn)
    return turn_state(turn)


def _displaced(turn: Turn) -> bool:
    """Whether another turn has ended this one. One that was over before keeps its outcome, and can be read."""
    return turn.status is TurnStatus.CANCELLED and (turn.error or {}).get("code") == ErrorCode.SUPERSEDED


def _superseded(turn: Turn) -> Conflict:
    details = {"turn_id": turn.turn_id, "superseded_by": turn.superseded_by}
    return Conflict(code=ErrorCode.SUPERSEDED, details=details)
