"""A conversation is deleted while it is being answered: who waits is told, and nothing is left at the provider."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from dev.emulator.testing import RunningEmulator
from functions.maintenance.tidying import Tidying
from shared.clock import LoopClock
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, ConversationDeleted, NotFound
from shared.core.turns import MultitaskStrategy
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, asks, says
from tests.service.test_streams import heard, opened

NEVER_BEATS = {"lease_seconds": "120"}  # a heartbeat every 32 s: nothing here may wait for one
NO_SUCH = {"error": {"message": "No such conversation.", "type": "invalid_request_error"}}
GONE = {ErrorCode.CONVERSATION_DELETED}


@pytest.fixture(autouse=True)
def nothing_left(db: Database) -> None:
    db.run("delete from public.chat_conversations")
    db.run("delete from public.chat_threads")
    db.run("delete from public.chat_left_runs")


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def tidy(one: Instance) -> dict[str, int]:
    return await Tidying(one.store, one.chat, LoopClock()).run(soon())


async def left_at_provider(emulator: RunningEmulator) -> list[str]:
    state = await emulator.state()
    return [place["id"] for place in (*state["threads"], *state["conversations"])]


async def code_of(work: object) -> str | None:
    try:
        await work  # type: ignore[misc]
    except ChatError as error:
        return error.code
    return None


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_who_waits_there_is_told_and_nothing_is_left_at_the_provider(
    instances: Instances, emulator: RunningEmulator, db: Database, where: str
) -> None:
    one, two = await instances.make(**NEVER_BEATS), await instances.make(**NEVER_BEATS)
    user, other, conversation = new_user(), new_user(), str(uuid.uuid4())
    kept = await one.send(other, "hello", conversation)
    first = asyncio.create_task(code_of(one.send(user, "[[never]] first", conversation)))
    run = (await emulator.started(2))[-1]
    await emulator.reached(run, "in_progress")
    waiting = [
        asyncio.create_task(code_of(one.send(user, f"{how}", conversation, strategy=how)))
        for how in (MultitaskStrategy.ENQUEUE, MultitaskStrategy.COALESCE)
    ]
    while len((await one.store.get_conversation(user.id, conversation)).open_turns) < 3:
        await one.rpc.next_call()
    deleting = one if where == "here" else two
    await deleting.chat.delete_conversation(user, conversation, soon())
    assert {await first, *[await one_of for one_of in waiting]} == GONE
    with pytest.raises(NotFound):
        await one.store.get_conversation(user.id, conversation)
    with pytest.raises(ConversationDeleted):
        await one.send(user, "again", conversation)
    assert await emulator.reached(run) == "cancelled"
    await tidy(two)
    assert len(await left_at_provider(emulator)) == 1
    assert db.rows("select 1 from public.chat_left_runs") == []
    assert (await one.store.get_conversation(other.id, conversation)).turns == kept.seq


async def test_a_stream_ends_and_says_why(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    live = await opened(one, user, "[[never]] hello", conversation)
    watching = asyncio.create_task(code_of(heard(live)))
    await emulator.reached((await emulator.started())[0], "in_progress")
    await one.chat.delete_conversation(user, conversation, soon())
    assert await watching == ErrorCode.CONVERSATION_DELETED


@pytest.mark.parametrize("over", ["deleted", "replaced"])
async def test_a_run_whose_holder_is_gone_is_ended_by_the_sweep(
    instances: Instances, emulator: RunningEmulator, db: Database, over: str
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    sent = asyncio.create_task(one.send(user, "[[never]] [[ignore-cancel 1]] hello", conversation))
    (run,) = await emulator.started()
    while (await one.store.get_conversation(user.id, conversation)).active_run is None:
        await one.rpc.next_call()
    sent.cancel()
    await asyncio.wait({sent})
    if over == "deleted":
        await one.store.delete_conversation(user.id, conversation)
    else:
        (turn,) = (await one.store.get_conversation(user.id, conversation)).open_turns
        await one.send(user, "edited", conversation, replaces=turn.turn_id)
    report = await tidy(one)
    assert (report["runs_ended"], report["threads_deleted"]) == (1, 1)
    assert await emulator.reached(run) == "cancelled"
    assert len(await left_at_provider(emulator)) == (over == "replaced"), "the thread that was given up is gone"
    assert db.rows("select 1 from public.chat_left_runs") == []
    assert db.rows("select 1 from public.chat_threads where ended_at is not null") == []


async def test_the_threads_and_runs_of_asked_agents_go_too(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    db.run("delete from public.chat_scratch_threads")
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("helper", says("help", work_seconds=60), as_tool=True)
    team.add("boss", asks(helper="help me"), says("helped"))
    asked = asyncio.create_task(code_of(one.send(user, "go", agent="boss")))
    while not db.rows("select thread_id from public.chat_scratch_threads where run_id is not null"):
        await one.rpc.next_call()
    (listed,) = await one.store.list_conversations(user.id, 10, None)
    await one.chat.delete_conversation(user, listed.conversation_id, soon())
    assert await asked == ErrorCode.CONVERSATION_DELETED
    await tidy(one)
    assert await left_at_provider(emulator) == []
    assert db.rows("select 1 from public.chat_scratch_threads") == []


@pytest.mark.parametrize("wire", ["responses"])
@pytest.mark.parametrize("answer", [404, 409, 429, 500, "hang"])
async def test_what_a_provider_may_say_to_the_deletion(
    instances: Instances, emulator: RunningEmulator, db: Database, answer: int | str
) -> None:
    one, user = await instances.make(provider_timeout_seconds="0.3"), new_user()
    turn = await one.send(user, "hello")
    action = {"kind": "hang"} if answer == "hang" else {"kind": "status", "status": answer, "body": NO_SUCH}
    await emulator.fault(method="DELETE", path="/conversations/", action=action)
    await one.chat.delete_conversation(user, turn.conversation_id, soon())
    gone = answer == 404
    assert (await tidy(one))["threads_deleted"] == gone
    assert db.rows("select failures from public.chat_threads") == ([] if gone else [{"failures": 1}])
    assert (await tidy(one))["threads_deleted"] == 0, "not before a minute has passed"
    db.let_pass(61)
    assert (await tidy(one))["threads_deleted"] == (not gone)
    assert db.rows("select 1 from public.chat_threads") == []
