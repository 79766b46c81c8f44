"""Requests that wait for one turn share their looks at it, and none is shown what was seen before a change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.clock import LoopClock
from shared.core.errors import StoreUnavailable
from shared.core.turns import ConversationKey
from shared.instance.shared_reads import SharedReads
from shared.ports import Peek
from tests.http.fakes import make_turn

LONG = 3600.0


class Rows:
    """Counts the looks; each ends when it is told to."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[Peek]] = []

    async def get_turn(self, user_id: str, turn_id: str) -> Peek:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


class Watched:
    def __init__(self) -> None:
        rows: Any = Rows()
        self.rows: Rows = rows
        self.reads = SharedReads(rows, LoopClock())

    async def look(self, user_id: str = "u", max_age_seconds: float = LONG) -> asyncio.Task[Peek]:
        looking = asyncio.create_task(self.reads.read(ConversationKey(user_id, "c"), "t", max_age_seconds))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return looking

    def answer(self, number: int) -> Peek:
        peek = Peek(make_turn("u"), claimable=False)
        self.rows.answers[number].set_result(peek)
        return peek


async def test_one_look_serves_all_who_wait() -> None:
    watched = Watched()
    looking = [await watched.look() for _ in range(3)]
    seen = watched.answer(0)
    assert await asyncio.gather(*looking) == [seen] * 3
    assert await (await watched.look()) is seen, "it is young"
    assert len(watched.rows.answers) == 1


async def test_what_is_too_old_or_another_users_is_looked_at_anew() -> None:
    watched = Watched()
    first = await watched.look()
    watched.answer(0)
    await first
    await watched.look(max_age_seconds=0.0)
    await watched.look(user_id="v")
    assert len(watched.rows.answers) == 3


async def test_after_a_change_no_request_is_shown_a_look_that_began_before_it() -> None:
    watched = Watched()
    before = await watched.look()
    watched.reads.forget(ConversationKey("u", "c"))
    after = await watched.look()
    old, new = watched.answer(0), watched.answer(1)
    assert await before is old
    assert await after is new
    assert await (await watched.look()) is new


async def test_a_request_that_ends_takes_no_other_along() -> None:
    watched = Watched()
    first, second, third = [await watched.look() for _ in range(3)]
    first.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(watched.rows.answers) == 2, "one of the others looks"
    seen = watched.answer(1)
    assert [await second, await third] == [seen] * 2


async def test_a_failed_look_fails_for_all_of_its_time_and_is_not_kept() -> None:
    watched = Watched()
    looking = [await watched.look() for _ in range(2)]
    watched.rows.answers[0].set_exception(StoreUnavailable("away"))
    for each in looking:
        with pytest.raises(StoreUnavailable):
            await each
    await watched.look()
    assert len(watched.rows.answers) == 2


async def test_nothing_is_remembered_for_longer_than_it_is_young() -> None:
    watched = Watched()
    looking = await watched.look(max_age_seconds=0.01)
    watched.answer(0)
    await looking
    await asyncio.sleep(0.05)
    assert not watched.reads._looks
