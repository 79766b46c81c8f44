"""What the fields of a body mean. Whether they may be taken, request_check.py has decided before; types are strict.

The characters of a text were checked when the body was read (functions/asgi/characters.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.multi_agent_chat import request_schemas
from functions.multi_agent_chat.json_schema import UUID_TEXT
from functions.multi_agent_chat.request_check import check, invalid
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest
from shared.core.model import Scope, ScopeKind
from shared.core.turns import MultitaskStrategy

DEFAULT_KEY = "default"  # of a user's scope that names none
MAX_SEQ = 2**31 - 1  # what the database counts lines with: no line has a higher number


def is_uuid(value: object) -> bool:
    """The canonical text of a UUID: lower case, with its hyphens, nothing around it."""
    return isinstance(value, str) and UUID_TEXT.fullmatch(value) is not None


def text_of(message: Any, field: str) -> str:
    """A message's text: the message itself, or its text parts joined by newlines. `field` is where it stands."""
    if isinstance(message, str):
        return message
    text = "\n".join(part["text"] for part in message["parts"])
    if len(text) > request_schemas.MAX_TEXT:
        limit = request_schemas.MAX_TEXT
        raise invalid(field, f"{field} must be at most {limit} characters long.", limit=limit)
    return text


def replaced_in(document: Mapping[str, Any]) -> str | None:
    """The turn that is to be answered anew: with another message (`replaces`), or with the same (`regenerate`)."""
    replaced: str | None = document.get("replaces", document.get("regenerate"))
    return replaced


def scope(document: Mapping[str, Any]) -> Scope | None:
    if "scope" not in document:
        return None
    value = document["scope"]
    ttl_hours = float(value["ttl_hours"]) if "ttl_hours" in value else None
    return Scope(ScopeKind(value["kind"]), value.get("key", DEFAULT_KEY), ttl_hours)


def strategy(document: Mapping[str, Any], default: MultitaskStrategy) -> MultitaskStrategy:
    return MultitaskStrategy(document.get("multitask_strategy", default))


def wait_in_body(document: Mapping[str, Any], default: float) -> float:
    """How long the caller wants to wait, capped at `default`, the budget."""
    return float(min(document.get("wait_seconds", default), default))


def conversation_change(document: Any) -> Mapping[str, Any]:
    """What a PATCH of a conversation says: at least one of `title`, `archived` and `read_seq`."""
    check(document, request_schemas.CONVERSATION_CHANGE)
    fields = dict(document)
    if "read_seq" in fields:
        fields["read_seq"] = min(int(fields["read_seq"]), MAX_SEQ)  # 1.0 is 1 in JSON
    return fields


def idempotency_key(header: str | None) -> str | None:
    if header is not None and not request_schemas.KEY.fullmatch(header):
        raise InvalidRequest(code=ErrorCode.INVALID_IDEMPOTENCY_KEY)
    return header
