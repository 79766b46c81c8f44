"""A message in the place of an earlier one, on both wires: what the model is told, and what becomes of the old run."""

from __future__ import annotations

import asyncio

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.model import User
from shared.core.turns import Turn, TurnStatus
from tests.service.instances import Instance, Instances, new_user
from tests.service.test_strategies import running, superseded, thread_texts


async def said(one: Instance, user: User, turn: Turn) -> list[tuple[str, str]]:
    """The lines in view, as (role, text)."""
    found = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=100)
    return [(line.role, line.text) for line in found]


async def thread_of(one: Instance, user: User, turn: Turn) -> str:
    thread = (await one.store.get_conversation(user.id, turn.conversation_id)).thread
    assert thread is not None
    assert thread.thread_id is not None
    return thread.thread_id


async def test_the_thread_of_an_edited_message_holds_what_is_in_view(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(), new_user()
    kept = await one.send(user, "kept")
    first = await one.send(user, "first", kept.conversation_id)
    last = await one.send(user, "last", kept.conversation_id)
    newer = await one.send(user, "edited", kept.conversation_id, replaces=first.turn_id)
    assert (newer.status, newer.replaced, newer.seq) == (TurnStatus.COMPLETED, first.turn_id, 4)
    view = [("user", "kept"), ("assistant", kept.reply), ("user", "edited"), ("assistant", newer.reply)]
    assert await said(one, user, newer) == view
    assert await thread_texts(emulator, await thread_of(one, user, newer)) == view
    for old in (first, last):
        row = (await one.store.get_turn(user.id, old.turn_id)).turn
        assert (row.status, row.reply, row.superseded_by) == (TurnStatus.COMPLETED, old.reply, newer.turn_id)


@pytest.mark.parametrize("same_instance", [True, False])
async def test_a_regeneration_need_not_wait_for_the_run_it_ends(
    instances: Instances, emulator: RunningEmulator, same_instance: bool
) -> None:
    """The old run would never end. Its sender is told what took its place, and the run is asked to end."""
    one = await instances.make(lease_seconds="3", provider_timeout_seconds="1")
    two = one if same_instance else await instances.make()
    user = new_user()
    first = await one.send(user, "first")
    asked = asyncio.create_task(one.send(user, "[[never]] go", first.conversation_id, key="a"))
    run_id = await running(emulator, 2)
    (open_turn,) = (await two.store.get_conversation(user.id, first.conversation_id)).open_turns
    newer = await two.send(user, "instead", replaces=open_turn.turn_id)
    assert newer.status is TurnStatus.COMPLETED
    superseded(await asked, newer)
    assert await emulator.reached(run_id) == "cancelled"
    superseded(await two.send(user, "[[never]] go", first.conversation_id, key="a"), newer)
    assert [text for role, text in await said(one, user, newer) if role == "user"] == ["first", "instead"]


async def test_a_failed_turn_is_tried_again_in_its_place(instances: Instances, emulator: RunningEmulator) -> None:
    one, user = await instances.make(), new_user()
    failed = await one.send(user, "[[fail model_not_found]] hello")  # which no repeat would mend
    assert failed.status is TurnStatus.FAILED
    again = await one.send(user, None, replaces=failed.turn_id, agent="script_writer")
    assert (again.text, again.agent, again.replaced) == (
        "[[fail model_not_found]] hello",
        "script_writer",
        failed.turn_id,
    )
    row = (await one.store.get_turn(user.id, failed.turn_id)).turn
    assert (row.status, row.superseded_by, row.error) == (TurnStatus.FAILED, again.turn_id, failed.error)


async def test_two_tabs_that_regenerate_at_once_have_one_answer(instances: Instances) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    first = await one.send(user, "hello")
    turns = await asyncio.gather(*(tab.send(user, None, replaces=first.turn_id) for tab in (one, two, one, two)))
    *losers, newest = sorted(turns, key=lambda turn: turn.seq)
    assert newest.status is TurnStatus.COMPLETED
    for turn in losers:
        assert turn.superseded_by is not None or turn.status is TurnStatus.COMPLETED
        assert (await one.store.get_turn(user.id, turn.turn_id)).turn.superseded_by is not None
    assert await said(one, user, newest) == [("user", "hello"), ("assistant", newest.reply)]
