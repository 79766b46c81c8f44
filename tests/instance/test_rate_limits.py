"""The lane to a provider, and the pause that all turns of a process share after a refusal for haste."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from shared.clock import LoopClock
from shared.core.lane_width import FIRST
from shared.instance.rate_limits import (
    FIRST_SECONDS,
    LEAST_SECONDS,
    LINE_SECONDS,
    LONGEST_SECONDS,
    TOLD_SECONDS,
    RateLimits,
)
from tests.http import virtual

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


async def wait_seconds(shared: RateLimits, key: tuple[str, str] = KEY) -> float:
    async with shared.place(key) as seconds:
        return seconds


async def test_nothing_waits_before_anything_was_refused() -> None:
    assert await wait_seconds(limits(Now())) == 0


@pytest.mark.parametrize("told", [0.0, 0.3, 12.0, 60.0])
async def test_the_time_that_the_provider_names_holds_for_all(told: float) -> None:
    clock = Now()
    shared = limits(clock)

    assert shared.refused(KEY, 0.0, told) == max(told, LEAST_SECONDS)
    assert await wait_seconds(shared) == max(told, LEAST_SECONDS)
    assert await wait_seconds(shared, ("responses", "another")) == 0
    clock.seconds = max(told, LEAST_SECONDS)
    assert [await wait_seconds(shared) for _ in range(3)] == [0, 0, 0]


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


async def test_one_create_at_a_time_tries_whether_the_pause_is_over() -> None:
    clock = Now()
    shared = limits(clock)
    shared.refused(KEY, 0.0, None)
    clock.seconds = 2.0

    waits = [await wait_seconds(shared) for _ in range(5)]

    assert waits[0] == 0
    assert all(wait > 0 for wait in waits[1:])


async def test_what_is_accepted_ends_the_pauses() -> None:
    clock = Now()
    shared = limits(clock)
    for _ in range(3):
        shared.refused(KEY, clock.seconds, None)
        clock.seconds += 20
    for _ in range(3):
        shared.accepted(KEY)
        clock.seconds += 20

    assert [await wait_seconds(shared) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
async def test_a_limiter_that_counts_refusals_lets_all_turns_through(seed: int) -> None:
    """Five creates in ten seconds, those that it refuses among them, against twenty turns that come at once."""
    clock = Now()
    shared = RateLimits(clock, random.Random(seed).random)
    due = dict.fromkeys(range(20), 0.0)
    seen: list[float] = []
    while due:
        turn = min(due, key=lambda one: due[one])
        clock.seconds = max(clock.seconds, due[turn])
        if (wait := await wait_seconds(shared)) > 0:
            due[turn] = clock.seconds + wait
            continue
        seen = [at for at in seen if at > clock.seconds - 10] + [clock.seconds]
        if len(seen) <= 5:
            shared.accepted(KEY)
            del due[turn]
        else:
            due[turn] = clock.seconds + shared.refused(KEY, clock.seconds, None)

    assert clock.seconds < 150


class Quota:
    """Takes so many creates in a window, and says when the next one begins."""

    def __init__(self, most: int, window_seconds: float, *, tells: bool) -> None:
        self.most, self.window_seconds, self.tells = most, window_seconds, tells
        self.calls = self.refusals = self._taken = 0
        self._began = -1.0

    async def create(self) -> float | None:
        """None where it was taken, else Retry-After; 0 where none is told."""
        await asyncio.sleep(0.1)
        now = asyncio.get_running_loop().time()
        self.calls += 1
        if now - self._began >= self.window_seconds:
            self._began, self._taken = now, 0
        if self._taken < self.most:
            self._taken += 1
            return None
        self.refusals += 1
        return self._began + self.window_seconds - now if self.tells else 0


@pytest.mark.parametrize("tells", [True, False])
def test_two_hundred_turns_under_a_quota_make_few_calls_and_lose_none(tells: bool) -> None:
    quota = Quota(20, 10.0, tells=tells)

    async def turn(shared: RateLimits) -> None:
        clock = LoopClock()
        while True:
            async with shared.place(KEY) as seconds:
                if seconds == 0:
                    sent_at = clock.now()
                    if (told := await quota.create()) is None:
                        shared.accepted(KEY)
                        return
                    seconds = shared.refused(KEY, sent_at, told or None)
            await asyncio.sleep(seconds)

    async def play() -> float:
        shared = RateLimits(LoopClock(), random.Random(1).random)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(turn(shared) for _ in range(200)))
        return asyncio.get_running_loop().time() - began

    seconds = virtual.run(play)

    assert quota.calls - quota.refusals == 200
    assert quota.refusals <= 100  # 900 and 459 where each turn meets the quota for itself
    assert seconds <= 200  # 90 where no moment of the quota is lost


def test_a_lane_lets_in_as_many_as_it_is_wide_and_the_next_ones_in_order() -> None:
    entered = list[int]()

    async def play() -> None:
        shared = RateLimits(LoopClock(), lambda: 0.0)
        gate = asyncio.Event()

        async def create(number: int) -> None:
            async with shared.place(KEY) as seconds:
                assert seconds == 0
                entered.append(number)
                await gate.wait()

        creates = [asyncio.ensure_future(create(number)) for number in range(int(FIRST) + 5)]
        await asyncio.sleep(LINE_SECONDS / 2)
        assert entered == list(range(int(FIRST)))
        creates[int(FIRST)].cancel()
        gate.set()
        await asyncio.wait(creates)

    virtual.run(play)
    assert entered == [number for number in range(int(FIRST) + 5) if number != FIRST]


def test_who_is_not_let_in_for_long_pauses_and_a_create_that_lasts_holds_no_place() -> None:
    async def play() -> tuple[float, float]:
        shared, never = RateLimits(LoopClock(), lambda: 0.0), asyncio.Event()

        async def lasts() -> None:
            async with shared.place(KEY):
                await never.wait()

        lasting = [asyncio.ensure_future(lasts()) for _ in range(int(FIRST))]
        await asyncio.sleep(0)
        early = await wait_seconds(shared)
        await asyncio.sleep(TOLD_SECONDS)
        late = await wait_seconds(shared)
        never.set()
        await asyncio.wait(lasting)
        return early, late

    assert virtual.run(play) == (LINE_SECONDS, 0)
