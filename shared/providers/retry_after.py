"""When a server says to come back, in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

CAP_SECONDS = 60.0
FLOOR_SECONDS = 0.1  # a hint of nothing is no reason to ask without a pause
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")


def retry_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` (observed at OpenAI and Azure) or `Retry-After` (RFC 9110: seconds or a date).

    Never negative and never above the cap; None where there is none or it makes no sense. A date is measured from the
    answer's own `Date` where it has one, because the two clocks need not agree.
    """
    wanted = _number(headers.get("retry-after-ms"))
    if wanted is not None:
        return min(wanted / 1000, CAP_SECONDS)
    value = headers.get("retry-after")
    wanted = _number(value)
    if wanted is None and value is not None:
        wanted = _until(value, headers.get("date"))
    return None if wanted is None else min(wanted, CAP_SECONDS)


def poll_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `openai-poll-after-ms`: when a run is worth another look (observed on the Assistants wire)."""
    hint = _number(headers.get("openai-poll-after-ms"))
    return None if hint is None else min(max(hint / 1000, FLOOR_SECONDS), CAP_SECONDS)


def _number(value: str | None) -> float | None:
    found = _NUMBER.fullmatch(value.strip()) if value is not None else None
    return float(found[0]) if found else None


def _until(value: str, date: str | None) -> float | None:
    at = _moment(value)
    if at is None:
        return None
    now = _moment(date) or datetime.now(UTC)
    seconds = (at - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _moment(value: str | None) -> datetime | None:
    if value is None or len(value) > 64:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
