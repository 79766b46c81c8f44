"""What a request is told that finds all places taken."""

from __future__ import annotations

import pytest

from functions.asgi.request_cap import FIRST_SECONDS, LEAST_SECONDS, MOST_SECONDS, RequestCap
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def told(cap: RequestCap) -> float:
    with pytest.raises(ChatError) as refused:
        cap.enter()
    assert refused.value.code == ErrorCode.OVERLOADED
    assert refused.value.retry_after is not None
    return refused.value.retry_after


def leaving_every(seconds: float, most: int = 3) -> RequestCap:
    """All places taken, after a while in which one request left so often."""
    clock = Now()
    cap = RequestCap(most, clock)
    for _ in range(most):
        cap.enter()
    for _ in range(200):
        clock.seconds += seconds
        cap.leave()
        cap.enter()
    return cap


def test_a_place_that_was_left_is_free_again() -> None:
    cap = RequestCap(1, Now())
    cap.enter()
    assert told(cap) == FIRST_SECONDS
    cap.leave()
    cap.enter()


def test_each_is_told_when_its_own_place_will_be_free() -> None:
    cap = leaving_every(2.0)
    assert [told(cap) for _ in range(4)] == pytest.approx([2.0, 4.0, 6.0, 8.0])


@pytest.mark.parametrize(("gap", "expected"), [(0.001, LEAST_SECONDS), (500.0, MOST_SECONDS)])
def test_the_time_has_bounds(gap: float, expected: float) -> None:
    assert told(leaving_every(gap)) == expected


def test_a_quiet_hour_says_nothing_of_a_crowd() -> None:
    clock = Now()
    cap = RequestCap(2, clock)
    for _ in range(3):
        cap.enter()
        clock.seconds += 3600
        cap.leave()
    for _ in range(2):
        cap.enter()
    assert told(cap) == FIRST_SECONDS
    clock.seconds += 4
    cap.leave()
    cap.enter()
    assert told(cap) == pytest.approx(4.0)
