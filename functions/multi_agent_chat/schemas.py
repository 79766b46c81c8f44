"""The shapes of requests and answers as JSON Schema, with the limits that the fields are checked against.

Request fields are checked by body_fields.py and url_fields.py, which say more about a fault than a schema can. What is
written here and what is checked there are held together by tests/http/test_openapi.py, which sends generated requests.

This file is longer than 250 lines because it is one table, read from top to bottom.
"""

from __future__ import annotations

from typing import Any

from functions.multi_agent_chat import answer_fields, body_fields, url_fields
from shared.core.error_codes import ErrorCode
from shared.core.model import ScopeKind
from shared.core.person_calls import PersonCallKind
from shared.core.turns import MultitaskStrategy, Trigger, TurnStatus

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid", "pattern": f"^{body_fields.UUID_PATTERN}$"}
SLUG: Schema = {"type": "string", "pattern": f"^{body_fields.SLUG_PATTERN}$", "maxLength": body_fields.MAX_SLUG}
SOME_OBJECT: Schema = {"type": "object"}
# Without control characters; a test of the fields holds what else must be visible.
_CLEAN = "[^\\u0000-\\u001f\\u007f-\\u009f]"
_PASTED = "[^\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u0084\\u0086-\\u009f]"
_SEEN = "[!-~]"


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def shaped(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def _forbidden(*names: str) -> Schema:
    return {"anyOf": [{"required": [name]} for name in names]}


def _short(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": f"^{_CLEAN}*{_SEEN}{_CLEAN}*$"}


_MESSAGE_TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": body_fields.MAX_TEXT,
    "pattern": f"^{_PASTED}*{_SEEN}{_PASTED}*$",
    "description": "Something in it can be seen. CR, CRLF, VT, FF and NEL are taken as newlines.",
}
# Kept by nothing here; its texts are checked all the same.
ANY_VALUE: Schema = {
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        {"type": "string", "pattern": f"^{_PASTED}*$"},
        {"type": "array", "items": reference("AnyValue")},
        reference("AnyObject"),
    ]
}
ANY_OBJECT: Schema = {
    "type": "object",
    "propertyNames": {"pattern": f"^{_CLEAN}*$"},
    "additionalProperties": reference("AnyValue"),
}
_PART = shaped(
    {"type": {"const": "text"}, "text": _MESSAGE_TEXT},
    {"state": reference("AnyValue"), "providerMetadata": reference("AnyValue")},
)
_PARTS = shaped(
    {"parts": {"type": "array", "items": _PART, "minItems": 1}},
    {
        "id": {"type": "string", "pattern": f"^{_PASTED}*$"},
        "role": {"const": "user"},
        "metadata": reference("AnyObject"),
    },
)
_PARTS_OF_CHAT = _PARTS | {"properties": _PARTS["properties"] | {"id": _short(body_fields.MAX_CHAT_ID)}}
MESSAGE: Schema = {"anyOf": [_MESSAGE_TEXT, _PARTS]}
_TTL_HOURS: Schema = {"type": "number", "minimum": 0, "maximum": body_fields.MAX_TTL_HOURS}
_SCOPE_KEY = _short(body_fields.MAX_KEY)
SCOPE: Schema = {
    "anyOf": [
        shaped({"kind": {"const": ScopeKind.USER.value}}, {"key": _SCOPE_KEY, "ttl_hours": _TTL_HOURS}),
        shaped({"kind": {"enum": [kind.value for kind in ScopeKind]}, "key": _SCOPE_KEY}, {"ttl_hours": _TTL_HOURS}),
    ]
}
METADATA: Schema = {
    "type": "object",
    "maxProperties": body_fields.MAX_PAIRS,
    "propertyNames": _short(body_fields.MAX_PAIR_KEY),
    "additionalProperties": {"type": "string", "maxLength": body_fields.MAX_PAIR_VALUE, "pattern": f"^{_PASTED}*$"},
}
WAIT_NUMBER: Schema = {"type": "number", "minimum": 0}
STRATEGY: Schema = {"enum": [strategy.value for strategy in MultitaskStrategy]}
NEW_MESSAGE = shaped(
    {},
    {
        "message": MESSAGE,
        "conversation_id": UUID,
        "scope": SCOPE,
        "agent": SLUG,
        "multitask_strategy": STRATEGY,
        "wait_seconds": WAIT_NUMBER,
        "metadata": METADATA,
        "replaces": UUID,
        "regenerate": UUID,
    },
) | {
    "anyOf": [
        {"required": ["message"], "not": {"anyOf": [{"required": ["replaces"]}, {"required": ["regenerate"]}]}},
        {"required": ["message", "replaces"], "not": _forbidden("regenerate", "scope", "multitask_strategy")},
        {"required": ["regenerate"], "not": _forbidden("message", "replaces", "scope", "multitask_strategy")},
    ],
    "not": {"required": ["conversation_id", "scope"]},
}
CHAT_ID = _short(body_fields.MAX_CHAT_ID)
CHAT_BODY = shaped(
    {
        "id": CHAT_ID,
        "trigger": {"enum": [trigger.value for trigger in Trigger]},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": _PARTS_OF_CHAT,
            "description": "Only the last is read, which is to be a user's; those before it may be any JSON.",
        },
    },
    {
        "messageId": CHAT_ID,
        "agent": SLUG,
        "multitask_strategy": STRATEGY,
        "wait_seconds": WAIT_NUMBER,
        "metadata": METADATA,
    },
)
_CALL_ID = _short(answer_fields.MAX_CALL_ID)
_REASON: Schema = {"type": "string", "maxLength": answer_fields.MAX_REASON, "pattern": f"^{_PASTED}*$"}
CALL_ANSWER: Schema = {
    "anyOf": [
        shaped({"call_id": _CALL_ID, "approve": FLAG}, {"reason": _REASON, "wait_seconds": WAIT_NUMBER}),
        shaped({"call_id": _CALL_ID, "output": reference("AnyValue")}, {"wait_seconds": WAIT_NUMBER}),
    ]
}
CONVERSATION_CHANGE = shaped(
    {},
    {
        "title": _short(body_fields.MAX_TITLE),
        "archived": FLAG,
        "read_seq": {"type": "integer", "minimum": 0, "maximum": body_fields.MAX_COUNT},
    },
) | {"minProperties": 1}
LINE_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": body_fields.MAX_COUNT}
PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": url_fields.MAX_PAGE}
WAIT: Schema = {"type": "string", "pattern": f"^{url_fields.SECONDS_PATTERN}$"}
SEARCH: Schema = {"type": "string", "maxLength": url_fields.MAX_SEARCH, "pattern": "^[^\\u0000]*$"}
KEY: Schema = {"type": "string", "pattern": f"^{body_fields.KEY_PATTERN}$"}

