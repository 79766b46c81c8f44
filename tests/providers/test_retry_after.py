"""When to come back: seconds, milliseconds, dates; nonsense is no answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.retry_after import CAP_SECONDS, poll_after, retry_seconds, told_seconds

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


NOW = "Sat, 28 Nov 2026 12:00:00 GMT"
EPOCH = 1795867200  # the same moment


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset-requests": "6s"}, 6.0),
        ({"x-ratelimit-reset-tokens": "1.5s"}, 1.5),
        ({"x-ratelimit-reset-tokens": "250ms"}, 0.25),
        ({"x-ratelimit-reset-requests": "0m30s"}, 30.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, CAP_SECONDS),
        ({"x-ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"x-ratelimit-reset": str(EPOCH + 9), "date": NOW}, 9.0),
        ({"x-ratelimit-reset": str((EPOCH + 9) * 1000), "date": NOW}, 9.0),
        ({"x-ratelimit-reset": str(EPOCH - 9), "date": NOW}, 0.0),
        ({"x-ratelimit-reset-tokens": "2026-11-28T12:00:20Z", "date": NOW}, 20.0),
        # The limit that is used up counts; where none is said to be, the next one to be reset does.
        (
            {
                "x-ratelimit-reset-requests": "9s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-tokens": "40",
            },
            9.0,
        ),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-reset-tokens": "2s"}, 2.0),
        ({"retry-after": "3", "x-ratelimit-reset-requests": "9s"}, 3.0),
        ({"retry-after-ms": "300", "x-ratelimit-reset-requests": "9s"}, 0.3),
        ({"x-ratelimit-reset-requests": "soon"}, None),
        ({"x-ratelimit-reset-requests": ""}, None),
        ({"x-ratelimit-limit-requests": "60"}, None),
    ],
)
def test_when_a_limit_is_reset(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_seconds(headers, limits=True) == seconds


def test_a_limit_that_nothing_was_refused_for_is_no_reason_to_wait() -> None:
    assert retry_seconds({"x-ratelimit-reset-requests": "9s"}) is None


UNITS = {"ms": 0.001, "s": 1.0, " seconds": 1.0, " second": 1.0, " sec": 1.0, "m": 60.0, " minutes": 60.0}
LEADS = [
    "Please try again in {}.",
    "Retry after {}",
    "please retry in {}!",
    "You can try again after {}.",
    "Limit reset in {}",
]


@given(st.sampled_from(LEADS), st.integers(1, 40), st.sampled_from(sorted(UNITS)), st.text("abc .,:", max_size=20))
def test_a_time_in_words_is_understood(lead: str, amount: int, unit: str, before: str) -> None:
    told = told_seconds(f"{before} Rate limit reached. {lead.format(f'{amount}{unit}')}")

    assert told == pytest.approx(min(amount * UNITS[unit], CAP_SECONDS))


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (
            "Rate limit reached on tokens per min (TPM): Limit 10000, Used 9500. Please try again in 1.5s.",
            1.5,
        ),
        ("Please try again in 1m2.5s.", CAP_SECONDS),
        ("Please try again in 0m20s. Visit https://example.com", 20.0),
        ("Please retry after 26 seconds.", 26.0),
        ("Please try again later.", None),
        ("Try again in a moment.", None),
        ("You have 3 seconds.", None),
        ("", None),
    ],
)
def test_times_that_servers_were_seen_to_tell(message: str, seconds: float | None) -> None:
    assert told_seconds(message) == seconds


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "date"]), st.text(max_size=20)
    )
)
def test_no_header_makes_a_wait_that_is_none(headers: dict[str, str]) -> None:
    seconds = retry_seconds(headers, limits=True)

    assert seconds is None or 0 <= seconds <= CAP_SECONDS
