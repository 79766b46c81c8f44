"""Function calls as servers write them: their ids, which need not tell one call from another, and their arguments.

Servers were seen to give two calls of one output the same id, to give none, and to write the arguments as an object
instead of as JSON text. Ours are told apart by their ids, so the second call of one id gets a mark behind it, which is
taken off before its output is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from shared.core.runs import ToolCall
from shared.providers.text import clean, clean_json

_MARKED = re.compile(r"(?P<id>.*)__n[0-9]+", re.DOTALL)


def read_calls(found: Iterable[tuple[str | None, str, Any]]) -> tuple[ToolCall, ...]:
    """The calls of one output, given as id, name and arguments. One without a name is none; no two ids are alike."""
    seen: dict[str, int] = {}
    calls = []
    for at, (given, name, arguments) in enumerate(found):
        if not name:
            continue
        call_id = given or f"call_unnamed_{at}"
        seen[call_id] = seen.get(call_id, 0) + 1
        calls.append(ToolCall(own_call_id(call_id, seen[call_id]), name, arguments_text(arguments)))
    return tuple(calls)


def own_call_id(call_id: str, number: int = 1) -> str:
    """Our id of the call that is the `number`th with this id of the server's."""
    return f"{call_id}__n{number}" if number > 1 or _MARKED.fullmatch(call_id) else call_id


def wire_call_id(call_id: str) -> str:
    """The server's id of a call of ours."""
    marked = _MARKED.fullmatch(call_id)
    return marked["id"] if marked else call_id


def arguments_text(value: Any) -> str:
    """The arguments as JSON text, written as text, as an object, or as text in text; empty where there are none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return clean_json(json.dumps(value, ensure_ascii=False))
    if value.lstrip().startswith('"'):
        try:
            inner = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            inner = None
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            value = inner
    return clean_json(clean(value))
