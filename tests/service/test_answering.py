"""From a message to its answer, on both wires: the queue, the run in the way, what can become of a create.

Longer than 250 lines because it tries one message on every way that it may take.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.errors import Conflict, InvalidRequest
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instances, new_user

REJECT = MultitaskStrategy.REJECT


def create_path(wire: str) -> str:
    return "/threads/[^/]+/runs$" if wire == "assistants" else "/responses$"


async def place_of(db: Database, conversation_id: str) -> str:
    """The provider's thread behind a conversation."""
    found = db.rows("select thread_id from public.chat_conversations where id = %s", uuid.UUID(conversation_id))
    return str(found[0]["thread_id"])


async def block(emulator: RunningEmulator, wire: str, place: str, seconds: float | None) -> str:
    """Another program's run on the same thread."""
    where = {"thread_id": place} if wire == "assistants" else {"conversation_id": place}
    return await emulator.foreign(**where, seconds=seconds)


async def together(*turns: Awaitable[Turn]) -> list[Turn]:
    return list(await asyncio.gather(*turns))


async def creates(emulator: RunningEmulator) -> int:
    state = await emulator.state()
    return len(state["runs"]) + len(state["responses"])


async def test_a_message_is_answered(instances: Instances, emulator: RunningEmulator) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    assert turn.status is TurnStatus.COMPLETED
    assert turn.reply == "Emulated reply 1 to: hello"
    assert [run.status for run in turn.runs] == ["completed"]
    lines = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=10)
    assert [(line.seq, line.role, line.text) for line in lines] == [
        (1, "user", "hello"),
        (2, "assistant", "Emulated reply 1 to: hello"),
    ]


