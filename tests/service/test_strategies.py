"""What happens to a message that finds its conversation busy: interrupt, rollback and coalesce, on both wires.

Longer than 250 lines because every strategy is tried against the same situations.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.model import User
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.test_answering import block, creates, place_of

INTERRUPT, ROLLBACK, COALESCE = MultitaskStrategy.INTERRUPT, MultitaskStrategy.ROLLBACK, MultitaskStrategy.COALESCE


async def running(emulator: RunningEmulator, count: int = 1) -> str:
    """The id of the newest run, once it is being worked on."""
    run_id = (await emulator.started(count))[-1]
    await emulator.reached(run_id, "in_progress")
    return run_id


async def lines(one: Instance, user: User, conversation: str) -> list[tuple[str, str]]:
    found = await one.store.list_messages(user.id, conversation, after_seq=0, limit=100)
    assert [line.seq for line in found] == list(range(1, len(found) + 1))
    return [(line.role, line.text) for line in found]


async def thread_texts(emulator: RunningEmulator, place: str) -> list[tuple[str, str]]:
    """What the provider's thread holds, as (role, text)."""
    state = await emulator.state()
    everything: list[dict[str, Any]] = [*state["threads"], *state["conversations"]]
    held = next(one for one in everything if one["id"] == place)
    items = held.get("messages") or held.get("items") or []
    texts = []
    for item in items:
        parts = item["content"]
        text = parts if isinstance(parts, str) else "".join(_text(part) for part in parts)
        texts.append((item["role"], text))
    return texts


def _text(part: dict[str, Any]) -> str:
    text = part.get("text", "")
    return str(text["value"] if isinstance(text, dict) else text)


def superseded(turn: Turn, by: Turn) -> None:
    assert turn.status is TurnStatus.CANCELLED
    assert turn.superseded_by == by.turn_id
    assert turn.error is not None
    assert (turn.error["code"], turn.error["superseded_by"]) == ("superseded", by.turn_id)


@pytest.mark.parametrize("same_instance", [True, False])
async def test_interrupt_ends_the_turn_under_way_and_keeps_what_was_asked(
    instances: Instances, emulator: RunningEmulator, db: Database, same_instance: bool
) -> None:
    one = await instances.make(lease_seconds="3", provider_timeout_seconds="1")
    two = one if same_instance else await instances.make()
    user, conversation = new_user(), str(uuid.uuid4())
    asked = asyncio.create_task(one.send(user, "[[never]] first", conversation, key="a"))
    run_id = await running(emulator)
    newer = await two.send(user, "second", conversation, strategy=INTERRUPT)
    assert newer.reply == "Emulated reply 2 to: second"
    displaced = await asked
    superseded(displaced, newer)
    assert await emulator.reached(run_id) == "cancelled"
    superseded(await two.send(user, "[[never]] first", conversation, key="a"), newer)
    said = await lines(one, user, conversation)
    assert said[0] == ("user", "[[never]] first")
    assert said[-2:] == [("user", "second"), ("assistant", "Emulated reply 2 to: second")]
    texts = await thread_texts(emulator, await place_of(db, conversation))
    assert [text for role, text in texts if role == "user"] == ["[[never]] first", "second"]
    assert (await emulator.state())["violations"] == []


