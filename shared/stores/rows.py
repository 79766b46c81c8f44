"""What the database's functions answer, read into the model. A shape that is not theirs raises KeyError, TypeError or
ValueError: the caller takes that for an answer that was lost."""

from __future__ import annotations

from typing import Any

from shared.core.conversation import Conversation
from shared.core.error_codes import ErrorCode
from shared.core.images import Image
from shared.core.model import Agent, Fallback, JsonObject, Message, Peer, PlacedCall, Scope, ScopeKind
from shared.core.person_calls import PersonCall, PersonCallKind
from shared.core.runs import Handoff, Source, Step, Thread, ToolCall, ToolOutput, ToolSpec, Usage, allowed_by
from shared.core.turns import (
    Claim,
    Displaced,
    Displacement,
    Joined,
    MultitaskStrategy,
    RunRecord,
    Steered,
    Turn,
    TurnStatus,
)
from shared.ports import HeadRun, ImagePiece, Orphan, Peek, Scratch


def read_turn(row: JsonObject) -> Turn:
    return Turn(
        turn_id=row["turn_id"],
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        seq=row["seq"],
        # one that was joined to another waits where that one does, and its calls are the other's
        status=TurnStatus.WAITING if row["calls"] else TurnStatus(row["status"]),
        text=row["text"],
        agent=row["agent"],
        strategy=MultitaskStrategy(row["strategy"]),
        attempt=row["attempt"],
        failures=row["failures"],
        run_key=row["run_key"],
        run_id=row["run_id"],
        cancel_requested=row["cancel_requested"],
        conflicts=row["conflicts"],
        waited_ms=row["waited_ms"],
        starting_ms=row["starting_ms"],
        running_ms=row["running_ms"],
        working_ms=row["working_ms"],
        remaining_ms=row["remaining_ms"],
        position=row["position"],
        reply=row["reply"],
        structured_at=row["structured_at"],
        error=row["error"],
        draft=row["draft"],
        runs=tuple(_run(run) for run in row["runs"]),
        handoffs=tuple(_handoff(one) for one in row["handoffs"]),
        usage=Usage(row["usage"]["input_tokens"], row["usage"]["output_tokens"]),
        metadata=row["metadata"],
        superseded_by=row["superseded_by"],
        superseded_how=None if row["superseded_how"] is None else Displacement(row["superseded_how"]),
        replaced=row["replaced"],
        client_message_id=row["client_message_id"],
        joined=tuple(Joined(one["turn_id"], one["text"], TurnStatus(one["status"])) for one in row["joined"]),
        steered=tuple(
            Steered(one["turn_id"], one["text"], TurnStatus(one["status"]), one["after"], one["runs"])
            for one in row["steered"]
        ),
        steered_into=row["steered_into"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cancelling_ms=row["cancelling_ms"],
        calls=tuple(_person_call(call) for call in row["calls"]),
        fallback=row["fallback"],
        # a database that has not been upgraded yet knows no breakers
        choices=tuple(row.get("choices") or ()),
        breaker=row.get("breaker"),
        stream_broken=row["stream_broken"],
    )


def read_agent(row: JsonObject) -> Agent:
    return Agent(
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        model=row["model"],
        instructions=row["instructions"],
        provider=row["provider"],
        assistant_id=row["assistant_id"],
        tools=tuple(row["tools"]),
        handoffs=tuple(row["handoffs"]),
        agent_id=row["agent_id"],
        owned=row["owned"],
        settings=row["settings"],
        output_schema=row["output_schema"],
        hosted_tools=tuple(row["hosted_tools"]),
        fallbacks=tuple(Fallback(one.get("model"), one.get("provider")) for one in row["fallbacks"]),
        troubled={int(choice): failed_us for choice, failed_us in row.get("troubled", {}).items()},
        version=row["version"],
        as_tool=row["as_tool"],
        approvals=tuple(row["approvals"]),
        client_tools=tuple(
            ToolSpec(tool["name"], tool["description"], tool["parameters"]) for tool in row["client_tools"]
        ),
        ask_user=row["ask_user"],
        assistant_made=row["assistant_made"],
        peers=tuple(
            Peer(peer["slug"], peer["name"], peer["description"], handoff=peer["handoff"], ask=peer["ask"])
            for peer in row.get("peers", ())
        ),
    )


def _run(row: JsonObject) -> RunRecord:
    optional: dict[str, Any] = {name: row.get(name) for name in ("text", "asked_by", "version", "model", "fallback")}
    sources = tuple(read_source(one) for one in row.get("sources", ()))
    images = tuple(_image(one) for one in row.get("images", ()))
    return RunRecord(row["run_id"], row["agent"], row["status"], **optional, sources=sources, images=images)


def read_source(row: JsonObject) -> Source:
    return Source(row.get("url"), row.get("file_id"), row.get("title"))


def _image(row: JsonObject) -> Image:
    fault = row.get("fault")
    return Image(
        image_id=row["image_id"],
        media_type=row.get("media_type"),
        size=row["size"],
        description=row.get("description"),
        width=row.get("width"),
        height=row.get("height"),
        fault=None if fault is None else ErrorCode(fault),
    )


def read_image_piece(row: JsonObject) -> ImagePiece:
    return ImagePiece(row["media_type"], row["size"], row["start"], row["data"])


def _handoff(row: JsonObject) -> Handoff:
    return Handoff(row["from"], row["to"], row["reason"], row["task"])


def _step(row: JsonObject) -> Step:
    approved = tuple(call["call_id"] for call in row["calls"] if call["person"] == "approved")
    calls = tuple(
        ToolCall(call["call_id"], call["name"], call["arguments"], call.get("server")) for call in row["calls"]
    )
    outputs = {call["call_id"]: call["output"] for call in row["calls"] if call["output"] is not None}
    return Step(
        run_id=row["run_id"],
        agent=row["agent"],
        text=row["text"],
        calls=calls,
        outputs=tuple(
            ToolOutput(call.call_id, outputs[call.call_id], allowed_by(call, approved))
            for call in calls
            if call.call_id in outputs
        ),
        thread_id=row["thread_id"],
        handoff=None if row["handoff"] is None else _handoff(row["handoff"]),
        waited=any(call["person"] is not None for call in row["calls"]),
        approved=approved,
    )


def _person_call(row: JsonObject) -> PersonCall:
    return PersonCall(row["call_id"], PersonCallKind(row["kind"]), row["name"], row["arguments"], row["expires_at"])


def read_scratch(row: JsonObject | None) -> Scratch | None:
    return None if row is None else Scratch(Thread(row["provider"], row["thread_id"]), row["run_id"])


def read_claim(row: JsonObject) -> Claim:
    provider = row["thread_provider"]
    return Claim(
        epoch=row["epoch"],
        turn=read_turn(row["turn"]),
        agent=read_agent(row["agent"]),
        thread=None if provider is None else Thread(provider, row["thread_id"], row["thread_cursor"]),
        fresh=row["fresh"],
        last_run_id=row["last_run_id"],
        message_count=row["message_count"],
        thread_lines=row["thread_lines"],
        displaced=tuple(Displaced(one["turn_id"], one["text"], one["partial"]) for one in row["displaced"]),
        steps=tuple(_step(one) for one in row["steps"]),
    )


def read_peek(row: JsonObject) -> Peek:
    return Peek(read_turn(row["turn"]), row["claimable"], read_head_run(row.get("active_run")))


def read_head_run(row: JsonObject | None) -> HeadRun | None:
    if row is None:
        return None
    provider = row["thread_provider"]
    return HeadRun(row["turn_id"], row["run_id"], None if provider is None else Thread(provider, row["thread_id"]))


def read_orphan(row: JsonObject) -> Orphan:
    return Orphan(row["user_id"], row["conversation_id"], row["newest_turn_id"])


def read_message(row: JsonObject) -> Message:
    return Message(
        id=row["id"],
        seq=row["seq"],
        turn_id=row["turn_id"],
        turn_seq=row["turn_seq"],
        role=row["role"],
        agent=row["agent"],
        text=row["text"],
        created_at=row["created_at"],
        partial=row["partial"],
        handoff_to=row["handoff_to"],
        client_message_id=row["client_message_id"],
        calls=tuple(
            PlacedCall(call["call_id"], call["name"], call["arguments"], call["output"], call["at"], call["approved"])
            for call in row["calls"]
        ),
        steered_into=row["steered_into"],
        answers_turn_id=row["answers_turn_id"],
        sources=tuple(read_source(one) for one in row["sources"]),
        images=tuple(_image(one) for one in row["images"]),
    )


def read_conversation(row: JsonObject) -> Conversation:
    scope: dict[str, Any] | None = row["scope"]
    thread: dict[str, Any] | None = row.get("thread")
    return Conversation(
        conversation_id=row["conversation_id"],
        scope=None if scope is None else Scope(ScopeKind(scope["kind"]), scope["key"]),
        agent=row["agent"],
        status=row["status"],
        turns=row["turns"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        title=row["title"],
        messages=row["messages"],
        preview=row["preview"],
        read_seq=row["read_seq"],
        unread=row["unread"],
        archived=row["archived"],
        last_message_at=row["last_message_at"],
        open_turns=tuple(read_turn(turn) for turn in row.get("open_turns", ())),
        stats=row.get("stats", {}),
        thread=None if thread is None else Thread(thread["provider"], thread["thread_id"]),
        active_run=row.get("active_run"),
    )
