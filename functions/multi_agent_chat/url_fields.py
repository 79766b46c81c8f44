"""Query parameters. Unknown ones are passed over, as browsers and proxies add their own; known ones are strict."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from starlette.datastructures import QueryParams
from starlette.requests import Request

from functions.asgi import characters
from functions.multi_agent_chat import body_fields
from functions.multi_agent_chat.body_fields import MAX_CHAT_ID, MAX_COUNT, MAX_SEQ, invalid, is_uuid
from shared.core.errors import InvalidRequest, NotFound

MAX_SEARCH = 200
MAX_PAGE = 100
_WHOLE = re.compile(r"0|[1-9][0-9]{0,15}")
SECONDS_PATTERN = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
# In seconds. Counts of five minutes are kept for two days, counts of hours for ninety.
WINDOWS = {"1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, "90d": 7_776_000}
BUCKETS = {"5m": 300, "1h": 3600, "6h": 21_600, "1d": 86_400}
MOST_BUCKETS = 400
WATCHED_STATES = ("open", "failed", "slow")
_DECIMAL = re.compile(SECONDS_PATTERN)


def _single(query: QueryParams, name: str) -> str | None:
    values = query.getlist(name)
    if len(values) > 1:
        raise invalid(name, f"{name} was given more than once.")
    return values[0] if values else None


def limit(query: QueryParams, default: int, most: int = MAX_PAGE) -> int:
    value = _single(query, "limit")
    if value is None:
        return default
    if not _WHOLE.fullmatch(value) or not 1 <= int(value) <= most:
        raise invalid("limit", f"limit must be a whole number from 1 to {most}.")
    return int(value)


def after_seq(query: QueryParams) -> int:
    return _seq(query, "after_seq") or 0


def before_seq(query: QueryParams) -> int | None:
    """The line before which to read backwards. Any number behind the last line means the end."""
    return _seq(query, "before_seq")


def _seq(query: QueryParams, name: str) -> int | None:
    value = _single(query, name)
    if value is None:
        return None
    if not _WHOLE.fullmatch(value) or int(value) > MAX_COUNT:
        raise invalid(name, f"{name} must be a whole number, 0 or more.")
    return min(int(value), MAX_SEQ)


def archived(query: QueryParams) -> bool:
    value = _single(query, "archived")
    if value not in (None, "true", "false"):
        raise invalid("archived", "archived must be true or false.")
    return value == "true"


def search(query: QueryParams) -> str | None:
    """The words to search for; None where the box is empty."""
    value = _single(query, "q")
    if value is not None and (len(value) > MAX_SEARCH or "\0" in value):
        raise invalid("q", f"q must be at most {MAX_SEARCH} characters.", limit=MAX_SEARCH)
    return value if value and value.strip() else None


def before(query: QueryParams) -> str | None:
    value = _single(query, "before")
    if value is not None and not is_uuid(value):
        raise invalid("before", "before must be a conversation's id.")
    return value


def window(query: QueryParams) -> str:
    return _one_of(query, "window", WINDOWS, "24h")


def bucket(query: QueryParams, window: str) -> str:
    """As asked for, or the nearest that the window allows: it holds one bucket at least, and not too many."""
    asked = BUCKETS[_one_of(query, "bucket", BUCKETS, "1h")]
    length = WINDOWS[window]
    allowed = [one for one in BUCKETS if length / MOST_BUCKETS <= BUCKETS[one] <= length]
    return min(allowed, key=lambda one: abs(BUCKETS[one] - asked))


def _one_of(query: QueryParams, name: str, known: Mapping[str, int], default: str) -> str:
    value = _single(query, name) or default
    if value not in known:
        raise invalid(name, f"{name} must be one of {', '.join(known)}.")
    return value


def watched_state(query: QueryParams) -> str:
    value = _single(query, "state") or "open"
    if value not in WATCHED_STATES:
        raise invalid("state", "state must be open, failed or slow.")
    return value


def wait_in_query(query: QueryParams, budget: float, default: float = 0.0) -> float:
    """How long to wait for a turn to end; not at all unless asked to, and never beyond the budget."""
    value = _single(query, "wait_seconds")
    if value is None:
        return default
    if not _DECIMAL.fullmatch(value):
        raise invalid("wait_seconds", "wait_seconds must be a number, 0 or more.")
    return min(float(value), budget)


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
        return body_fields.short_text(characters.cleaned(value), "id", MAX_CHAT_ID)
    except (UnicodeDecodeError, InvalidRequest):
        raise NotFound() from None


def reads_approvals(request: Request) -> bool:
    """Whether the caller knows the AI SDK's parts of calls that wait for a person: younger than the SDK itself."""
    given = ",".join(request.headers.getlist("x-chat-parts"))
    return "approval" in [part.strip().lower() for part in given.split(",")]


def as_ui_messages(query: QueryParams) -> bool:
    """Whether the transcript is wanted as the AI SDK's messages."""
    value = _single(query, "format")
    if value not in (None, "ui"):
        raise invalid("format", "format must be ui.")
    return value == "ui"
