"""The pause that all turns of a process share after a provider has said that creates come too soon."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from shared.instance.rate_limits import FIRST_SECONDS, LEAST_SECONDS, LONGEST_SECONDS, RateLimits

KEY = ("responses", "model")


@dataclass
class Now:
    seconds: float = 0.0
    jitter: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def limits(clock: Now, jitter: float = 1.0) -> RateLimits:
    return RateLimits(clock, lambda: jitter)


def test_nothing_waits_before_anything_was_refused() -> None:
    assert limits(Now()).wait_seconds(KEY) == 0


@pytest.mark.parametrize("told", [0.0, 0.3, 12.0, 60.0])
def test_the_time_that_the_provider_names_holds_for_all(told: float) -> None:
    clock = Now()
    shared = limits(clock)

    assert shared.refused(KEY, 0.0, told) == max(told, LEAST_SECONDS)
    assert shared.wait_seconds(KEY) == max(told, LEAST_SECONDS)
    assert shared.wait_seconds(("responses", "another")) == 0
    clock.seconds = max(told, LEAST_SECONDS)
    assert [shared.wait_seconds(KEY) for _ in range(3)] == [0, 0, 0]


def test_without_a_time_the_pause_doubles_with_every_burst() -> None:
    clock = Now()
    shared = limits(clock)
    pauses = []
    for _ in range(8):
        pauses.append(shared.refused(KEY, clock.seconds, None))
        clock.seconds += pauses[-1] + 0.01

    assert pauses == [min(FIRST_SECONDS * 2**burst, LONGEST_SECONDS) for burst in range(1, 9)]


def test_creates_that_were_sent_before_the_pause_do_not_make_it_longer() -> None:
    clock = Now()
    shared = limits(clock)
    clock.seconds = 1.0

    assert {shared.refused(KEY, 0.5, None) for _ in range(20)} == {FIRST_SECONDS * 2}


def test_jitter_is_full() -> None:
    dice = random.Random(7)
    drawn = [RateLimits(Now(), dice.random).refused(KEY, 0.0, None) for _ in range(200)]

    assert min(drawn) < FIRST_SECONDS * 0.2
    assert max(drawn) > FIRST_SECONDS * 1.8


def test_one_create_at_a_time_tries_whether_the_pause_is_over() -> None:
    clock = Now()
    shared = limits(clock)
    shared.refused(KEY, 0.0, None)
    clock.seconds = 2.0

    waits = [shared.wait_seconds(KEY) for _ in range(5)]

    assert waits[0] == 0
    assert all(wait > 0 for wait in waits[1:])


def test_what_is_accepted_ends_the_pauses() -> None:
    clock = Now()
    shared = limits(clock)
    for _ in range(3):
        shared.refused(KEY, clock.seconds, None)
        clock.seconds += 20
    for _ in range(3):
        shared.accepted(KEY)
        clock.seconds += 20

    assert [shared.wait_seconds(KEY) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_limiter_that_counts_refusals_lets_all_turns_through(seed: int) -> None:
    """Five creates in ten seconds, those that it refuses among them, against twenty turns that come at once."""
    clock = Now()
    shared = RateLimits(clock, random.Random(seed).random)
    due = dict.fromkeys(range(20), 0.0)
    seen: list[float] = []
    while due:
        turn = min(due, key=lambda one: due[one])
        clock.seconds = max(clock.seconds, due[turn])
        if (wait := shared.wait_seconds(KEY)) > 0:
            due[turn] = clock.seconds + wait
            continue
        seen = [at for at in seen if at > clock.seconds - 10] + [clock.seconds]
        if len(seen) <= 5:
            shared.accepted(KEY)
            del due[turn]
        else:
            due[turn] = clock.seconds + shared.refused(KEY, clock.seconds, None)

    assert clock.seconds < 150
