"""A message that is steered into the turn under way, on both wires and real parts: when it is taken, and what of it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest

from dev.emulator.brain.plan import Prompt
from dev.emulator.testing import RunningEmulator
from shared.clock import LoopClock
from shared.core.chat_events import HandoffMade, MessageDelta, MessageSteered, RunStarted
from shared.core.errors import Conflict
from shared.core.model import User
from shared.core.person_calls import PersonAnswer
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Part, Team, calls, hands_over, says
from tests.service.test_answering import place_of
from tests.service.test_strategies import _text, lines, running, superseded
from tests.service.test_streams import LONG, heard, opened, soon

STEER = MultitaskStrategy.STEER
WRITE: tuple[str, dict[str, Any]] = ("write_project", {"title": "Owls"})


def hears(prompt: Prompt) -> Any:
    return says(f"Heard {prompt.text!r}, the {prompt.user_messages}th.")


async def waiting(one: Instance, user: User, team: Team, *parts: Part) -> Turn:
    """A turn whose next step comes when a person says so."""
    team.add("boss", *parts, tools=("write_project",), approvals=("write_project",))
    turn = await one.send(user, "go", agent="boss")
    assert turn.status is TurnStatus.WAITING, turn.error
    return turn


async def go_on(one: Instance, user: User, turn: Turn) -> None:
    """The person allows what the turn waits for, and does not wait for what comes of it."""
    said = PersonAnswer(turn.calls[0].call_id, approve=True)
    await one.chat.answer_call(user, turn.turn_id, said, LoopClock().now())


async def steer(one: Instance, user: User, text: str, into: Turn, **more: Any) -> Turn:
    return await one.send(user, text, into.conversation_id, strategy=STEER, wait=0, **more)


async def asked_there(emulator: RunningEmulator, db: Database, turn: Turn) -> list[str]:
    """The user's messages in the provider's thread."""
    state, place = await emulator.state(), await place_of(db, turn.conversation_id)
    held = next(one for one in (*state["threads"], *state["conversations"]) if one["id"] == place)
    items = held.get("messages") or held.get("items") or []
    return [text_of(item["content"]) for item in items if item.get("role") == "user"]


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(_text(part) for part in content)


async def test_messages_are_told_with_the_outputs_that_start_the_next_run(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE, text="Let me write."), hears)
    first, second = [await steer(two, user, text, turn) for text in ("in green", "and blue")]
    assert (first.status, first.position, first.steered_into) == (TurnStatus.QUEUED, 1, None)
    await go_on(two, user, turn)
    done, *told = [await one.wait(user, each) for each in (turn, first, second)]
    assert done.reply == "Heard 'and blue', the 3th."
    assert [(each.status, each.reply, each.steered_into) for each in told] == [
        (TurnStatus.COMPLETED, done.reply, turn.turn_id)
    ] * 2
    assert done.covers == (turn.turn_id, first.turn_id, second.turn_id)
    assert ([len(each.runs) for each in told], len(done.runs)) == ([1, 1], 2)
    assert await lines(one, user, turn.conversation_id) == [
        ("user", "go"),
        ("assistant", "Let me write."),
        ("user", "in green"),
        ("user", "and blue"),
        ("assistant", done.reply),
    ]
    assert await asked_there(emulator, db, turn) == ["go", "in green", "and blue"]
    assert (await emulator.state())["violations"] == []
    again = await one.send(user, "more", turn.conversation_id)
    assert again.status is TurnStatus.COMPLETED


async def test_a_steered_message_is_watched_at_another_instance_from_when_it_is_taken(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    """What is said from then on is heard while it is being said, and the handoff that it was told with before it."""
    one, two, user = await instances.make(), await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("boss", replace(hands_over("writer", text="The writer knows."), work_seconds=1.0), handoffs=("writer",))
    team.add("writer", says(LONG, work_seconds=20.0))
    conversation = str(uuid.uuid4())
    first = await opened(one, user, "go", conversation, agent="boss")
    asked = asyncio.create_task(heard(first))
    await running(emulator)
    live = await opened(two, user, "in rhyme", conversation, strategy=STEER)
    events = live.events()
    kinds = []
    async for event in events:
        kinds.append(type(event))
        if isinstance(event, MessageDelta):
            break

    assert not asked.done(), "its words came when the turn was over"
    assert kinds.index(MessageSteered) < kinds.index(HandoffMade) < kinds.index(RunStarted)
    await one.chat.cancel_turn(user, first.turn.turn_id, soon())
    async for _ in events:
        pass
    await live.close()
    _, turn = await asked
    assert turn.status is live.turn.status is TurnStatus.CANCELLED


async def test_a_message_is_told_with_a_handoff(instances: Instances, emulator: RunningEmulator, db: Database) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("boss", replace(hands_over("writer", text="The writer knows."), work_seconds=1.0), handoffs=("writer",))
    team.add("writer", hears)
    asked = asyncio.create_task(one.send(user, "go", agent="boss", key="a"))
    await running(emulator)
    turn = await two.send(user, "go", agent="boss", key="a", wait=0)
    told = await two.send(user, "in rhyme", turn.conversation_id, strategy=STEER)
    done = await asked
    assert (told.reply, told.steered_into, told.agent) == (done.reply, done.turn_id, "writer")
    assert done.reply == "Heard 'in rhyme', the 2th."
    assert await lines(one, user, done.conversation_id) == [
        ("user", "go"),
        ("assistant", "The writer knows."),
        ("user", "in rhyme"),
        ("assistant", done.reply),
    ]
    assert await asked_there(emulator, db, done) == ["go", "in rhyme"]


async def test_a_turn_without_a_further_step_is_not_disturbed(instances: Instances, emulator: RunningEmulator) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    asked = asyncio.create_task(one.send(user, "[[slow 0.5]] first", key="a"))
    await running(emulator)
    first = await two.send(user, "[[slow 0.5]] first", key="a", wait=0)
    waits = await two.send(user, "second", first.conversation_id, wait=0)
    steered = await two.send(user, "third", first.conversation_id, strategy=STEER)
    assert (steered.reply, steered.steered_into) == ("Emulated reply 3 to: third", None)
    assert (await asked).reply == "Emulated reply 1 to: first"
    assert (await one.wait(user, waits)).reply == "Emulated reply 2 to: second"


async def test_it_goes_before_those_that_wait_and_they_keep_their_order(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE), hears, hears, hears)
    waits = [await one.send(user, f"waits {n}", turn.conversation_id, wait=0) for n in range(2)]
    told = await steer(one, user, "now", turn)
    await go_on(one, user, turn)
    done = [await one.wait(user, each) for each in (turn, told, *waits)]
    assert {each.status for each in done} == {TurnStatus.COMPLETED}
    assert [text for role, text in await lines(one, user, turn.conversation_id) if role == "user"] == [
        "go", "now", "waits 0", "waits 1"
    ]  # fmt: skip


async def test_until_it_is_taken_it_may_be_changed_or_cancelled(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE), hears)
    changed, cancelled = [await steer(one, user, text, turn) for text in ("a", "b")]
    await one.chat.edit_turn(user, changed.turn_id, "c")
    gone = await one.chat.cancel_turn(user, cancelled.turn_id, LoopClock().now() + 5)
    assert (gone.status, gone.steered_into) == (TurnStatus.CANCELLED, None)
    await go_on(one, user, turn)
    assert (await one.wait(user, changed)).reply == "Heard 'c', the 2th."
    with pytest.raises(Conflict) as late:
        await one.chat.edit_turn(user, changed.turn_id, "d")
    assert late.value.code == "already_started"
    assert [text for role, text in await lines(one, user, turn.conversation_id) if role == "user"] == ["go", "c"]


async def test_once_it_is_taken_its_cancel_is_that_of_the_turn_it_has_joined(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE), says("x", work_seconds=30.0))
    told = await steer(one, user, "stop it", turn)
    await go_on(one, user, turn)
    answering = asyncio.create_task(one.wait(user, turn))
    await emulator.reached((await emulator.started(2))[-1], "in_progress")
    stopped = await two.chat.cancel_turn(user, told.turn_id, LoopClock().now() + 10)
    assert (stopped.status, stopped.steered_into) == (TurnStatus.CANCELLED, turn.turn_id)
    assert (await answering).status is TurnStatus.CANCELLED
    said = await lines(one, user, turn.conversation_id)
    assert [text for role, text in said if role == "user"] == ["go", "stop it"]


async def test_one_for_another_agent_waits_for_it(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("writer", hears)
    turn = await waiting(one, user, team, calls(WRITE), hears)
    other = await steer(one, user, "for the writer", turn, agent="writer")
    await go_on(one, user, turn)
    assert (await one.wait(user, turn)).reply == "Heard 'go', the 1th."
    alone = await one.wait(user, other)
    assert (alone.agent, alone.steered_into, alone.reply) == ("writer", None, "Heard 'for the writer', the 2th.")


@pytest.mark.parametrize("strategy", [MultitaskStrategy.INTERRUPT, MultitaskStrategy.ROLLBACK])
async def test_it_is_displaced_with_the_turn_it_has_joined(
    instances: Instances, emulator: RunningEmulator, db: Database, strategy: MultitaskStrategy
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE), says("x", work_seconds=30.0), hears)
    told = await steer(one, user, "in green", turn)
    await go_on(one, user, turn)
    answering = asyncio.create_task(one.wait(user, turn))
    await emulator.reached((await emulator.started(2))[-1], "in_progress")
    newer = await one.send(user, "instead", turn.conversation_id, strategy=strategy)
    superseded(await answering, newer)
    superseded(await one.wait(user, told), newer)
    kept = strategy is MultitaskStrategy.INTERRUPT
    asked = ["go", "in green", "instead"] if kept else ["instead"]
    assert [text for role, text in await lines(one, user, turn.conversation_id) if role == "user"] == asked
    assert await asked_there(emulator, db, turn) == asked
    assert newer.reply == f"Heard 'instead', the {len(asked)}th."


async def test_what_was_asked_in_all_is_answered_again(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, Team(db, emulator, user), calls(WRITE), hears, hears)
    told = await steer(one, user, "in green", turn)
    await go_on(one, user, turn)
    await one.wait(user, turn)
    again = await one.send(user, None, replaces=told.turn_id, key="again")
    assert again.reply == "Heard 'go\\n\\nin green', the 1th."
    assert [text for _, text in await lines_of(one, user, again)] == ["go\n\nin green", again.reply]


async def lines_of(one: Instance, user: User, turn: Turn) -> list[tuple[str, str]]:
    found = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=100)
    return [(line.role, line.text) for line in found]
