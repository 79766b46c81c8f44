"""Query parameters. Unknown ones are passed over, as browsers and proxies add their own; known ones are strict."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request

from functions.asgi import characters
from functions.multi_agent_chat import body_fields, query_schemas, request_schemas
from functions.multi_agent_chat.json_schema import Schema
from functions.multi_agent_chat.query_schemas import BUCKETS, WINDOWS, Query
from functions.multi_agent_chat.request_check import check, invalid
from shared.core.errors import InvalidRequest, NotFound

MOST_BUCKETS = 400
_WHOLE = re.compile(r"0|[1-9][0-9]{0,15}")
_FLAGS = {"true": True, "false": False}


def read(query: QueryParams, known: Query) -> dict[str, Any]:
    """The parameters that a route knows, as values; those that are not there as their schema's default, or not at all.

    Raises InvalidRequest.
    """
    values = {name: schema["default"] for name, schema in known.items() if "default" in schema}
    for name, schema in known.items():
        given = query.getlist(name)
        if len(given) > 1:
            raise invalid(name, f"{name} was given more than once.")
        if given:
            values[name] = _value(given[0], schema)
            check(values[name], schema, name)
    return values


def _value(text: str, schema: Schema) -> Any:
    """What the text stands for where it is written as such a value is; else the text, which is none."""
    if schema.get("type") == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    return _FLAGS.get(text, text) if schema.get("type") == "boolean" else text


def search(text: str | None) -> str | None:
    """The words to search for; None where the box is empty."""
    return text if text and text.strip() else None


def bucket_of(window: str, asked: str) -> str:
    """The bucket as asked for, or the nearest that the window allows: it holds one at least, and not too many."""
    length = WINDOWS[window]
    allowed = [one for one in BUCKETS if length / MOST_BUCKETS <= BUCKETS[one] <= length]
    return min(allowed, key=lambda one: abs(BUCKETS[one] - BUCKETS[asked]))


def wait_in_query(query: QueryParams, budget: float, default: float = 0.0) -> float:
    """How long to wait for a turn to end; not at all unless asked to, and never beyond the budget."""
    value = read(query, query_schemas.WAITING).get("wait_seconds")
    return default if value is None else min(float(value), budget)


def id_in(request: Request) -> str:
    """The path's id; what is no id at all is answered like one that does not exist."""
    value = str(request.path_params["id"])
    if not body_fields.is_uuid(value):
        raise NotFound()
    return value


def chat_id_in(request: Request) -> str:
    """The path's id as a chat gives it, which may have any characters. Raises NotFound."""
    try:
        value = urllib.parse.unquote(str(request.path_params["id"]), errors="strict")
        chat_id: str = characters.cleaned(value)
        check(chat_id, request_schemas.CHAT_ID, "id")
    except (UnicodeDecodeError, InvalidRequest):
        raise NotFound() from None
    return chat_id


def reads_part(request: Request, name: str) -> bool:
    """Whether the caller knows the AI SDK's parts of this kind, which are younger than the SDK itself."""
    given = ",".join(request.headers.getlist("x-chat-parts"))
    return name in [part.strip().lower() for part in given.split(",")]
