"""What a request may say, as JSON Schema: the document of the API shows it, and request_check.py decides by it.

Each rule stands here and nowhere else. A schema cannot say everything; what is left is checked where the body is read,
and `description` tells of it: which item of a chat's messages is read, and how long texts are together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from functions.asgi.characters import FORBIDDEN, INVISIBLE, LINE_ENDS
from functions.multi_agent_chat.json_schema import (
    FLAG,
    STRATEGY,
    UUID,
    UUID_TEXT,
    Schema,
    described,
    nullable,
    reference,
    shaped,
)
from shared.core.model import ScopeKind
from shared.core.new_message import Trigger
from shared.tools import REGISTRY

MAX_TEXT = 32_000
MAX_REASON = 2_000
MAX_OUTPUT = 32_000
MAX_CALL_ID = 255
MAX_CHAT_ID = 200  # of a chat and of a message, by the ids that the AI SDK gives them
MAX_COUNT = 2**53 - 1  # what a browser can count to
# In seconds. Counts of five minutes are kept for two days, counts of hours for ninety.

SLUG = re.compile(r"^[a-z0-9]+(?:_[a-z0-9]+)*$")
KEY = re.compile(r"^[!-~]{1,255}$")
SECONDS = re.compile(r"^[0-9]{1,9}(?:\.[0-9]{1,9})?$")
# The characters before the first that can be seen, that one, and the rest: in one way only, so that it costs one pass.
_SEEN_TEXT = re.compile(f"^[{INVISIBLE}{LINE_ENDS}]*[^{INVISIBLE}{LINE_ENDS}{FORBIDDEN}][^{FORBIDDEN}]*$")
_SEEN_LINE = re.compile(f"^[{INVISIBLE}]*[^{INVISIBLE}{LINE_ENDS}{FORBIDDEN}][^{LINE_ENDS}{FORBIDDEN}]*$")
_ANY_TEXT = re.compile(f"^[^{FORBIDDEN}]*$")
WITHOUT_NUL = re.compile(r"^[^\x00]*$")
# By the text that a schema has of them: each is compiled once.
PATTERNS: Mapping[str, re.Pattern[str]] = {
    one.pattern: one for one in (UUID_TEXT, SLUG, KEY, SECONDS, _SEEN_TEXT, _SEEN_LINE, _ANY_TEXT, WITHOUT_NUL)
}


def _text(longest: int) -> Schema:
    return {"type": "string", "maxLength": longest, "pattern": _ANY_TEXT.pattern}


def _line(longest: int) -> Schema:
    schema = {"type": "string", "maxLength": longest, "pattern": _SEEN_LINE.pattern}
    return described(schema, f"1 to {longest} visible characters")


def _excluding(name: str, *others: str) -> dict[str, Schema]:
    """Where the first is there, none of the others may be."""
    return {name: {"properties": dict.fromkeys(others, False)}}


# --- parts of bodies ----------------------------------------------------------------------------------------------

# Kept by nothing here; its texts are checked all the same.
ANY_VALUE: Schema = {
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        {"type": "string", "pattern": _ANY_TEXT.pattern},
        {"type": "array", "items": reference("AnyValue")},
        reference("AnyObject"),
    ]
}
ANY_OBJECT: Schema = {
    "type": "object",
    "propertyNames": {"pattern": _ANY_TEXT.pattern},
    "additionalProperties": reference("AnyValue"),
}
SHARED: Mapping[str, Schema] = {"AnyValue": ANY_VALUE, "AnyObject": ANY_OBJECT}

_SEEN: Schema = {"type": "string", "maxLength": MAX_TEXT, "pattern": _SEEN_TEXT.pattern}
MESSAGE_TEXT = described(_SEEN, f"a text of at most {MAX_TEXT} characters, something of which can be seen") | {
    "$comment": "CR, CRLF, VT, FF and NEL are taken as newlines, and counted as such."
}
_PART = shaped(
    {"type": {"const": "text"}, "text": _text(MAX_TEXT)},
    {"state": reference("AnyValue"), "providerMetadata": reference("AnyValue")},
)
_PARTS = shaped(
    {
        "parts": {
            "type": "array",
            "items": _PART,
            "contains": {"properties": {"text": described({"pattern": _SEEN_TEXT.pattern}, "a text that can be seen")}},
            "description": f"a list of text parts with something to see, joined at most {MAX_TEXT} characters",
        }
    },
    {
        "id": {"type": "string", "pattern": _ANY_TEXT.pattern},
        "role": {"const": "user"},
        "metadata": reference("AnyObject"),
    },
)
MESSAGE: Schema = {"anyOf": [MESSAGE_TEXT, _PARTS], "description": "a text, or an object with text parts"}
CHAT_ID = _line(MAX_CHAT_ID)
CHAT_MESSAGE = _PARTS | {"properties": _PARTS["properties"] | {"id": CHAT_ID}}
AGENT_MESSAGE: Schema = ANY_OBJECT | {
    "properties": {
        "id": {"type": "string", "pattern": _ANY_TEXT.pattern},
        "role": {"const": "assistant"},
        "parts": {
            "type": "array",
            "items": reference("AnyValue"),
            "description": "a list: what it says of calls is as in CallAnswer",
        },
    },
    "required": ["id", "role", "parts"],
}
_SCOPE_KEY = _line(255)
SCOPE = shaped(
    {"kind": {"enum": [kind.value for kind in ScopeKind]}},
    {"key": _SCOPE_KEY, "ttl_hours": {"type": "number", "minimum": 0, "maximum": 876_000}},  # a hundred years
) | {"anyOf": [{"required": ["key"]}, {"properties": {"kind": {"const": ScopeKind.USER.value}}}]}
METADATA: Schema = {
    "type": "object",
    "maxProperties": 16,
    "propertyNames": _line(64),
    "additionalProperties": described(_text(512), "texts of at most 512 characters"),
    "description": "an object with at most 16 short texts",
}
AGENT_SLUG = described(
    {"type": "string", "pattern": SLUG.pattern, "maxLength": 52}, "an agent's slug, such as script_writer"
)
_WAIT: Schema = {"type": "number", "minimum": 0}
_TURN_ID = described(UUID, "a turn's id")
_WISHES = {"agent": AGENT_SLUG, "multitask_strategy": STRATEGY, "wait_seconds": _WAIT, "metadata": METADATA}

# --- bodies -------------------------------------------------------------------------------------------------------

NEW_MESSAGE = shaped(
    {},
    {
        "message": MESSAGE,
        "conversation_id": described(UUID, "a UUID in lower case"),
        "scope": SCOPE,
        **_WISHES,
        "replaces": _TURN_ID,
        "regenerate": _TURN_ID,
    },
) | {
    "anyOf": [{"required": ["message"]}, {"required": ["regenerate"]}],
    "dependentSchemas": _excluding("replaces", "regenerate", "scope", "multitask_strategy")
    | _excluding("regenerate", "message", "scope", "multitask_strategy")
    | _excluding("conversation_id", "scope"),
}
_CHAT = {
    "id": CHAT_ID,
    "trigger": {"enum": [trigger.value for trigger in Trigger]},
    "messages": {
        "type": "array",
        "items": reference("AnyValue"),
        "contains": reference("ChatMessage"),
        "description": "a list whose last item is a user's message: only that is read, those before it may be any JSON",
    },
}
CHAT_BODY = shaped(_CHAT, {"messageId": CHAT_ID, **_WISHES})
CHAT_ANSWERS = shaped(
    {
        "id": CHAT_ID,
        "trigger": {"const": Trigger.SUBMIT.value},
        "messages": {
            "type": "array",
            "items": reference("AnyValue"),
            "contains": reference("AgentMessage"),
            "description": "a list whose last item is an agent's message, with what the user has said to its calls",
        },
    },
    {"messageId": CHAT_ID, **_WISHES},
)
EDIT = shaped({"message": MESSAGE})
CALL_ANSWER = shaped(
    {"call_id": _line(MAX_CALL_ID)},
    {
        "approve": FLAG,
        "reason": described(_text(MAX_REASON), f"a text of at most {MAX_REASON} characters"),
        "output": reference("AnyValue")
        | {"maxLength": MAX_OUTPUT, "description": f"at most {MAX_OUTPUT} characters long as a text or as JSON"},
        "wait_seconds": _WAIT,
    },
) | {
    "anyOf": [{"required": ["approve"]}, {"required": ["output"]}],
    "dependentSchemas": _excluding("output", "approve", "reason"),
}
LINE_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
CONVERSATION_CHANGE = shaped({}, {"title": _line(200), "archived": FLAG, "read_seq": LINE_NUMBER}) | {
    "minProperties": 1,
    "description": "an object with title, archived or read_seq",
}
_SOME_TEXT = "a text of at most {} characters"


def _list_of(schema: Schema, most: int, description: str) -> Schema:
    return {"type": "array", "items": schema, "maxItems": most, "description": description}


_OBJECTS = "a list of at most {} objects"
_TOOLS = sorted(REGISTRY.for_everyone)
_TOOL_NAMES = _list_of({"enum": _TOOLS}, 64, f"a list that may hold: {', '.join(_TOOLS)}")
# What stands inside of settings, schemas and hosted tools is checked where the row is written.
_AGENT_FIELDS: dict[str, Schema] = {
    "name": _line(100),
    "description": described(_text(1000), _SOME_TEXT.format(1000)),
    "model": _line(200) | {"$comment": "One that an agent of everybody's has; where it is left out, the default's."},
    "instructions": described(_text(32_000), _SOME_TEXT.format(32_000)),
    "tools": _TOOL_NAMES,
    "handoffs": _list_of(AGENT_SLUG, 64, "a list of at most 64 slugs"),
    "approvals": _TOOL_NAMES,
    "client_tools": _list_of(reference("AnyObject"), 32, _OBJECTS.format(32)),
    "ask_user": FLAG,
    "as_tool": FLAG,
    "settings": reference("AnyObject"),
    "output_schema": nullable(reference("AnyObject")),
    "hosted_tools": _list_of(reference("AnyObject"), 16, _OBJECTS.format(16)),
    "fallbacks": _list_of(reference("AnyObject"), 5, _OBJECTS.format(5)),
}
NEW_AGENT = shaped({"slug": AGENT_SLUG, "name": _AGENT_FIELDS["name"]}, _AGENT_FIELDS)
AGENT_CHANGE = shaped({}, _AGENT_FIELDS) | {
    "minProperties": 1,
    "description": "an object with at least one field of the agent",
}
BODIES: Mapping[str, Schema] = {
    "NewAgent": NEW_AGENT,
    "AgentChange": AGENT_CHANGE,
    "NewMessage": NEW_MESSAGE,
    "ChatBody": CHAT_BODY,
    "ChatMessage": CHAT_MESSAGE,
    "ChatAnswers": CHAT_ANSWERS,
    "AgentMessage": AGENT_MESSAGE,
    "CallAnswer": CALL_ANSWER,
    "Edit": EDIT,
    "ConversationChange": CONVERSATION_CHANGE,
}
