"""Pauses grow to their longest, and a provider's own word goes before ours."""

from __future__ import annotations

from itertools import islice

import pytest

from shared.core.errors import NotSent, RateLimited
from shared.core.pace import (
    CANCEL_GROWTH,
    CONFLICT_GROWTH,
    FIRST_LOOK_SECONDS,
    RETRY_SECONDS,
    UNSEEN_SHARE,
    Pace,
    retry_pause,
)


@pytest.mark.parametrize("growth", [CANCEL_GROWTH, CONFLICT_GROWTH])
def test_pauses_grow_from_the_first_to_the_longest(growth: float) -> None:
    pauses = list(islice(Pace(0.25, 2.0).pauses(growth), 60))
    assert pauses[0] == 0.25
    assert pauses[1] == pytest.approx(0.25 * growth)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0


def test_an_answer_lies_unseen_for_a_small_share_of_the_time_it_took() -> None:
    pace, waited, pauses = Pace(0.25, 2.0), 0.0, list[float]()
    while waited < 60:
        pauses.append(pace.answer_pause(waited))
        assert pauses[-1] <= max(UNSEEN_SHARE * waited, FIRST_LOOK_SECONDS)
        waited += pauses[-1]
    assert pauses[0] == FIRST_LOOK_SECONDS < 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0


def test_a_provider_is_asked_again_when_it_says_so() -> None:
    assert retry_pause(RateLimited(retry_after=7.0)) == 7.0
    assert retry_pause(RateLimited(retry_after=0.0)) == 0.0
    assert retry_pause(NotSent()) == RETRY_SECONDS
