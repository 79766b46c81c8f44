"""When a server says to come back, in seconds: in headers of several kinds, or only in its words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

CAP_SECONDS = 60.0
FLOOR_SECONDS = 0.1  # a hint of nothing is no reason to ask without a pause
_EPOCH_SECONDS = 1_000_000_000.0  # more than any wait: such a number is a moment
_NUMBER = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|[smhd]))+")
_STEP = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhd])")
_YEAR = re.compile(r"[0-9]{4}-")
_TOLD = re.compile(
    r"\b(?:try|retry|again|wait|come back|reset\w*)\b[^.0-9]{0,40}?\b(?:in|after|for|at least)\s+"
    r"(?P<time>[0-9]{1,9}(?:\.[0-9]{1,9})?\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)(?![a-z])"
    r"(?:\s*[0-9]{1,9}(?:\.[0-9]{1,9})?\s*(?:ms|s|m)(?![a-z]))*)",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s{0,20}(milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|s|m|h)(?![a-z])",
    re.IGNORECASE,
)
_RESETS = ("x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset")


def retry_seconds(headers: Mapping[str, str], *, limits: bool = False) -> float | None:
    """Seconds from `retry-after-ms` (observed at OpenAI and Azure) or `Retry-After` (RFC 9110: seconds or a date), and,
    with `limits`, from the headers that say when a limit is reset.

    Never negative and never above the cap; None where there is none or it makes no sense. A date is measured from the
    answer's own `Date` where it has one, because the two clocks need not agree.
    """
    wanted = _number(headers.get("retry-after-ms"))
    if wanted is not None:
        return min(wanted / 1000, CAP_SECONDS)
    date = headers.get("date")
    value = headers.get("retry-after")
    wanted = _number(value)
    if wanted is None:
        wanted = _wait(value, date)
    if wanted is None and limits:
        wanted = _reset(headers, date)
    return None if wanted is None else min(wanted, CAP_SECONDS)


def told_seconds(message: str) -> float | None:
    """Seconds from a sentence such as "Please try again in 1m2.5s." (observed at OpenAI and Azure)."""
    found = _TOLD.search(message[:2000])
    if found is None:
        return None
    seconds = sum(float(amount) * _UNIT_SECONDS[_unit(unit)] for amount, unit in _WORDS.findall(found["time"]))
    return min(seconds, CAP_SECONDS)


def poll_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `openai-poll-after-ms`: when a run is worth another look (observed on the Assistants wire)."""
    hint = _number(headers.get("openai-poll-after-ms"))
    return None if hint is None else min(max(hint / 1000, FLOOR_SECONDS), CAP_SECONDS)


def _unit(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith(("ms", "mil")) else word[0]


def _reset(headers: Mapping[str, str], date: str | None) -> float | None:
    """Until the limits that are used up are reset; until the nearest reset where nothing says which one is."""
    waits: dict[str, float] = {}
    for name, value in headers.items():
        if name.startswith(_RESETS) and (seconds := _wait(value, date)) is not None:
            waits[name] = seconds
    used_up = [wait for name, wait in waits.items() if _number(headers.get(name.replace("reset", "remaining"))) == 0]
    return max(used_up) if used_up else min(waits.values(), default=None)


def _wait(value: str | None, date: str | None) -> float | None:
    """Seconds, a duration such as `6m0s`, a moment in seconds or milliseconds of the epoch, or a date."""
    if value is None:
        return None
    value = value.strip()
    number = _number(value)
    if number is None:
        if _DURATION.fullmatch(value):
            return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _STEP.findall(value))
        return _until(_moment(value), date)
    if number < _EPOCH_SECONDS:
        return number
    seconds = number / 1000 if number > _EPOCH_SECONDS * 100 else number
    return _until(datetime.fromtimestamp(seconds, UTC), date)


def _number(value: str | None) -> float | None:
    found = _NUMBER.fullmatch(value.strip()) if value is not None else None
    return float(found[0]) if found else None


def _until(at: datetime | None, date: str | None) -> float | None:
    if at is None:
        return None
    now = _moment(date) or datetime.now(UTC)
    seconds = (at - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _moment(value: str | None) -> datetime | None:
    if value is None or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value) if _YEAR.match(value) else parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