async def test_interrupt_before_the_run_has_begun_keeps_the_message(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    place = await place_of(db, first.conversation_id)
    await block(emulator, wire, place, 1.0)
    asked = asyncio.create_task(one.send(user, "never begun", first.conversation_id))
    await one.rpc.called_for("chat_advance_turn")  # refused: back in the queue
    newer = await one.send(user, "instead", first.conversation_id, strategy=INTERRUPT)
    superseded(await asked, newer)
    assert newer.status is TurnStatus.COMPLETED
    assert ("user", "never begun") in await lines(one, user, first.conversation_id)
    texts = await thread_texts(emulator, await place_of(db, first.conversation_id))
    users = [text for role, text in texts if role == "user"]
    assert users[-2:] == ["never begun", "instead"]
    assert users.count("never begun") == 1


async def test_messages_that_wait_keep_their_place_behind_the_one_that_interrupts(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    asked = asyncio.create_task(one.send(user, "[[never]] first", conversation))
    await running(emulator)
    waiting = [await one.send(user, f"waiting {n}", conversation, wait=0) for n in range(2)]
    newer = await one.send(user, "now", conversation, strategy=INTERRUPT)
    superseded(await asked, newer)
    later = [await one.wait(user, turn) for turn in waiting]
    assert [turn.status for turn in later] == [TurnStatus.COMPLETED] * 2
    said = [text for role, text in await lines(one, user, conversation) if role == "user"]
    assert said == ["[[never]] first", "now", "waiting 0", "waiting 1"]
    assert [turn.seq for turn in (*later, newer)] == [2, 3, 4]


async def test_rollback_takes_message_and_answer_out_of_transcript_and_thread(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    asked = asyncio.create_task(one.send(user, "[[never]] regretted", first.conversation_id))
    await running(emulator, 2)
    newer = await one.send(user, "better", first.conversation_id, strategy=ROLLBACK)
    superseded(await asked, newer)
    assert newer.reply == "Emulated reply 2 to: better"
    assert await lines(one, user, first.conversation_id) == [
        ("user", "hello"),
        ("assistant", "Emulated reply 1 to: hello"),
        ("user", "better"),
        ("assistant", "Emulated reply 2 to: better"),
    ]
    texts = await thread_texts(emulator, await place_of(db, first.conversation_id))
    assert [text for role, text in texts if role == "user"] == ["hello", "better"]


@pytest.mark.parametrize("strategy", [INTERRUPT, ROLLBACK])
async def test_a_foreign_run_is_ended(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str, strategy: MultitaskStrategy
) -> None:
    one, user = await instances.make(cancel_wait_seconds="1"), new_user()
    first = await one.send(user, "hello")
    place = await place_of(db, first.conversation_id)
    foreign = await block(emulator, wire, place, None)
    turn = await one.send(user, "now", first.conversation_id, strategy=strategy)
    assert turn.reply is not None
    assert turn.reply.endswith("to: now")
    if wire == "assistants":
        assert await emulator.reached(foreign) == "cancelled"
        assert await place_of(db, first.conversation_id) == place
    else:  # the lock names no run: the thread is left to it
        assert await place_of(db, first.conversation_id) != place


async def test_a_run_that_ignores_its_cancel_loses_its_thread(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(cancel_wait_seconds="1"), new_user()
    first = await one.send(user, "hello")
    place = await place_of(db, first.conversation_id)
    asked = asyncio.create_task(one.send(user, "[[never]] [[ignore-cancel 60]] stubborn", first.conversation_id))
    await running(emulator, 2)
    newer = await one.send(user, "now", first.conversation_id, strategy=INTERRUPT)
    superseded(await asked, newer)
    assert newer.reply == "Emulated reply 3 to: now"
    assert await place_of(db, first.conversation_id) != place


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_run_in_the_foreground_cannot_be_displaced_and_is_waited_for(
    instances: Instances, emulator: RunningEmulator
) -> None:
    await emulator.configure(background="refuse")
    one, user = await instances.make(lease_seconds="3"), new_user()
    first = await one.send(user, "hello")
    asked = asyncio.create_task(one.send(user, "[[slow 2]] first", first.conversation_id))
    await running(emulator, 2)
    newer = await one.send(user, "second", first.conversation_id, strategy=INTERRUPT)
    assert (await asked).reply == "Emulated reply 2 to: first"
    assert newer.reply == "Emulated reply 3 to: second"


async def test_an_answer_that_came_before_the_interrupt_stands(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    asked = [asyncio.create_task(one.send(user, "quick", conversation))]
    await emulator.started()
    newer = await one.send(user, "second", conversation, strategy=INTERRUPT)
    first = await asked[0]
    assert newer.status is TurnStatus.COMPLETED
    assert first.status in (TurnStatus.COMPLETED, TurnStatus.CANCELLED)
    assert (first.reply is None) == (first.superseded_by is not None)


async def test_messages_that_arrive_while_one_runs_are_joined_into_one_turn(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    asked = asyncio.create_task(one.send(user, "[[slow 1]] first", conversation, strategy=COALESCE))
    await running(emulator)
    texts = ["Hello", "how are you", "what time is it"]
    waiting = [await one.send(user, text, conversation, wait=0, strategy=COALESCE, key=text) for text in texts]
    joint = await asyncio.gather(*((one, two)[n % 2].wait(user, turn) for n, turn in enumerate(waiting)))
    assert (await asked).reply == "Emulated reply 1 to: first"
    assert {turn.reply for turn in joint} == {"Emulated reply 2 to: Hello\n\nhow are you\n\nwhat time is it"}
    assert await creates(emulator) == 2
    covered = tuple(turn.turn_id for turn in waiting)
    assert {turn.covers for turn in joint} == {covered}
    assert (await two.send(user, "how are you", conversation, strategy=COALESCE, key="how are you")).covers == covered
    assert await lines(one, user, conversation) == [
        ("user", "[[slow 1]] first"),
        ("assistant", "Emulated reply 1 to: first"),
        ("user", "Hello"),
        ("user", "how are you"),
        ("user", "what time is it"),
        ("assistant", "Emulated reply 2 to: Hello\n\nhow are you\n\nwhat time is it"),
    ]


async def test_a_short_pause_gathers_quick_messages(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(coalesce_seconds="0.6"), new_user(), str(uuid.uuid4())
    turns = await asyncio.gather(
        *(one.send(user, text, conversation, strategy=COALESCE) for text in ("Hello", "how are you", "what time is it"))
    )
    assert len({turn.reply for turn in turns}) == 1
    assert await creates(emulator) == 1


async def test_others_are_not_joined(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    asked = asyncio.create_task(one.send(user, "[[slow 0.5]] first", conversation))
    await running(emulator)
    a = await one.send(user, "a", conversation, wait=0, strategy=COALESCE)
    b = await one.send(user, "b", conversation, wait=0)
    c = await one.send(user, "c", conversation, wait=0, strategy=COALESCE)
    replies = [(await one.wait(user, turn)).reply for turn in (a, b, c)]
    assert replies == [f"Emulated reply {n} to: {text}" for n, text in ((2, "a"), (3, "b"), (4, "c"))]
    await asked


async def test_interrupting_joined_messages_displaces_them_all(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(coalesce_seconds="0.3"), new_user()
    conversation = str(uuid.uuid4())
    asked = [
        asyncio.create_task(one.send(user, text, conversation, strategy=COALESCE)) for text in ("[[never]] a", "b")
    ]
    await running(emulator)
    newer = await one.send(user, "now", conversation, strategy=INTERRUPT)
    for turn in await asyncio.gather(*asked):
        superseded(turn, newer)
    users = [text for role, text in await lines(one, user, conversation) if role == "user"]
    assert sorted(users[:2]) == ["[[never]] a", "b"]
    assert users[2:] == ["now"]


async def test_those_joined_to_a_cancelled_message_are_answered_and_asked_once(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user, conversation = await instances.make(coalesce_seconds="0.3"), new_user(), str(uuid.uuid4())
    texts = ("[[never]] a", "b", "c")
    first, *others = [await one.send(user, text, conversation, wait=0, strategy=COALESCE) for text in texts]
    waiting = [asyncio.create_task(one.wait(user, turn)) for turn in others]
    await running(emulator)
    ended = await one.chat.cancel_turn(user, first.turn_id, asyncio.get_running_loop().time() + 10)
    assert (ended.status, ended.superseded_by) == (TurnStatus.CANCELLED, None)
    assert [turn.reply for turn in await asyncio.gather(*waiting)] == ["Emulated reply 1 to: b\n\nc"] * 2
    held = await thread_texts(emulator, await place_of(db, conversation))
    assert [text for role, text in held if role == "user"] == ["b\n\nc"]
    assert [text for role, text in await lines(one, user, conversation) if role == "user"] == list(texts)


async def test_cancel_against_completion(instances: Instances, emulator: RunningEmulator) -> None:
    """Both see the outcome that came first."""
    one, two = await instances.make(), await instances.make()
    outcomes = set()
    for attempt in range(20):
        user, conversation = new_user(), str(uuid.uuid4())
        asked = asyncio.create_task(one.send(user, "hello", conversation))
        await emulator.started(attempt + 1)
        (turn,) = (await one.store.get_conversation(user.id, conversation)).open_turns or (None,)
        if turn is None:
            continue
        cancelled = await two.chat.cancel_turn(user, turn.turn_id, asyncio.get_running_loop().time() + 10)
        done = await asked
        assert (cancelled.status, cancelled.reply) == (done.status, done.reply)
        outcomes.add(done.status)
    assert outcomes <= {TurnStatus.CANCELLED, TurnStatus.COMPLETED}
