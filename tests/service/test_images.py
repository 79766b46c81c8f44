"""Images that agents make, on real parts: kept once, named by the answer, shown to their user alone."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from dev.emulator.brain.plan import Plan
from dev.emulator.picture import picture
from dev.emulator.testing import RunningEmulator
from shared.core.errors import Fenced, NotFound
from shared.core.model import User
from shared.core.turns import Turn, TurnStatus
from shared.ports import Lease
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, asks, hands_over, says


@pytest.fixture
def wire() -> str:
    return "responses"


async def content_of(one: Instance, user: User, turn: Turn) -> list[bytes]:
    found = []
    for image in turn.images:
        piece = await one.store.read_image(user.id, image.image_id)
        assert (piece.media_type, piece.size, piece.end) == (image.media_type, image.size, image.size)
        found.append(base64.b64decode(piece.data))
    return found


async def test_an_image_without_words_is_an_answer(instances: Instances, db: Database) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[image a red fox]] [[say]]")
    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, ""), turn.error
    (image,) = turn.images
    assert (image.media_type, image.description, image.width) == ("image/png", "a red fox", 256)
    assert await content_of(one, user, turn) == [picture("a red fox")]
    lines = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=10)
    assert [(line.role, line.text, line.images) for line in lines] == [
        ("user", "[[image a red fox]] [[say]]", ()),
        ("assistant", "", (image,)),
    ]
    with pytest.raises(NotFound):
        await one.store.read_image(new_user().id, image.image_id)
    assert (await one.send(user, "next", turn.conversation_id)).reply == "Emulated reply 2 to: next"
    await one.chat.delete_conversation(user, turn.conversation_id, asyncio.get_running_loop().time() + 10)
    with pytest.raises(NotFound):
        await one.store.read_image(user.id, image.image_id)
    assert db.rows("select id from public.chat_images where user_id = %s", user.id) == []


async def test_a_turn_without_images_asks_the_database_for_nothing_more(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    one.rpc.called.clear()
    await one.send(user, "[[image a red fox]]", turn.conversation_id)
    drawn = list(one.rpc.called)
    one.rpc.called.clear()
    await one.send(user, "hello", turn.conversation_id)
    drawn.remove("chat_keep_image")
    assert one.rpc.called == drawn


@pytest.mark.parametrize("background", ["auto", "off"])
async def test_an_image_is_kept_however_its_run_is_heard(instances: Instances, background: str) -> None:
    one, user = await instances.make(responses_background=background), new_user()
    turn = await one.send(user, "[[image one]] [[image two]] [[say both]]")
    assert turn.reply == "both"
    assert await content_of(one, user, turn) == [picture("one"), picture("two")]


async def test_a_holder_that_dies_with_the_image_kept_leaves_one_answer_with_one_image(
    instances: Instances, db: Database, emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, user = await instances.make(lease_seconds="3"), await instances.make(), new_user()
    kept = asyncio.Event()
    call = one.rpc.call

    async def dies(function: str, *given: Any, **arguments: Any) -> Any:
        if kept.is_set():
            await asyncio.Event().wait()
        answer = await call(function, *given, **arguments)
        if function == "chat_keep_image":
            kept.set()
        return answer

    monkeypatch.setattr(one.rpc, "call", dies)
    sending = asyncio.ensure_future(one.send(user, "[[image a red fox]] go", key="k"))
    await kept.wait()
    assert len(db.rows("select id from public.chat_images where user_id = %s", user.id)) == 1
    turn = await two.send(user, "[[image a red fox]] go", key="k")
    sending.cancel()
    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "Emulated reply 1 to: go"), turn.error
    assert await content_of(two, user, turn) == [picture("a red fox")]
    assert len(db.rows("select id from public.chat_images where user_id = %s", user.id)) == 1
    assert len((await emulator.state())["responses"]) == 1


async def test_a_new_thread_is_told_in_words_what_was_drawn(instances: Instances, emulator: RunningEmulator) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[image a red fox]] [[say]]")
    await one.store.rotate_conversation(user.id, turn.conversation_id)
    await one.send(user, "and now?", turn.conversation_id)
    items = [item for each in (await emulator.state())["conversations"][-1:] for item in each["items"]]
    told = [item["content"][0]["text"] for item in items if item.get("role") == "assistant"]
    assert told[0] == "[An image was made here: a red fox. It is not in this thread.]"


@pytest.fixture
def team(db: Database, emulator: RunningEmulator) -> Callable[[User], Team]:
    return lambda user: Team(db, emulator, user)


async def test_what_agents_on_the_way_have_drawn_stands_at_their_lines(
    instances: Instances, team: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    made = team(user)
    made.add("boss", asks(painter="an owl"), hands_over("clerk", text="Here."), handoffs=("clerk",))
    made.add("painter", Plan(images=("an owl",)), as_tool=True)
    made.add("clerk", says("Done.", images=("a stamp",)))

    turn = await one.send(user, "go", agent="boss")

    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "Done."), turn.error
    assert made.seen["boss"][1].outputs[0].output == "[Made an image, which is shown to the user: an owl]"
    assert await content_of(one, user, turn) == [picture("an owl"), picture("a stamp")]
    lines = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=10)
    drawn = [(line.agent, [image.description for image in line.images]) for line in lines]
    assert drawn == [(None, []), ("boss", ["an owl"]), ("clerk", ["a stamp"])]


async def test_a_holder_that_was_followed_by_another_keeps_nothing(instances: Instances, db: Database) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[image a red fox]]")
    (image,) = turn.images
    with pytest.raises(Fenced):
        await one.store.keep_image(Lease(user.id, turn.conversation_id, 0), turn.turn_id, image, "aGk=")
    with pytest.raises(Fenced):  # a conversation of this id is another user's
        await one.store.keep_image(Lease(new_user().id, turn.conversation_id, 1), turn.turn_id, image, "aGk=")
    (row,) = db.rows("select lease_epoch from public.chat_conversations where user_id = %s", user.id)
    db.run("delete from public.chat_images where user_id = %s", user.id)
    await one.store.keep_image(Lease(user.id, turn.conversation_id, row["lease_epoch"]), turn.turn_id, image, "aGk=")
    assert db.rows("select id from public.chat_images where user_id = %s", user.id) == [], "the turn is final"
