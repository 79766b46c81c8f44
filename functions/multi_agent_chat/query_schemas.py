"""What the address and the headers of a request may say, as JSON Schema: shown and decided by like what a body may."""

from __future__ import annotations

from collections.abc import Mapping

from functions.multi_agent_chat.json_schema import FLAG, UUID, Schema, described
from functions.multi_agent_chat.request_schemas import KEY, LINE_NUMBER, SECONDS, WITHOUT_NUL

MAX_PAGE = 100

WINDOWS = {"1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, "90d": 7_776_000}
BUCKETS = {"5m": 300, "1h": 3600, "6h": 21_600, "1d": 86_400}

Query = Mapping[str, Schema]

IDEMPOTENCY_KEY: Schema = {"type": "string", "pattern": KEY.pattern}


def _page(default: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": default}


WAITING: Query = {"wait_seconds": described({"type": "string", "pattern": SECONDS.pattern}, "a number, 0 or more")}
CONVERSATIONS: Query = {
    "limit": _page(20),
    "before": described(UUID, "a conversation's id"),
    "archived": FLAG | {"default": False},
    "q": described(
        {"type": "string", "maxLength": 200, "pattern": WITHOUT_NUL.pattern}, "at most 200 characters, and no NUL"
    ),
}
MESSAGES: Query = {
    "limit": _page(50),
    "after_seq": LINE_NUMBER | {"default": 0},
    "before_seq": LINE_NUMBER,
    "format": {"enum": ["ui"]},
}
STATISTICS: Query = {
    "window": {"enum": list(WINDOWS), "default": "24h"},
    "bucket": {"enum": list(BUCKETS), "default": "1h"},
}
WATCHED: Query = {"state": {"enum": ["open", "failed", "slow"], "default": "open"}, "limit": _page(50)}
FEEDBACK: Query = {"limit": _page(50)}
