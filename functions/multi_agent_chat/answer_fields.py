"""What a person's answer to a call may say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.multi_agent_chat import body_fields
from functions.multi_agent_chat.body_fields import invalid
from shared.core.person_calls import PersonAnswer

FIELDS = ("call_id", "approve", "reason", "output")
MAX_CALL_ID = 255
MAX_REASON = 2_000
MAX_OUTPUT = 32_000


def answer(document: Mapping[str, Any]) -> PersonAnswer:
    """`{"call_id", "approve", "reason"?}` or `{"call_id", "output"}`."""
    call_id = body_fields.short_text(document.get("call_id"), "call_id", MAX_CALL_ID)
    if ("approve" in document) == ("output" in document):
        raise invalid("approve", "Send either approve or output.")
    if "output" in document:
        if "reason" in document:
            raise invalid("reason", "reason goes with approve.")
        return PersonAnswer(call_id, output=output_text(document["output"], "output"))
    if not isinstance(document["approve"], bool):
        raise invalid("approve", "approve must be true or false.")
    return PersonAnswer(call_id, approve=document["approve"], reason=reason_text(document.get("reason", "")))


def output_text(value: Any, field: str) -> str:
    """What the model reads: a text as it is, any other value as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_OUTPUT:
        raise invalid(field, f"{field} must be at most {MAX_OUTPUT} characters long.", limit=MAX_OUTPUT)
    return text


def reason_text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_REASON:
        raise invalid("reason", f"reason must be a text of at most {MAX_REASON} characters.", limit=MAX_REASON)
    return value if value.strip() else None