ERROR = shaped(
    {
        "code": {"enum": [code.value for code in ErrorCode]},
        "message": TEXT,
        "request_id": TEXT,
        "retryable": FLAG,
    },
    {"details": SOME_OBJECT},
)
_RUN = shaped({"run_id": nullable(TEXT), "agent": TEXT, "status": TEXT}, {"text": TEXT, "asked_by": TEXT})
_HANDOFF = shaped({"from": TEXT, "to": TEXT, "reason": TEXT, "task": TEXT})
_STATUS: Schema = {"enum": [status.value for status in TurnStatus]}
_TURN = {
    "turn_id": UUID,
    "conversation_id": UUID,
    "seq": COUNT,
    "status": _STATUS,
    "agent": TEXT,
    "reply": nullable(shaped({"text": TEXT})),
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
TURN_ANSWER = shaped(_TURN | {"replayed": FLAG}, {"covers": listed(UUID)})
TURN_HANDLE = shaped(
    {
        "turn_id": UUID,
        "conversation_id": UUID,
        "seq": COUNT,
        "status": _STATUS,
        "position": COUNT,
        "retry_after": COUNT,
        "replayed": FLAG,
    },
    {"calls": listed(_PERSON_CALL)},
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
    {"covers": listed(UUID), "retry_after": COUNT, "calls": listed(_PERSON_CALL)},
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
EXPORT = shaped(
    {
        "user_id": UUID,
        "conversations": listed(shaped(_CONVERSATION | {"project": SOME_OBJECT, "lines": listed(_LINE)})),
    }
)
_AGENT = shaped(
    {
        "slug": TEXT,
        "name": TEXT,
        "description": TEXT,
        "model": nullable(TEXT),
        "handoffs": listed(TEXT),
        "as_tool": FLAG,
    }
)
AGENT_LIST = shaped({"agents": listed(_AGENT)})
HEALTH = shaped(
    {"status": {"enum": ["ok", "unavailable"]}, "version": TEXT, "store": TEXT, "schema": TEXT, "agents": TEXT}
    | {"provider": TEXT},
    {"schema_needed": TEXT},
)
