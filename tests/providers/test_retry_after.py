"""When to come back: seconds, milliseconds, dates; nonsense is no answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.providers.retry_after import poll_after, retry_seconds

MOMENT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "3600"}, 60.0),
        ({"retry-after": "999999999999"}, 60.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "99999999"}, 60.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after-ms": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "\u0663"}, None),
        ({"retry-after": "5, 6"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Fri, 99 Nov 2026 99:99:99 GMT"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({}, None),
    ],
)
def test_numbers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_seconds(headers) == seconds


@pytest.mark.parametrize(("later", "seconds"), [(12, 12.0), (7200, 60.0), (-30, 0.0)])
def test_a_date_is_measured_from_the_answers_own(later: int, seconds: float) -> None:
    headers = {
        "date": format_datetime(MOMENT, usegmt=True),
        "retry-after": format_datetime(MOMENT + timedelta(seconds=later), usegmt=True),
    }

    assert retry_seconds(headers) == seconds


def test_a_date_alone_is_measured_from_now() -> None:
    headers = {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)}

    assert 25 < (retry_seconds(headers) or 0) <= 30


def test_the_poll_hint() -> None:
    assert poll_after({"openai-poll-after-ms": "300"}) == 0.3
    assert poll_after({"openai-poll-after-ms": "0"}) == 0.1, "no reason to ask without a pause"
    assert poll_after({"openai-poll-after-ms": "x"}) is None
    assert poll_after({}) is None
