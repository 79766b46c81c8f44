"""What those who watch a turn hear: here, at another instance, after a takeover; every word once and in order."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.chat_events import (
    ChatEvent,
    HandoffMade,
    MessageDelta,
    RunConflicted,
    RunStarted,
    ToolAnswered,
    ToolCalled,
)
from shared.core.error_codes import ErrorCode
from shared.core.errors import Conflict, NotFound
from shared.core.model import User
from shared.core.new_message import NewMessage
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from shared.live_turn import LiveTurn
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, calls, hands_over, says
from tests.service.test_answering import block, place_of

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def opened(one: Instance, user: User, text: str, conversation: str, **more: object) -> LiveTurn:
    ask = NewMessage(text=text, conversation_id=conversation, **more)  # type: ignore[arg-type]
    return await one.chat.open_stream(user, ask, soon())


async def attached(one: Instance, user: User, conversation: str, seconds: float = 20.0) -> LiveTurn:
    while True:
        with suppress(NotFound):
            if (live := await one.chat.attach(user, conversation, soon(seconds))) is not None:
                return live
        await one.rpc.next_call()


async def heard(live: LiveTurn) -> tuple[list[ChatEvent], Turn]:
    events = [event async for event in live.events()]
    await live.close()
    return events, live.turn


def words(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, MessageDelta))


async def test_words_are_heard_as_they_come(instances: Instances, emulator: RunningEmulator) -> None:
    one, user = await instances.make(), new_user()
    live = await opened(one, user, f"[[slow 0.4]] [[say {LONG}]]", str(uuid.uuid4()))
    events, turn = await heard(live)
    assert turn.reply == LONG == words(events)
    assert len([event for event in events if isinstance(event, MessageDelta)]) > 3
    assert isinstance(events[0], RunStarted)
    created = [r for r in (await emulator.state())["requests"] if r["path"].endswith(("/runs", "/responses"))]
    assert len(created) == 1


async def test_another_instance_hears_the_same(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    first = await opened(one, user, f"[[slow 3]] [[say {LONG}]]", conversation)
    listening = asyncio.create_task(heard(first))
    await emulator.reached((await emulator.started())[0], "in_progress")
    second = await attached(two, user, conversation)
    early = [event.text async for event in second.events() if isinstance(event, MessageDelta)]
    await second.close()
    assert second.turn.turn_id == first.turn.turn_id
    events, turn = await listening
    assert "".join(early) == words(events) == turn.reply == LONG
    assert len(early) > 1, "it heard nothing before the end"


async def test_an_idle_conversation_has_nothing_to_attach_to(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    assert await one.chat.attach(user, turn.conversation_id, soon()) is None
    with pytest.raises(NotFound):
        await one.chat.attach(new_user(), turn.conversation_id, soon())


async def test_a_reader_that_leaves_stops_nothing(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, f"[[slow 0.5]] [[say {LONG}]]", conversation)
    async for event in live.events():
        if isinstance(event, MessageDelta):
            break
    leaving = asyncio.create_task(live.close())
    again = await attached(one, user, conversation)
    events, turn = await heard(again)
    await leaving
    assert words(events) == turn.reply == LONG


async def test_the_turn_goes_on_elsewhere_and_no_word_is_said_twice(
    instances: Instances, emulator: RunningEmulator
) -> None:
    """The instance that serves it dies in the middle: who watches at another one, which takes over, hears it whole."""
    one, user, conversation = await instances.make(lease_seconds="1.5"), new_user(), str(uuid.uuid4())
    two = await instances.make(lease_seconds="1.5")
    live = await opened(one, user, f"[[slow 4]] [[say {LONG}]]", conversation)
    await emulator.reached((await emulator.started())[0], "in_progress")
    watching = asyncio.create_task(heard(await attached(two, user, conversation)))
    async for event in live.events():
        if isinstance(event, MessageDelta):
            break
    live._work.cancel()  # as a killed process: nothing is given back in time
    with suppress(asyncio.CancelledError):
        await live.close()
    events, turn = await watching
    assert words(events) == turn.reply == LONG
    assert len(turn.runs) == 1


async def test_tools_and_handoffs_are_told_in_their_places(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    team = Team(db, emulator, user)
    save = calls(("write_project", {"title": "T"}))
    team.add("boss", save, hands_over("writer", "why", "what"), handoffs=("writer",), tools=("write_project",))
    team.add("writer", says(LONG, work_seconds=1.0))
    live = await opened(one, user, "go", conversation, agent="boss")
    listening = asyncio.create_task(heard(live))
    others = await heard(await attached(two, user, conversation))
    for events, turn in (await listening, others):
        assert turn.reply == LONG
        places = [type(event) for event in events if not isinstance(event, MessageDelta | RunStarted)]
        assert places.index(HandoffMade) == len(places) - 1
        handed = events.index(HandoffMade("boss", "writer", "why", "what"))
        assert [event.agent for event in events[:handed] if isinstance(event, RunStarted)][-1] == "boss"
        assert words(events[handed:]).endswith(LONG)
    mine = (await listening)[0]
    called = next(event for event in mine if isinstance(event, ToolCalled))
    answered = next(event for event in mine if isinstance(event, ToolAnswered))
    assert (called.call_id, answered.failed) == (answered.call_id, False)
    assert mine.index(called) < mine.index(answered)


async def test_reject_is_refused_before_anything_is_streamed_also_at_the_provider(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    await block(emulator, wire, await place_of(db, turn.conversation_id), 3)
    with pytest.raises(Conflict) as refused:
        await opened(one, user, "now", turn.conversation_id, strategy=MultitaskStrategy.REJECT)
    assert refused.value.code == ErrorCode.RUN_IN_PROGRESS
    found = await one.store.get_conversation(user.id, turn.conversation_id)
    assert (found.turns, found.open_turns) == (1, ())


async def test_who_waits_is_told_of_a_foreign_run(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    await block(emulator, wire, await place_of(db, turn.conversation_id), 0.5)
    events, after = await heard(await opened(one, user, "now", turn.conversation_id))
    assert after.status is TurnStatus.COMPLETED
    assert any(isinstance(event, RunConflicted) for event in events)
    assert words(events) == after.reply


async def test_a_stream_that_broke_is_taken_up_at_another_instance_when_its_turn_is_over(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user, conversation = await instances.make(), await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, f"[[slow 0.5]] [[say {LONG}]]", conversation)
    other = await attached(two, user, conversation)
    async for event in live.events():
        if isinstance(event, MessageDelta):
            break
    await live.note_broken()
    await live.close()
    events, turn = await heard(await attached(two, user, conversation))
    assert (turn.status, words(events)) == (TurnStatus.COMPLETED, LONG)
    await other.note_broken()
    await other.close()
    again = await attached(one, user, conversation)
    assert words((await heard(again))[0]) == LONG, "the one before was not written out"
    await again.note_whole()
    assert await two.chat.attach(user, conversation, soon()) is None


async def test_a_whole_stream_costs_no_call_unless_another_broke(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, "hello", conversation)
    await heard(live)
    await live.note_whole()
    assert "chat_note_stream" not in one.rpc.called
    live = await opened(one, user, "[[slow 0.5]] more", conversation)
    other = await opened(one, user, "later", conversation)
    await live.note_broken()
    one.rpc.called.clear()
    await heard(live)
    await live.note_whole()
    assert "chat_note_stream" in one.rpc.called, "its own row says that a stream of it broke"
    await heard(other)
    assert await one.chat.attach(user, conversation, soon()) is None
