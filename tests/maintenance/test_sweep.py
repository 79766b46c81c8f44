"""What no request waits for is carried on: by the sweep alone, by two at once, after every end of a holder."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.errors import StoreUnavailable
from shared.core.model import User
from shared.core.turns import Claim, Turn, TurnStatus
from shared.ports import Lessee
from tests.db.database import Database
from tests.maintenance.conftest import Caller
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, asks, says

LESSEE = Lessee("an instance that is gone", 15.0)


async def sweep(client: httpx.AsyncClient) -> dict[str, int]:
    answer = await client.post("/")
    assert answer.status_code == 200, answer.text
    report: dict[str, int] = answer.json()
    assert list(report) == [
        "swept",
        "finished",
        "left",
        "archived",
        "deleted",
        "runs_ended",
        "threads_deleted",
        "objects_deleted",
        "elapsed_ms",
    ]
    return report


async def final(one: Instance, user: User, turn: Turn) -> Turn:
    return (await one.store.get_turn(user.id, turn.turn_id)).turn


async def runs(emulator: RunningEmulator) -> int:
    state = await emulator.state()
    return len(state["runs"]) + len(state["responses"])


async def test_a_turn_whose_sender_has_gone_is_answered(
    instances: Instances, emulator: RunningEmulator, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    left = await one.send(user, "hello", wait=0)
    assert left.status is TurnStatus.QUEUED
    report = await sweep(caller(await instances.make()))
    assert (report["swept"], report["finished"], report["left"]) == (1, 1, 0)
    assert (await final(one, user, left)).reply == "Emulated reply 1 to: hello"
    assert (await sweep(caller(one)))["swept"] == 0
    assert await runs(emulator) == 1


async def test_a_whole_queue_is_answered_in_order(instances: Instances, caller: Caller) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    turns = [await one.send(user, f"message {n}", conversation, wait=0) for n in range(4)]
    report = await sweep(caller(one))
    assert (report["swept"], report["finished"]) == (1, 1)
    replies = [(await final(one, user, turn)).reply for turn in turns]
    assert replies == [f"Emulated reply {n + 1} to: message {n}" for n in range(4)]


async def test_an_intent_whose_holder_died_before_the_create(
    instances: Instances, emulator: RunningEmulator, db: Database, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello", wait=0)
    await one.store.claim_turn(user.id, turn.conversation_id, LESSEE)
    assert (await sweep(caller(one)))["swept"] == 0  # the lease is still good
    db.let_pass(15)
    assert (await sweep(caller(one)))["finished"] == 1
    assert (await final(one, user, turn)).reply == "Emulated reply 1 to: hello"
    assert await runs(emulator) == 1


async def test_a_run_whose_holder_died_is_adopted(
    instances: Instances, emulator: RunningEmulator, db: Database, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    await emulator.configure(latency_seconds=0.5)
    turn = await one.send(user, "hello", wait=0.3)  # its sender goes while it runs
    assert turn.status is TurnStatus.RUNNING
    claim = await one.store.claim_turn(user.id, turn.conversation_id, LESSEE)  # and the next holder dies with it
    assert isinstance(claim, Claim)
    db.let_pass(15)
    assert (await sweep(caller(one)))["finished"] == 1
    done = await final(one, user, turn)
    assert (done.status, done.attempt) == (TurnStatus.COMPLETED, 1)
    assert await runs(emulator) == 1


async def test_two_sweeps_at_once_start_one_run(
    instances: Instances, emulator: RunningEmulator, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    turns = [await one.send(user, f"message {n}", wait=0) for n in range(5)]
    here, there = caller(await instances.make()), caller(await instances.make())
    await asyncio.gather(sweep(here), sweep(there), sweep(here))
    assert {(await final(one, user, turn)).status for turn in turns} == {TurnStatus.COMPLETED}
    assert await runs(emulator) == 5


async def test_a_turn_past_its_deadline_is_finished_as_failed(
    instances: Instances, emulator: RunningEmulator, db: Database, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello", wait=0)
    db.let_pass(15 * 60 + 1)
    assert (await sweep(caller(one)))["finished"] == 1
    done = await final(one, user, turn)
    assert done.status is TurnStatus.FAILED
    assert done.error is not None
    assert done.error["code"] == "turn_expired"
    assert await runs(emulator) == 0


@pytest.mark.parametrize("failure", [RuntimeError("poisoned"), StoreUnavailable("gone")])
async def test_one_that_fails_does_not_stop_the_others(
    instances: Instances, caller: Caller, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    one, user = await instances.make(), new_user()
    turns = [await one.send(user, f"message {n}", wait=0) for n in range(5)]
    claim = one.store.claim_turn

    async def poisoned(user_id: str, conversation_id: str, lessee: Lessee) -> object:
        if conversation_id == turns[0].conversation_id:
            raise failure
        return await claim(user_id, conversation_id, lessee)

    monkeypatch.setattr(one.store, "claim_turn", poisoned)
    report = await sweep(caller(one, sweep_seconds="4"))
    assert (report["swept"], report["finished"], report["left"]) == (5, 4, 1)
    statuses = [(await final(one, user, turn)).status for turn in turns]
    assert statuses == [TurnStatus.QUEUED, *[TurnStatus.COMPLETED] * 4]


async def test_the_call_ends_in_time_and_what_it_left_goes_on_in_the_next(
    instances: Instances, emulator: RunningEmulator, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    long = await one.send(user, "[[slow 4]] take your time", wait=0)
    short = await one.send(user, "hello", wait=0)
    report = await sweep(caller(one, sweep_seconds="3"))
    assert (report["swept"], report["finished"], report["left"]) == (2, 1, 1)
    assert report["elapsed_ms"] <= 3000
    assert (await final(one, user, short)).status is TurnStatus.COMPLETED
    assert (await final(one, user, long)).status is TurnStatus.RUNNING
    assert (await sweep(caller(one)))["finished"] == 1
    assert await runs(emulator) == 2


async def test_threads_of_asked_agents_are_deleted_once_their_turn_is_over(
    instances: Instances, emulator: RunningEmulator, db: Database, caller: Caller
) -> None:
    db.run("delete from public.chat_scratch_threads")
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("helper", says("help", work_seconds=0.3), as_tool=True)
    team.add("boss", asks(helper="help me"), says("helped"))
    asked = asyncio.create_task(one.send(user, "go", agent="boss"))
    while not (rows := db.rows("select thread_id from public.chat_scratch_threads where run_id is not null")):
        await one.rpc.next_call()
    assert (await sweep(caller(one)))["threads_deleted"] == 0, "the turn still needs it"
    turn = await asked
    assert turn.reply == "helped"
    assert (await sweep(caller(one)))["threads_deleted"] == 1
    state = await emulator.state()
    left = {place["id"] for place in (*state["threads"], *state["conversations"])}
    assert rows[0]["thread_id"] not in left
    assert len(left) == 1, "the conversation's own stays"
    assert (await sweep(caller(one)))["threads_deleted"] == 0


async def test_the_thread_of_a_conversation_that_is_gone_is_deleted_at_the_provider(
    instances: Instances, emulator: RunningEmulator, db: Database, caller: Caller
) -> None:
    one, user = await instances.make(), new_user()
    kept, gone = await one.send(user, "stays"), await one.send(user, "goes")
    db.run("delete from public.chat_conversations where id = %s", gone.conversation_id)
    assert (await sweep(caller(one)))["threads_deleted"] == 1
    state = await emulator.state()
    left = [place["id"] for place in (*state["threads"], *state["conversations"])]
    assert left == [row["thread_id"] for row in db.rows("select thread_id from public.chat_threads")]
    assert len(left) == 1
    assert kept.status is TurnStatus.COMPLETED
    db.run("update public.chat_threads set thread_id = thread_id || 'x'")
    db.run("update public.chat_conversations set thread_id = null, thread_provider = null")
    db.run("update public.chat_threads set ended_at = now(), ended_because = 'given_up' where ended_at is null")
    assert (await sweep(caller(one)))["threads_deleted"] == 1, "one that the provider does not know is gone"
    assert db.rows("select 1 from public.chat_threads") == []
