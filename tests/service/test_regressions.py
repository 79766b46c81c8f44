"""What once went wrong, each with the smallest course of events that brought it about.

Longer than 250 lines because every fault that was found once keeps its test here.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dev.emulator.testing import RunningEmulator
from functions import composition
from shared.core.errors import NotFound
from shared.core.model import JsonObject
from shared.core.turns import TurnStatus
from shared.turn import stop
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.scripted import Scripted, error, scripted
from tests.service.test_answering import REJECT, block, create_path, creates, place_of
from tests.service.test_strategies import COALESCE, INTERRUPT, running, superseded, thread_texts


@pytest.fixture
async def front(emulator: RunningEmulator) -> AsyncIterator[Scripted]:
    async with scripted(emulator.base_url) as made:
        yield made


@pytest.fixture
async def behind(db: Database, front: Scripted, wire: str) -> AsyncIterator[Instances]:
    """Instances whose provider answers as the test's script says."""
    db.run("update public.chat_agents set assistant_id = null")
    async with Instances(db.dsn, front.base_url, wire) as made:
        yield made


def lose_thread(emulator: RunningEmulator, wire: str, place: str) -> None:
    if wire == "assistants":
        del emulator.emulator.threads[place]
    else:
        del emulator.emulator.conversations[place]


async def test_a_thread_that_goes_while_its_run_is_followed_is_made_again(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    asked = asyncio.create_task(one.send(user, "[[slow 1]] again", first.conversation_id, wait=12))
    await running(emulator, 2)
    lose_thread(emulator, wire, await place_of(db, first.conversation_id))
    turn = await asked
    assert turn.status is TurnStatus.COMPLETED


async def test_a_thread_that_goes_while_a_foreign_run_is_followed_is_made_again(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    place = await place_of(db, first.conversation_id)
    await block(emulator, wire, place, None)
    asked = asyncio.create_task(one.send(user, "again", first.conversation_id, wait=8))
    await one.rpc.next_call()
    await asyncio.sleep(0.3)
    lose_thread(emulator, wire, place)
    turn = await asked
    assert turn.status is TurnStatus.COMPLETED


async def test_a_turn_whose_time_comes_too_late_to_be_started_is_left_as_it_is(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(coalesce_seconds="0.9", provider_timeout_seconds="8"), new_user()
    first = await one.send(user, "hello")
    turn = await one.send(user, "again", first.conversation_id, wait=1.0, strategy=COALESCE)
    assert (turn.status, turn.attempt) == (TurnStatus.QUEUED, 0)
    turn = await one.wait(user, turn, 4)
    assert turn.status is TurnStatus.COMPLETED
    assert turn.failures == 0


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_message_that_may_be_answered_already_is_not_taken_back(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(path="/responses$", method="POST", action={"kind": "status", "status": 502, "when": "after"})
    turn = await one.send(user, "[[slow 4]] again", first.conversation_id, strategy=REJECT)
    assert turn.status is TurnStatus.COMPLETED
    # one more where the lost run ends on this wire between the last look for it and the next try
    assert await creates(emulator) in (2, 3)


async def test_a_run_that_outlives_its_turn_keeps_its_thread_to_itself(
    instances: Instances, emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "CANCEL_WITHIN_SECONDS", 0.3)
    await emulator.configure(lock=False)
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    monkeypatch.setattr(composition, "TURN_TTL_SECONDS", 1.0)
    two = await instances.make()
    late = await two.send(user, "[[slow 15]] [[ignore-cancel]] again", first.conversation_id)
    assert late.error is not None
    assert late.error["code"] == "turn_expired"
    assert (await one.send(user, "next", first.conversation_id)).status is TurnStatus.COMPLETED
    assert set((await emulator.state())["max_active"].values()) == {1}


async def test_what_was_interrupted_is_not_told_twice_to_a_thread_made_since(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(cancel_wait_seconds="0.5"), new_user()
    first = await one.send(user, "hello")
    asked = asyncio.create_task(one.send(user, "[[never]] [[ignore-cancel]] second", first.conversation_id))
    await running(emulator, 2)
    # the thread is made again, then the create in it is refused for longer than the sender waits
    await emulator.fault(
        path=create_path(wire), method="POST", action={"kind": "status", "status": 429, "headers": {"retry-after": "2"}}
    )
    third = await one.send(user, "third", first.conversation_id, strategy=INTERRUPT, wait=2.0)
    superseded(await asked, third)
    third = await one.wait(user, third)
    assert third.status is TurnStatus.COMPLETED
    texts = [text for _, text in await thread_texts(emulator, await place_of(db, first.conversation_id))]
    assert texts.count("[[never]] [[ignore-cancel]] second") == 1


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_conversation_answered_by_transcript_meanwhile_is_made_again(instances: Instances) -> None:
    """Instances learn what a server does each for itself, and may come to know different things."""
    keeps, sends = await instances.make(), await instances.make(responses_state="transcript")
    user = new_user()
    first = await keeps.send(user, "hello")
    assert (await sends.send(user, "again", first.conversation_id)).reply == "Emulated reply 2 to: again"
    assert (await keeps.send(user, "more", first.conversation_id)).reply == "Emulated reply 3 to: more"


@pytest.mark.parametrize("wire", ["assistants"])
async def test_an_agent_that_goes_while_its_assistant_is_made_is_no_conflict(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, user = await instances.make(), new_user()
    call = one.rpc.call

    async def gone(function: str, read: Callable[[JsonObject], Any], **arguments: Any) -> Any:
        if function == "chat_remember_assistant":
            raise NotFound("No such object.")
        return await call(function, read, **arguments)

    monkeypatch.setattr(one.rpc, "call", gone)
    assert (await one.send(user, "hello")).status is TurnStatus.COMPLETED


async def test_a_claim_that_comes_when_nobody_waits_any_more_is_given_back(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, user = await instances.make(provider_timeout_seconds="8"), new_user()
    first = await one.send(user, "hello")
    call = one.rpc.call

    async def slow(function: str, read: Callable[[JsonObject], Any], **arguments: Any) -> Any:
        answer = await call(function, read, **arguments)
        if function == "chat_submit_turn":
            await asyncio.sleep(0.3)
        return answer

    monkeypatch.setattr(one.rpc, "call", slow)
    turn = await one.send(user, "again", first.conversation_id, wait=0.2)
    assert not turn.status.final
    two = await instances.make()
    assert (await two.wait(user, turn, 5)).status is TurnStatus.COMPLETED


@pytest.mark.parametrize("status", [400, 409])
async def test_a_look_that_is_refused_because_of_the_lock_says_nothing(
    behind: Instances, front: Scripted, emulator: RunningEmulator, wire: str, status: int
) -> None:
    one, user = await behind.make(), new_user()
    first = await one.send(user, "hello")
    taken = {"kind": "status", "status": 502, "when": "after"}
    await emulator.fault(path=create_path(wire), method="POST", action=taken)
    locked = error(status, "conversation_locked", "Another process is currently operating on this conversation.")
    front.answer("GET", "/runs$" if wire == "assistants" else "/items$", locked)
    turn = await one.send(user, "again", first.conversation_id)
    assert front.struck
    assert turn.status is TurnStatus.COMPLETED


async def test_a_run_that_completes_while_its_time_runs_out_is_an_answer(
    behind: Instances, front: Scripted, emulator: RunningEmulator, wire: str
) -> None:
    one, user = await behind.make(run_budget_seconds="1"), new_user()
    cancel = "/cancel$"
    refusal = error(400, None, "Cannot cancel run with status 'completed'.")
    front.answer("POST", cancel, for_ever=refusal)
    turn = await one.send(user, "[[slow 2]] hello")
    assert (turn.status, turn.error) == (TurnStatus.COMPLETED, None)


@pytest.mark.parametrize("wire", ["assistants"])
async def test_a_run_that_a_newer_holder_follows_is_not_cancelled_by_an_older_one(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    first = await one.send(user, "hello")
    # the older holder hears of its run only after a newer one has found it
    await emulator.fault(
        path=create_path(wire), method="POST", action={"kind": "delay", "seconds": 0.8, "when": "after"}
    )
    asked = asyncio.create_task(one.send(user, "[[slow 2]] again", first.conversation_id))
    await emulator.started(2)
    await asyncio.sleep(0.1)
    db.run("update public.chat_conversations set lease_until = now() where user_id = %s", uuid.UUID(user.id))
    found = await two.store.get_conversation(user.id, first.conversation_id)
    other = asyncio.create_task(two.wait(user, found.open_turns[0]))
    assert (await asked).status is TurnStatus.COMPLETED
    assert (await other).status is TurnStatus.COMPLETED


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_thread_of_the_other_wire_that_missed_an_answer_is_made_again(
    instances: Instances, db: Database
) -> None:
    one, user, conversation = await instances.make(responses_state="transcript"), new_user(), str(uuid.uuid4())
    try:
        for n, provider in enumerate(["assistants", None, "assistants"], 1):
            db.run("update public.chat_agents set provider = %s where is_default", provider)
            assert (await one.send(user, "hello", conversation)).reply == f"Emulated reply {n} to: hello"
    finally:
        db.run("update public.chat_agents set provider = null where is_default")


@pytest.mark.parametrize("wire", ["responses"])
async def test_an_earlier_answer_to_the_same_words_is_not_taken_for_a_lost_one(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    cut_off = await one.send(user, "[[incomplete]] go on", first.conversation_id)
    await emulator.fault(path="/responses$", method="POST", action={"kind": "status", "status": 502})
    again = await one.send(user, "[[incomplete]] go on", first.conversation_id)
    assert again.error is not None
    assert cut_off.error is not None
    assert await creates(emulator) == 3
    assert again.error["partial_text"] != cut_off.error["partial_text"]


@pytest.mark.parametrize("wire", ["assistants"])
async def test_an_assistant_of_ours_that_was_deleted_is_made_anew_by_another_process(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    first = await one.send(user, "hello")
    emulator.emulator.assistants.clear()
    again = await two.send(user, "again", first.conversation_id)
    assert again.reply == "Emulated reply 2 to: again"
    assert (await one.send(user, "more", first.conversation_id)).status is TurnStatus.COMPLETED
    assert len(emulator.emulator.assistants) == 1
    db.run("update public.chat_agents set assistant_id = 'asst_of_somebody', assistant_made = false where is_default")
    refused = await one.send(user, "last", first.conversation_id)
    assert refused.status is TurnStatus.FAILED, "an assistant that its owner named is not made anew"
