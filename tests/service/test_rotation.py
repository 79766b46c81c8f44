"""A new thread for what goes on: past so many lines, on demand, after an expiry; seeded with the last lines."""

from __future__ import annotations

import uuid

import pytest

from dev.emulator.testing import RunningEmulator
from functions.maintenance.tidying import Tidying
from shared.clock import LoopClock
from shared.core.errors import Conflict
from shared.core.model import Scope, ScopeKind, User
from shared.core.new_message import NewMessage
from shared.core.turns import Turn
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.test_deletion import left_at_provider, soon


@pytest.fixture(autouse=True)
def nothing_left(db: Database) -> None:
    db.run("delete from public.chat_conversations")
    db.run("delete from public.chat_threads")


async def place_of(one: Instance, user: User, conversation: str) -> str | None:
    thread = (await one.store.get_conversation(user.id, conversation)).thread
    return None if thread is None else thread.thread_id


async def test_past_so_many_lines_the_next_message_starts_a_thread_with_the_last_ones(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(archive_after_messages="4", carry_over_messages="2"), new_user()
    conversation, places = str(uuid.uuid4()), []
    for number in range(5):
        turn = await one.send(user, f"message {number}", conversation)
        places.append(await place_of(one, user, conversation))
        # the emulated model counts the messages of people that stand in its thread
        assert turn.reply == f"Emulated reply {(1, 2, 2, 3, 2)[number]} to: message {number}"
    assert [places.index(place) for place in places] == [0, 0, 2, 2, 4]
    await Tidying(one.store, one.chat, LoopClock()).run(soon())
    assert await left_at_provider(emulator) == [places[4]]
    lines = await one.store.list_messages(user.id, conversation, after_seq=0, limit=99)
    assert [line.seq for line in lines] == list(range(1, 11)), "the transcript is whole"


async def test_on_demand(instances: Instances) -> None:
    one, user, conversation = await instances.make(carry_over_messages="1"), new_user(), str(uuid.uuid4())
    await one.send(user, "hello", conversation)
    first = await place_of(one, user, conversation)
    await one.store.rotate_conversation(user.id, conversation)
    turn = await one.send(user, "again", conversation)
    assert turn.reply == "Emulated reply 1 to: again", "the one line that is carried along is the answer"
    assert await place_of(one, user, conversation) not in (None, first)


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_scope_that_expires_opens_a_new_conversation(instances: Instances, db: Database) -> None:
    one, user = await instances.make(conversation_ttl_hours="0.5", retention_days="1"), new_user()

    async def send(ttl_hours: float | None = None) -> Turn:
        scope = Scope(ScopeKind.TOPIC, "owls", ttl_hours)
        turn, _ = await one.chat.take_turn(user, NewMessage("hello", scope=scope), soon())
        return turn

    first = await send()
    assert (await send()).conversation_id == first.conversation_id
    db.let_pass(1801)
    with pytest.raises(Conflict):
        await one.send(user, "hello", first.conversation_id)
    second = await send(0.25)
    assert second.conversation_id != first.conversation_id
    db.let_pass(901)
    report = await Tidying(one.store, one.chat, LoopClock()).run(soon())
    assert (report["archived"], report["deleted"], report["threads_deleted"]) == (1, 0, 2)
    db.let_pass(86_400)
    report = await Tidying(one.store, one.chat, LoopClock()).run(soon())
    assert (report["archived"], report["deleted"]) == (0, 2)
