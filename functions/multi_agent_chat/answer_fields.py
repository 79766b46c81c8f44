"""What a person's answer to a call means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.multi_agent_chat.request_check import check, invalid
from functions.multi_agent_chat.request_schemas import CALL_ANSWER, MAX_OUTPUT
from shared.core.person_calls import PersonAnswer

WRONG = "A call that needs the user's word is answered with approve, any other one with output."


def answer(document: Mapping[str, Any]) -> PersonAnswer:
    """`{"call_id", "approve", "reason"?}` or `{"call_id", "output"}`."""
    check(document, CALL_ANSWER)
    if "output" in document:
        return PersonAnswer(document["call_id"], output=_output_text(document["output"]))
    reason = document.get("reason", "")
    return PersonAnswer(document["call_id"], approve=document["approve"], reason=reason if reason.strip() else None)


def _output_text(value: Any) -> str:
    """What the model reads: a text as it is, any other value as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_OUTPUT:
        raise invalid("output", f"output must be at most {MAX_OUTPUT} characters long.", limit=MAX_OUTPUT)
    return text
