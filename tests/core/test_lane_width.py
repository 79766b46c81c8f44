"""How wide the lane to a provider is: one row for each thing that can happen."""

from __future__ import annotations

import pytest

from shared.core.lane_width import FIRST, LEAST, MOST, LaneWidth


@pytest.mark.parametrize(
    ("before", "under_way", "after"),
    [
        (32.0, 32, 16.0),
        (32.0, 4, 2.0),  # it was never as full as it is wide
        (3.0, 3, 1.5),
        (1.5, 1, LEAST),
        (LEAST, 1, LEAST),
        (LEAST, 0, LEAST),  # refused was one that had held its place for too long
    ],
)
def test_a_refusal_halves_what_was_under_way(before: float, under_way: int, after: float) -> None:
    assert LaneWidth(before).refused(under_way) == LaneWidth(after)


@pytest.mark.parametrize("before", [1.0, 2.0, 10.0, 32.0])
def test_a_round_of_accepted_creates_makes_it_wider_by_one(before: float) -> None:
    width = LaneWidth(before)
    for _ in range(int(before)):
        width = width.accepted()
    assert width.creates == pytest.approx(before + 1, abs=0.11)


def test_it_grows_back_and_no_further_than_its_bound() -> None:
    width = LaneWidth().refused(1)
    assert width.whole == LEAST
    for _ in range(int(FIRST * FIRST)):
        width = width.accepted()
    assert width.whole > FIRST
    for _ in range(100_000):
        width = width.accepted()
    assert width.creates == MOST
