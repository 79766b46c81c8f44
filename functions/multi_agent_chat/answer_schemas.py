"""What the function answers, as JSON Schema, from top to bottom. What operators are told is in stats_schemas.py."""

from __future__ import annotations

from functions.multi_agent_chat.json_schema import (
    COUNT,
    FLAG,
    SOME_OBJECT,
    STATUS,
    STRATEGY,
    TEXT,
    TIME,
    UUID,
    listed,
    nullable,
    reference,
    shaped,
)
from shared.core.error_codes import ErrorCode
from shared.core.person_calls import PersonCallKind

ERROR = shaped(
    {
        "code": {"enum": [code.value for code in ErrorCode]},
        "message": TEXT,
        "request_id": TEXT,
        "retryable": FLAG,
    },
    {"details": SOME_OBJECT},
)
_SOURCE = shaped({}, {"url": TEXT, "file_id": TEXT, "title": TEXT})
_IMAGE = shaped(
    {"image_id": UUID, "bytes": COUNT},
    {"url": TEXT, "media_type": TEXT, "description": TEXT, "width": COUNT, "height": COUNT}
    | {"error": shaped({"code": TEXT, "message": TEXT})},
)
_RUN = shaped(
    {"run_id": nullable(TEXT), "agent": TEXT, "status": TEXT},
    {"text": TEXT, "asked_by": TEXT, "version": COUNT, "model": TEXT, "fallback": COUNT, "sources": listed(_SOURCE)}
    | {"images": listed(_IMAGE)},
)
_REPLY = shaped(
    {"text": TEXT},
    {"images": listed(_IMAGE), "json": SOME_OBJECT, "json_error": shaped({"code": TEXT, "message": TEXT})},
)
_HANDOFF = shaped({"from": TEXT, "to": TEXT, "reason": TEXT, "task": TEXT})
_TURN = {
    "turn_id": UUID,
    "conversation_id": UUID,
    "seq": COUNT,
    "status": STATUS,
    "agent": TEXT,
    "reply": nullable(_REPLY),
    "runs": listed(_RUN),
    "handoffs": listed(_HANDOFF),
    "waited_ms": COUNT,
    "conflicts": COUNT,
    "usage": shaped({"input_tokens": COUNT, "output_tokens": COUNT}),
}
_PERSON_CALL = shaped(
    {
        "call_id": TEXT,
        "kind": {"enum": [kind.value for kind in PersonCallKind]},
        "name": TEXT,
        "arguments": {},
        "expires_at": TIME,
    }
)
_STORED_ERROR = shaped({"code": TEXT, "message": TEXT, "retryable": FLAG}, {"details": SOME_OBJECT})
_SHARED = {"covers": listed(UUID), "steered_into": UUID}
TURN_ANSWER = shaped(_TURN | {"replayed": FLAG}, _SHARED)
TURN_HANDLE = shaped(
    {
        "turn_id": UUID,
        "conversation_id": UUID,
        "seq": COUNT,
        "status": STATUS,
        "position": COUNT,
        "retry_after": COUNT,
        "replayed": FLAG,
    },
    {"calls": listed(_PERSON_CALL), "steered_into": UUID},
)
TURN_STATE = shaped(
    _TURN
    | {
        "message": TEXT,
        "multitask_strategy": STRATEGY,
        "position": COUNT,
        "cancel_requested": FLAG,
        "superseded_by": nullable(UUID),
        "replaced": nullable(UUID),
        "client_message_id": nullable(TEXT),
        "error": nullable(_STORED_ERROR),
        "partial": nullable(shaped({"text": TEXT})),
        "metadata": {"type": "object", "additionalProperties": TEXT},
        "created_at": TIME,
        "finished_at": nullable(TIME),
    },
    _SHARED | {"retry_after": COUNT, "calls": listed(_PERSON_CALL)},
)
_CONVERSATION = {
    "conversation_id": UUID,
    "title": TEXT,
    "scope": nullable(shaped({"kind": TEXT, "key": TEXT})),
    "agent": TEXT,
    "status": {"enum": ["idle", "busy"]},
    "turns": COUNT,
    "messages": COUNT,
    "preview": nullable(TEXT),
    "read_seq": COUNT,
    "unread": COUNT,
    "archived": FLAG,
    "last_message_at": TIME,
    "created_at": TIME,
    "updated_at": TIME,
}
CONVERSATION = shaped(
    _CONVERSATION
    | {
        "open_turns": listed(reference("TurnState")),
        "active_run": nullable(SOME_OBJECT),
        "thread": nullable(shaped({"provider": TEXT, "thread_id": TEXT})),
        "stats": SOME_OBJECT,
    }
)
CONVERSATION_LIST = shaped({"conversations": listed(shaped(_CONVERSATION)), "next_before": nullable(UUID)})
_CALL = shaped(
    {
        "call_id": TEXT,
        "name": TEXT,
        "state": {"enum": ["open", "done", "failed"]},
        "input": {},
        "output": {},
        "at": COUNT,
    }
)
_LINE = shaped(
    {
        "id": UUID,
        "seq": COUNT,
        "turn_id": UUID,
        "turn_seq": COUNT,
        "role": {"enum": ["user", "assistant"]},
        "agent": nullable(TEXT),
        "text": TEXT,
        "created_at": TIME,
        "partial": FLAG,
        "handoff_to": nullable(TEXT),
        "client_message_id": nullable(TEXT),
        "calls": listed(_CALL),
        "steered_into": nullable(UUID),
        "answers_turn_id": nullable(UUID),
        "sources": listed(_SOURCE),
        "images": listed(_IMAGE),
    }
)
_UI_MESSAGE = shaped(
    {"id": TEXT, "role": {"enum": ["user", "assistant"]}, "metadata": SOME_OBJECT, "parts": listed(SOME_OBJECT)}
)
MESSAGE_LIST = shaped(
    {
        "messages": {"anyOf": [listed(_LINE), listed(_UI_MESSAGE)]},
        "next_after_seq": nullable(COUNT),
        "next_before_seq": nullable(COUNT),
    }
)
_RATING = shaped({"turn_id": UUID, "good": FLAG, "comment": nullable(TEXT), "created_at": TIME})
EXPORT = shaped(
    {
        "user_id": UUID,
        "conversations": listed(
            shaped(
                _CONVERSATION
                | {"project": SOME_OBJECT, "feedback": listed(_RATING), "lines": listed(_LINE)}
                | {"images": listed(shaped({"image_id": UUID, "media_type": TEXT, "base64": TEXT}))}
            )
        ),
        "agents": listed(reference("Agent")),
    }
)
AGENT = shaped(
    {
        "slug": TEXT,
        "name": TEXT,
        "description": TEXT,
        "model": nullable(TEXT),
        "handoffs": listed(TEXT),
        "as_tool": FLAG,
        "owned": FLAG,
    },
    {
        "instructions": TEXT,
        "tools": listed(TEXT),
        "approvals": listed(TEXT),
        "client_tools": listed(SOME_OBJECT),
        "ask_user": FLAG,
        "settings": SOME_OBJECT,
        "output_schema": nullable(SOME_OBJECT),
        "hosted_tools": listed(SOME_OBJECT),
        "fallbacks": listed(SOME_OBJECT),
        "version": COUNT,
    },
)
AGENT_LIST = shaped({"agents": listed(AGENT)})
HEALTH = shaped(
    {"status": {"enum": ["ok", "unavailable"]}, "version": TEXT, "store": TEXT, "schema": TEXT, "agents": TEXT}
    | {"provider": TEXT},
    {"schema_needed": TEXT},
)
