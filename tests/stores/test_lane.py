"""Calls to the database go through in bounded number, by rank, and a line that is too long refuses messages at once."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError
from shared.stores.lane import CROWD, Lane, Rank
from shared.stores.rpc import Rpc
from tests.http import virtual


class Calls:
    def __init__(self, lane: Lane) -> None:
        self.lane, self.order, self.most, self._inside = lane, list[str](), 0, 0
        self.gate = asyncio.Event()

    async def call(self, name: str, rank: Rank = Rank.ACCEPT) -> None:
        async with self.lane.place(rank):
            self._inside += 1
            self.most = max(self.most, self._inside)
            self.order.append(name)
            await self.gate.wait()
            self._inside -= 1

    def start(self, name: str, rank: Rank = Rank.ACCEPT) -> asyncio.Task[None]:
        return asyncio.create_task(self.call(name, rank))


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_the_width_are_inside_and_each_gets_there() -> None:
    calls = Calls(Lane(3, 5.0))
    tasks = [calls.start(str(number)) for number in range(10)]
    await settled()
    assert calls.order == ["0", "1", "2"]
    calls.gate.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert (calls.most, len(calls.order)) == (3, 10)


async def test_holders_go_before_messages_and_messages_before_looks() -> None:
    calls = Calls(Lane(1, 5.0))
    tasks = [calls.start("first")]
    await settled()
    ranks = {"look": Rank.LOOK, "claim": Rank.CLAIM, "message 1": Rank.ACCEPT, "message 2": Rank.ACCEPT}
    ranks["heartbeat"] = Rank.HOLD
    tasks += [calls.start(name, rank) for name, rank in ranks.items()]
    await settled()
    calls.gate.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert calls.order == ["first", "heartbeat", "message 1", "message 2", "claim", "look"]


async def test_who_leaves_the_line_takes_no_place_along() -> None:
    calls = Calls(Lane(1, 5.0))
    first, second, third = (calls.start(name) for name in ("first", "second", "third"))
    await settled()
    second.cancel()
    await settled()
    calls.gate.set()
    await asyncio.wait_for(asyncio.gather(first, third), 1)
    assert calls.order == ["first", "third"]


async def test_who_leaves_in_the_moment_its_place_comes_hands_it_on() -> None:
    calls = Calls(Lane(1, 5.0))
    first, second, third = (calls.start(name) for name in ("first", "second", "third"))
    await settled()
    calls.gate.set()
    await first
    second.cancel()  # its place has come, and it has not run since
    await asyncio.wait_for(third, 1)
    await asyncio.wait_for(calls.call("fourth"), 1)


async def test_many_messages_that_wait_are_a_crowd_until_they_are_through() -> None:
    lane, seen = Lane(1, 5.0), list[bool]()
    calls = Calls(lane)
    tasks = [calls.start(str(number)) for number in range(1 + CROWD)]
    tasks += [calls.start("look", Rank.LOOK), calls.start("claim", Rank.CLAIM)]
    await settled()
    seen.append(lane.crowded)
    one_more = calls.start("one more")
    await settled()
    seen.append(lane.crowded)
    one_more.cancel()
    await settled()
    seen.append(lane.crowded)
    calls.gate.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert seen == [False, True, False]
    assert not lane.crowded


async def test_a_message_is_accepted_without_a_claim_while_a_crowd_waits_behind_it() -> None:
    owners = list[str | None]()
    gate = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        owners.append(json.loads(request.content)["p_owner"])
        await gate.wait()
        return httpx.Response(200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        rpc = Rpc("http://api", "key", http, lane=Lane(1, 5.0))
        alone = {"owner": None}
        calls = [
            rpc.call("chat_submit_turn", lambda _: None, rank=Rank.ACCEPT, in_crowd=alone, owner="me")
            for _ in range(CROWD + 3)
        ]
        waiting = asyncio.gather(*calls)
        await settled()
        gate.set()
        await asyncio.wait_for(waiting, 5)
    # the first found no line, and behind the last ones there is no crowd any more
    assert owners == ["me", None, *["me"] * (CROWD + 1)]


def test_a_line_that_is_too_long_refuses_messages_and_says_for_how_long() -> None:
    async def play() -> None:
        lane = Lane(1, 0.05)
        async with lane.place(Rank.ACCEPT):
            await asyncio.sleep(0.5)  # what a call takes is known from now on: a tenth of that
        calls = Calls(lane)
        tasks = [calls.start(str(number)) for number in range(4)]
        await settled()
        with pytest.raises(ChatError) as refused:
            async with lane.place(Rank.ACCEPT, refusable=True):
                pass
        assert refused.value.code == ErrorCode.OVERLOADED
        assert refused.value.retry_after == pytest.approx(0.15, rel=0.1)
        async with asyncio.timeout(1):
            waiting = calls.start("not refusable")
            calls.gate.set()
            await asyncio.gather(waiting, *tasks)

    virtual.run(play)
