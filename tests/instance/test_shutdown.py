"""What a shutdown does to work under way, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.instance.shutdown import Shutdown
from tests.http import virtual


def played(scenario: Callable[[Shutdown], Awaitable[None]]) -> float:
    """How many seconds the scenario took."""

    async def play() -> float:
        begun_at = asyncio.get_running_loop().time()
        await scenario(Shutdown())
        return asyncio.get_running_loop().time() - begun_at

    return virtual.run(play)


async def work(shutdown: Shutdown, seconds: float) -> None:
    """Never ends by itself; its request may take so many seconds."""
    async with shutdown.limit(asyncio.get_running_loop().time() + seconds):
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("seconds", "lasts"), [(150.0, 8.0), (7.0, 7.0), (1.0, 1.0)])
def test_work_ends_at_its_own_deadline_or_at_the_shutdown(seconds: float, lasts: float) -> None:
    async def scenario(shutdown: Shutdown) -> None:
        asyncio.get_running_loop().call_later(2.0, shutdown.begin, 6.0)
        with pytest.raises(TimeoutError):
            await work(shutdown, seconds)

    assert played(scenario) == pytest.approx(lasts)


def test_work_that_begins_later_has_as_little_time() -> None:
    async def scenario(shutdown: Shutdown) -> None:
        shutdown.begin(6.0)
        await asyncio.sleep(4.0)
        with pytest.raises(TimeoutError):
            await work(shutdown, 150.0)

    assert played(scenario) == pytest.approx(6.0)


def test_a_second_shutdown_gives_no_more_time() -> None:
    async def scenario(shutdown: Shutdown) -> None:
        for at in (0.0, 3.0):
            asyncio.get_running_loop().call_later(at, shutdown.begin, 6.0)
        with pytest.raises(TimeoutError):
            await work(shutdown, 150.0)

    assert played(scenario) == pytest.approx(6.0)


def test_work_whose_time_is_just_over_does_no_harm() -> None:
    """Its deadline fires in the same round of the loop as the shutdown: it cannot be moved any more."""

    async def scenario(shutdown: Shutdown) -> None:
        asyncio.get_running_loop().call_later(2.0, shutdown.begin, 6.0)
        with pytest.raises(TimeoutError):
            await work(shutdown, 2.0)
        assert shutdown.begun

    assert played(scenario) == pytest.approx(2.0)
