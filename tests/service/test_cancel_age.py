"""A run that ignores its cancel is given up so long after the request, however many have held its turn since."""

from __future__ import annotations

import asyncio
import time

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.turns import MultitaskStrategy, TurnStatus
from shared.turn import stop
from tests.service.instances import Instances, new_user
from tests.service.test_strategies import running, superseded

STUBBORN = "[[never]] [[ignore-cancel]] hello"


async def test_the_next_holder_does_not_wait_anew(
    instances: Instances, emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "CANCELLED_WITHIN_SECONDS", 3.0)
    one, two, user = await instances.make(), await instances.make(), new_user()
    asked = asyncio.create_task(one.send(user, STUBBORN, wait=1.5))
    await running(emulator)
    turn = await asked
    assert turn.status is TurnStatus.RUNNING
    await one.store.cancel_turn(user.id, turn.turn_id)
    await asyncio.sleep(3.2)  # no request serves it meanwhile
    began = time.monotonic()
    ended = await two.wait(user, turn)
    assert ended.status is TurnStatus.CANCELLED
    assert time.monotonic() - began < 1.5


async def test_neither_does_the_next_holder_of_a_displaced_turn(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user = await instances.make(), await instances.make(cancel_wait_seconds="3"), new_user()
    asked = asyncio.create_task(one.send(user, STUBBORN, wait=1.5))
    await running(emulator)
    turn = await asked
    newer = await two.send(user, "now", turn.conversation_id, wait=0, strategy=MultitaskStrategy.INTERRUPT)
    await asyncio.sleep(3.2)
    began = time.monotonic()
    answered = await two.wait(user, newer)
    assert answered.status is TurnStatus.COMPLETED
    assert time.monotonic() - began < 2.5
    superseded(await two.wait(user, turn), newer)
