"""No request spends the tries of a turn: the pause before a retry lasts as long as was meant, however often woken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.clock import LoopClock
from shared.core.error_codes import ErrorCode
from shared.core.model import Agent
from shared.core.turns import Claim, ConversationKey, Turn, TurnStatus
from shared.fenced_writes import Stopped
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.instance.wakeups import LocalWakeups
from shared.ports import Lease, TurnUpdate
from shared.turn import outcome
from tests.http.fakes import make_turn

VICTIM, ATTACKER = "victim", "attacker"


class Writes:
    """Takes every write, and answers with the turn as it then stands."""

    def __init__(self) -> None:
        self.count, self.cancelled = 0, False
        self.turn = make_turn(VICTIM, status=TurnStatus.RUNNING, reply=None, remaining_ms=900_000)

    async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, seconds: float) -> Turn:
        self.count += 1
        return replace(self.turn, cancel_requested=self.cancelled)


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def instance(writes: Writes) -> Instance:
    return Instance(writes, LoopClock(), LocalWakeups(), 15.0)  # type: ignore[arg-type]  # it is asked for nothing else


def held(instance: Instance, turn: Turn) -> HeldTurn:
    agent = Agent("writer", "Writer", "Writes.", agent_id="a", assistant_id=None, model="m", instructions="")
    claim = Claim(1, turn, agent, None, fresh=True, last_run_id=None, message_count=0)
    return HeldTurn(instance, claim.sent(instance.clock.now()))


@contextlib.asynccontextmanager
async def woken(instance: Instance, conversation: ConversationKey) -> AsyncIterator[None]:
    """Meanwhile every turn of the loop brings a wake-up, as repeated cancels of another turn do."""

    async def wake() -> None:
        while True:
            instance.notify(conversation)
            await asyncio.sleep(0.001)

    waking = asyncio.create_task(wake())
    try:
        yield
    finally:
        waking.cancel()
        await asyncio.wait({waking})


@pytest.mark.parametrize("user", [VICTIM, ATTACKER])
async def test_a_wakeup_that_changes_nothing_does_not_end_the_pause_before_a_retry(
    instance: Instance, writes: Writes, user: str
) -> None:
    hold, begun_at = held(instance, writes.turn), instance.clock.now()
    async with woken(instance, ConversationKey(user, writes.turn.conversation_id)):
        assert await outcome.retry_or_fail(hold, ErrorCode.RUN_FAILED, None, pause_seconds=0.05)
    assert instance.clock.now() - begun_at >= 0.05
    # each of the user's own is looked into, and one of another user with the same conversation id costs nothing
    assert writes.count == 1 if user == ATTACKER else writes.count > 2


async def test_a_wakeup_that_brings_a_cancel_ends_the_pause(instance: Instance, writes: Writes) -> None:
    hold = held(instance, writes.turn)
    pausing = asyncio.create_task(hold.sleep(3600))
    await asyncio.sleep(0)
    writes.cancelled = True
    async with woken(instance, writes.turn.conversation):
        with pytest.raises(Stopped):
            await asyncio.wait_for(pausing, 5)
