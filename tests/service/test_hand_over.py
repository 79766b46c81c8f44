"""From one turn to the next: handed over within a process, heard between two, and cut short by who displaces."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

import pytest

from shared.core.turns import MultitaskStrategy, TurnStatus
from tests.service.instances import Instances, new_user
from tests.service.test_answering import together

NEVER_BEATS = {"lease_seconds": "120"}  # a heartbeat every 32 s: nothing here may wait for one


async def test_the_next_in_line_is_handed_its_turn_with_the_end_of_the_one_before(instances: Instances) -> None:
    one, user, conversation = await instances.make(**NEVER_BEATS), new_user(), str(uuid.uuid4())
    await one.send(user, "hello", conversation)
    one.rpc.called.clear()
    turns = await together(*(one.send(user, f"[[slow 0.5]] {n}", conversation) for n in range(4)))
    assert {turn.status for turn in turns} == {TurnStatus.COMPLETED}
    calls = Counter(one.rpc.called)
    assert calls["chat_claim_turn"] == 0
    assert calls["chat_advance_turn"] == 2 * len(turns)


async def test_a_claim_whose_request_has_left_is_given_back(instances: Instances) -> None:
    one, user, conversation = await instances.make(**NEVER_BEATS), new_user(), str(uuid.uuid4())
    first = asyncio.create_task(one.send(user, "[[slow 2]] first", conversation))
    await one.rpc.called_for("chat_submit_turn")
    left = await one.send(user, "second", conversation, wait=0.5)
    assert left.status is TurnStatus.QUEUED
    assert (await first).status is TurnStatus.COMPLETED
    assert (await one.wait(user, left)).status is TurnStatus.COMPLETED


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_waiter_elsewhere_hears_the_end_and_reads_nothing_until_then(instances: Instances) -> None:
    one, two = await instances.make(**NEVER_BEATS), await instances.make(**NEVER_BEATS)
    user, conversation = new_user(), str(uuid.uuid4())
    await one.send(user, "hello", conversation)
    await two.send(user, "hello", conversation)
    first = asyncio.create_task(one.send(user, "[[slow 3]] first", conversation))
    await one.rpc.called_for("chat_advance_turn")
    two.rpc.called.clear()
    second = await two.send(user, "second", conversation)
    assert (await first).status is second.status is TurnStatus.COMPLETED
    looks = Counter(two.rpc.called)["chat_get_turn"]
    assert looks < 10, "looked at every tenth of a second of three"


@pytest.mark.parametrize("how", [MultitaskStrategy.INTERRUPT, MultitaskStrategy.ROLLBACK])
async def test_who_displaces_asks_for_the_end_of_the_run_itself(instances: Instances, how: MultitaskStrategy) -> None:
    one, two = await instances.make(**NEVER_BEATS), await instances.make(**NEVER_BEATS)
    user, conversation = new_user(), str(uuid.uuid4())
    first = asyncio.create_task(one.send(user, "[[never]] first", conversation))
    await one.rpc.called_for("chat_advance_turn")
    second = await two.send(user, "second", conversation, strategy=how)
    assert second.status is TurnStatus.COMPLETED
    ended = await first
    assert (ended.status, ended.superseded_by) == (TurnStatus.CANCELLED, second.turn_id)


async def test_who_cancels_elsewhere_asks_for_the_end_of_the_run_itself(instances: Instances) -> None:
    one, two = await instances.make(**NEVER_BEATS), await instances.make(**NEVER_BEATS)
    user, conversation = new_user(), str(uuid.uuid4())
    first = asyncio.create_task(one.send(user, "[[never]] first", conversation))
    await one.rpc.called_for("chat_advance_turn")
    turn = await one.store.get_conversation(user.id, conversation)
    done = await two.chat.cancel_turn(user, turn.open_turns[0].turn_id, asyncio.get_running_loop().time() + 10)
    assert done.status is TurnStatus.CANCELLED
    assert (await first).status is TurnStatus.CANCELLED