async def test_an_undisturbed_turn_on_a_known_thread_costs_three_calls(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    one.rpc.called.clear()
    await one.send(user, "again", first.conversation_id)
    assert one.rpc.called == ["chat_submit_turn", "chat_advance_turn", "chat_advance_turn"]


async def test_who_does_not_wait_costs_one_call(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello", wait=0)
    assert turn.status is TurnStatus.QUEUED
    assert one.rpc.called == ["chat_submit_turn"]
    one.rpc.called.clear()
    assert (await one.wait(user, turn, seconds=0)).status is TurnStatus.QUEUED
    assert one.rpc.called == ["chat_get_turn"]


async def test_messages_sent_at_once_through_two_instances_are_answered_in_order(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two = await instances.make(max_open_turns="20"), await instances.make(max_open_turns="20")
    user, conversation = new_user(), str(uuid.uuid4())
    turns = await together(*((one, two)[n % 2].send(user, f"message {n}", conversation) for n in range(10)))
    turns.sort(key=lambda turn: turn.seq)
    assert [turn.seq for turn in turns] == list(range(1, 11))
    assert [turn.reply for turn in turns] == [f"Emulated reply {turn.seq} to: {turn.text}" for turn in turns]
    state = await emulator.state()
    assert state["violations"] == []
    assert await creates(emulator) == 10


async def test_without_a_lock_at_the_provider_our_instances_still_never_run_two(
    instances: Instances, emulator: RunningEmulator
) -> None:
    await emulator.configure(lock=False)
    one, two = await instances.make(), await instances.make()
    user, conversation = new_user(), str(uuid.uuid4())
    turns = await together(*((one, two)[n % 2].send(user, f"message {n}", conversation) for n in range(6)))
    assert all(turn.status is TurnStatus.COMPLETED for turn in turns)
    assert set((await emulator.state())["max_active"].values()) == {1}


async def test_the_history_reaches_the_model(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    second = await one.send(user, "again", first.conversation_id)
    assert second.reply == "Emulated reply 2 to: again"


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("named", [True, False])
async def test_a_foreign_run_is_followed_to_its_end(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str, status: int, named: bool
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.configure(conflict_status=status, conflict_names_run=named)
    foreign = await block(emulator, wire, await place_of(db, first.conversation_id), 0.3)
    turn = await one.send(user, "in between", first.conversation_id)
    assert turn.status is TurnStatus.COMPLETED
    assert turn.reply is not None
    assert turn.reply.endswith("to: in between")
    assert turn.conflicts >= 1
    state = await emulator.state()
    jobs = {job["id"]: job for job in [*state["runs"], *state["responses"]]}
    own = jobs[str(turn.runs[-1].run_id)]
    assert own["created_at"] >= jobs[foreign]["ended_at"]
    assert state["violations"] == []


async def test_reject_finds_our_own_turn_in_progress_and_stores_nothing(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    running = asyncio.create_task(one.send(user, "[[slow 1]] first", conversation))
    await emulator.started()
    with pytest.raises(Conflict) as refused:
        await one.send(user, "second", conversation, strategy=REJECT)
    assert refused.value.code == "run_in_progress"
    assert (await running).status is TurnStatus.COMPLETED
    third = await one.send(user, "third", conversation, strategy=REJECT)
    assert (third.seq, third.reply) == (2, "Emulated reply 2 to: third")


async def test_reject_finds_a_foreign_run_at_the_provider_and_stores_nothing(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    foreign = await block(emulator, wire, await place_of(db, first.conversation_id), None)
    with pytest.raises(Conflict) as refused:
        await one.send(user, "second", first.conversation_id, strategy=REJECT, key="k")
    assert refused.value.code == "run_in_progress"
    conversation = await one.store.get_conversation(user.id, first.conversation_id)
    assert (conversation.status, conversation.turns) == ("idle", 1)
    lines = await one.store.list_messages(user.id, first.conversation_id, after_seq=0, limit=10)
    assert len(lines) == 2
    place = emulator.emulator.runs.get(foreign) or emulator.emulator.responses[foreign]
    assert place.status == "in_progress"


async def test_a_rejecting_turn_that_was_accepted_is_not_taken_back(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    first = await one.send(user, "hello")
    foreign = await block(emulator, wire, await place_of(db, first.conversation_id), 0.5)
    accepted = await one.send(user, "second", first.conversation_id, strategy=REJECT, key="k", wait=0)
    assert accepted.status is TurnStatus.QUEUED
    done = await two.send(user, "second", first.conversation_id, strategy=REJECT, key="k")
    assert (done.turn_id, done.status) == (accepted.turn_id, TurnStatus.COMPLETED)
    assert await emulator.reached(foreign) == "completed"


async def test_the_budget_ends_and_another_instance_carries_on(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    first = await one.send(user, "hello")
    foreign = await block(emulator, wire, await place_of(db, first.conversation_id), 3)
    turn = await one.send(user, "patience", first.conversation_id, wait=0.5, key="k")
    turn = await one.wait_while(user, turn, TurnStatus.STARTING)
    assert turn.status is TurnStatus.QUEUED
    assert await creates(emulator) == 2
    again = await two.wait(user, turn)
    assert again.status is TurnStatus.COMPLETED
    assert again.reply is not None
    assert again.reply.endswith("to: patience")
    replayed = await one.send(user, "patience", first.conversation_id, key="k")
    assert (replayed.turn_id, replayed.reply, replayed.runs) == (again.turn_id, again.reply, again.runs)
    assert await creates(emulator) == 3
    assert await emulator.reached(foreign) == "completed"


async def test_a_run_under_way_is_adopted_by_whoever_asks_next(instances: Instances, emulator: RunningEmulator) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    turn = await one.send(user, "[[slow 2]] long", wait=0.6)
    turn = await one.wait_while(user, turn, TurnStatus.QUEUED, TurnStatus.STARTING)
    assert turn.status is TurnStatus.RUNNING
    done = await two.wait(user, turn)
    assert done.reply == "Emulated reply 1 to: long"
    assert await creates(emulator) == 1


async def test_a_dead_instance_leaves_a_run_that_another_adopts_when_the_lease_has_lapsed(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    conversation = str(uuid.uuid4())
    dying = asyncio.create_task(one.send(user, "[[slow 1]] hello", conversation, key="k"))
    run_id = (await emulator.started())[0]
    await emulator.reached(run_id, "in_progress")
    await one.rpc.next_call()  # the run is on record
    await one.rpc.close()
    dying.cancel()
    await asyncio.wait({dying})
    db.let_pass(20)
    turn = await two.send(user, "[[slow 1]] hello", conversation, key="k")
    assert turn.reply == "Emulated reply 1 to: hello"
    assert await creates(emulator) == 1


async def test_the_same_key_starts_nothing_twice(instances: Instances, emulator: RunningEmulator) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    turns = await together(*((one, two)[n % 2].send(user, "hello", key="k") for n in range(12)))
    assert len({turn.turn_id for turn in turns}) == 1
    assert {turn.reply for turn in turns} == {"Emulated reply 1 to: hello"}
    assert await creates(emulator) == 1
    with pytest.raises(InvalidRequest) as refused:
        await one.send(user, "something else", key="k")
    assert refused.value.code == "idempotency_key_reused"


# --- what can become of a create ------------------------------------------------------------------------------------


async def test_a_create_whose_answer_is_lost_is_found_not_repeated(
    instances: Instances, emulator: RunningEmulator, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(method="POST", path=create_path(wire), action={"kind": "reset", "when": "after"})
    turn = await one.send(user, "lost", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: lost"
    assert await creates(emulator) == 2


async def test_a_create_that_never_arrived_is_repeated_once_it_can_no_longer_arrive(
    instances: Instances, emulator: RunningEmulator, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(method="POST", path=create_path(wire), action={"kind": "reset", "when": "before"})
    turn = await one.send(user, "lost", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: lost"
    assert turn.failures == 1
    assert await creates(emulator) == 2


async def test_a_create_that_arrives_after_we_gave_it_up_is_adopted(
    instances: Instances, emulator: RunningEmulator, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(
        method="POST", path=create_path(wire), action={"kind": "delay", "when": "before", "seconds": 1.2}
    )
    turn = await one.send(user, "late", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: late"
    assert await creates(emulator) == 2


async def test_500_after_acceptance_is_not_taken_for_a_no(
    instances: Instances, emulator: RunningEmulator, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(
        method="POST",
        path=create_path(wire),
        action={"kind": "status", "when": "after", "status": 502, "body": "<html>"},
    )
    turn = await one.send(user, "hidden", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: hidden"
    assert await creates(emulator) == 2


async def test_a_rate_limit_costs_no_attempt(instances: Instances, emulator: RunningEmulator, wire: str) -> None:
    one, user = await instances.make(), new_user()
    action = {
        "kind": "status",
        "status": 429,
        "headers": {"retry-after": "0.1"},
        "body": {"error": {"message": "slow"}},
    }
    await emulator.fault(method="POST", path=create_path(wire), times=6, action=action)
    turn = await one.send(user, "hello")
    assert turn.reply == "Emulated reply 1 to: hello"
    assert turn.failures == 0


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "provider_auth"),
        (429, {"error": {"message": "quota", "code": "insufficient_quota"}}, "provider_quota"),
        (400, {"error": {"message": "no such model", "code": "model_not_found"}}, "provider_model"),
    ],
)
async def test_a_definite_no_is_a_typed_failure_and_the_next_message_is_served(
    instances: Instances, emulator: RunningEmulator, wire: str, status: int, body: object, code: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    await emulator.fault(
        method="POST", path=create_path(wire), action={"kind": "status", "status": status, "body": body}
    )
    turn = await one.send(user, "refused", first.conversation_id)
    assert turn.status is TurnStatus.FAILED
    assert turn.error is not None
    assert turn.error["code"] == code
    # whose row has to be changed, where it is a row's fault
    assert turn.error.get("agent") == ("orchestrator" if code == "provider_model" else None)
    assert (await one.send(user, "next", first.conversation_id)).status is TurnStatus.COMPLETED


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("odd_trouble", "run_failed"),
        ("content_policy", "content_flagged"),
        ("context_length_exceeded", "context_too_long"),
    ],
)
async def test_a_run_that_fails_for_good_is_a_typed_failure(instances: Instances, word: str, code: str) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, f"[[fail {word}]] x")
    assert turn.error is not None
    assert (turn.status, turn.error["code"]) == (TurnStatus.FAILED, code)
    assert turn.error["provider_code"] == word
    assert len(turn.runs) == 1
    assert (await one.send(user, "next", turn.conversation_id)).status is TurnStatus.COMPLETED


async def test_a_model_that_is_gone_when_its_run_begins_names_the_row_as_well(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[fail model_not_found]] x")
    assert turn.error is not None
    assert (turn.error["code"], turn.error["agent"]) == ("provider_model", "orchestrator")
    assert len(turn.runs) == 1


async def test_an_incomplete_answer_is_not_dressed_up(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[incomplete]] tell me everything")
    assert turn.status is TurnStatus.FAILED
    assert turn.error is not None
    assert turn.error["code"] == "run_incomplete"
    assert turn.error["partial_text"]


async def test_a_thread_that_is_gone_is_made_again_with_what_was_said(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    state = emulator.emulator
    place = await place_of(db, first.conversation_id)
    if wire == "assistants":
        del state.threads[place]
    else:
        del state.conversations[place]
    turn = await one.send(user, "again", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: again"
    assert await place_of(db, first.conversation_id) != place


async def test_a_tool_that_nobody_offered_is_refused_and_does_not_poison_the_next(instances: Instances) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "[[tool launch_rockets {}]] now")
    assert turn.reply is not None
    assert '"code": "unknown_tool"' in turn.reply
    assert (await one.send(user, "next", turn.conversation_id)).status is TurnStatus.COMPLETED


# --- cancel and edit --------------------------------------------------------------------------------------------------


async def test_a_running_turn_is_cancelled_from_another_instance(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user, conversation = await instances.make(lease_seconds="4"), await instances.make(), new_user(), None
    asked = asyncio.create_task(one.send(user, "[[never]] hello", conversation))
    run_id = (await emulator.started())[0]
    await emulator.reached(run_id, "in_progress")
    page = await one.store.list_conversations(user.id, 1, None)
    turn = (await one.store.get_conversation(user.id, page[0].conversation_id)).open_turns[0]
    done = await two.chat.cancel_turn(user, turn.turn_id, asyncio.get_running_loop().time() + 15)
    assert done.status is TurnStatus.CANCELLED
    assert (await asked).status is TurnStatus.CANCELLED
    assert await emulator.reached(run_id) == "cancelled"
    assert (await two.send(user, "next", turn.conversation_id)).status is TurnStatus.COMPLETED


async def test_a_queued_message_is_changed_then_answered_as_changed(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    first = asyncio.create_task(one.send(user, "[[slow 0.5]] first", conversation))
    await emulator.started()
    queued = await one.send(user, "second", conversation, wait=0)
    edited = await one.chat.edit_turn(user, queued.turn_id, "second, corrected")
    assert edited.text == "second, corrected"
    assert (await one.wait(user, queued)).reply == "Emulated reply 2 to: second, corrected"
    done = await first
    with pytest.raises(Conflict) as refused:
        await one.chat.edit_turn(user, done.turn_id, "too late")
    assert refused.value.code == "already_started"


async def test_a_queued_message_is_taken_out(instances: Instances, emulator: RunningEmulator) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    first = asyncio.create_task(one.send(user, "[[slow 0.5]] first", conversation))
    await emulator.started()
    queued = await one.send(user, "second", conversation, wait=0)
    gone = await one.chat.cancel_turn(user, queued.turn_id, asyncio.get_running_loop().time() + 5)
    assert gone.status is TurnStatus.CANCELLED
    assert (await first).status is TurnStatus.COMPLETED
    assert await creates(emulator) == 1


# --- servers that differ ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["responses"])
@pytest.mark.parametrize("background", ["refuse", "ignore"])
async def test_a_server_without_background_runs_answers_in_the_foreground(
    instances: Instances, emulator: RunningEmulator, background: str
) -> None:
    await emulator.configure(background=background)
    one, user = await instances.make(), new_user()
    first = await one.send(user, "[[slow 2]] longer than a call may take")
    assert first.status is TurnStatus.COMPLETED
    assert (await one.send(user, "again", first.conversation_id)).reply == "Emulated reply 2 to: again"


@pytest.mark.parametrize("wire", ["responses"])
@pytest.mark.parametrize("conversation", ["ignore", "404"])
async def test_a_server_without_conversations_is_sent_the_transcript(
    instances: Instances, emulator: RunningEmulator, conversation: str
) -> None:
    await emulator.configure(conversation=conversation)
    one, user = await instances.make(), new_user()
    first = await one.send(user, "hello")
    assert (await one.send(user, "again", first.conversation_id)).reply == "Emulated reply 2 to: again"
    two = await instances.make()
    assert (await two.send(user, "more", first.conversation_id)).reply == "Emulated reply 3 to: more"


@pytest.mark.parametrize("wire", ["responses"])
async def test_the_transcript_can_be_asked_for(instances: Instances, emulator: RunningEmulator) -> None:
    one, user = await instances.make(responses_state="transcript"), new_user()
    first = await one.send(user, "hello")
    assert (await one.send(user, "again", first.conversation_id)).reply == "Emulated reply 2 to: again"
    assert (await emulator.state())["conversations"] == []
