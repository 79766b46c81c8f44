"""A claim that comes with the end of a turn gets to one request in line, to the right one, and to no other."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.clock import LoopClock
from shared.core.model import Agent
from shared.core.turns import Claim, ConversationKey, Turn
from shared.instance.instance import Instance
from shared.instance.waiting_lines import WaitingLines
from shared.instance.wakeups import LocalWakeups
from shared.ports import Lessee
from tests.http.fakes import make_turn

KEY = ConversationKey("u", "c")
LESSEE = Lessee("owner", 15.0)
LONG = 3600.0


def claim(turn: Turn) -> Claim:
    agent = Agent("writer", "Writer", "Writes.", agent_id="a", assistant_id=None, model="m", instructions="")
    return Claim(1, turn, agent, None, fresh=True, last_run_id=None, message_count=0)


async def test_a_claim_goes_to_the_request_that_waits_for_its_turn() -> None:
    lines, turn = WaitingLines(), make_turn("u")
    with lines.place(KEY, "other", LESSEE, LONG) as first, lines.place(KEY, turn.turn_id, LESSEE, LONG) as second:
        assert lines.lessee(KEY, 0.0) == LESSEE
        assert lines.hand_over(KEY, claim(turn), 0.0)
        await asyncio.wait_for(second.wait(LONG), 1)
        assert (first.claim, second.claim) == (None, claim(turn))


async def test_a_claim_on_another_turn_goes_to_the_first_in_line_once() -> None:
    lines, turn = WaitingLines(), make_turn("u")
    with lines.place(KEY, "a", LESSEE, LONG) as first, lines.place(KEY, "b", LESSEE, LONG) as second:
        assert lines.hand_over(KEY, claim(turn), 0.0)
        assert lines.hand_over(KEY, claim(turn), 0.0)
        assert first.claim is not None
        assert second.claim is not None
        assert not lines.hand_over(KEY, claim(turn), 0.0)


def test_a_request_that_would_start_nothing_any_more_is_passed_over() -> None:
    lines = WaitingLines()
    with lines.place(KEY, "a", LESSEE, 10.0) as place:
        assert lines.lessee(KEY, 10.0) is None
        assert not lines.hand_over(KEY, claim(make_turn("u")), 10.0)
        assert place.claim is None


def test_who_has_left_the_line_is_handed_nothing() -> None:
    lines = WaitingLines()
    with lines.place(KEY, "a", LESSEE, LONG):
        pass
    assert lines.lessee(KEY, 0.0) is None
    assert not lines.hand_over(KEY, claim(make_turn("u")), 0.0)


async def test_every_line_is_woken_when_the_instance_is_told_to_end() -> None:
    store: Any = None  # is not asked
    instance = Instance(store, LoopClock(), LocalWakeups(), 15.0)
    with instance.lines.place(KEY, "a", LESSEE, LONG) as place:
        waiting = asyncio.create_task(place.wait(LONG))
        await asyncio.sleep(0)
        instance.shutdown.begin(6.0)
        await asyncio.wait_for(waiting, 1)


async def test_a_wake_reaches_the_line_of_its_conversation_alone() -> None:
    lines = WaitingLines()
    with (
        lines.place(KEY, "a", LESSEE, LONG) as mine,
        lines.place(ConversationKey("v", "c"), "b", LESSEE, LONG) as other,
    ):
        waiting = asyncio.create_task(other.wait(LONG))
        lines.wake(KEY)
        await asyncio.wait_for(mine.wait(LONG), 1)
        assert not waiting.done()
        waiting.cancel()
