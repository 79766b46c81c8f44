"""A turn that waits for a person, on both wires and real parts: what is asked, how it goes on, what ends it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from dev.emulator.brain.plan import Called, Prompt, Said
from dev.emulator.testing import RunningEmulator
from shared.clock import LoopClock
from shared.core.errors import Conflict, InvalidRequest, NotFound
from shared.core.model import User
from shared.core.person_calls import PersonAnswer, PersonCallKind
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, calls, hands_over, says
from tests.service.test_strategies import running, superseded

WRITE = ("write_project", {"title": "Owls"})
READ: tuple[str, dict[str, Any]] = ("read_project", {})


def tells(prompt: Prompt) -> dict[str, str]:
    """What the model reads of its calls, on either wire: as outputs, or told in words where their run was ended."""
    read = {output.name: output.output for output in prompt.outputs}
    for event in prompt.since:
        if isinstance(event, Called) and event.output is not None:
            read[event.name] = event.output
        if isinstance(event, Said):
            for line in event.text.splitlines():
                name, _, rest = line.removeprefix("Called ").partition(" with ")
                if line.startswith("Called "):
                    read[name] = rest.partition("}: ")[2]
    return read


async def answer(one: Instance, user: User, turn: Turn, call_id: str, **said: Any) -> Turn:
    now = LoopClock().now()
    return await one.chat.answer_call(user, turn.turn_id, PersonAnswer(call_id, **said), now)


async def titles(db: Database, user: User) -> list[Any]:
    return [row["title"] for row in db.rows("select title from public.chat_projects where user_id = %s", user.id)]


async def waiting(one: Instance, user: User, team: Team, *parts: Any, **agent: Any) -> Turn:
    team.add("boss", *parts, **agent)
    turn = await one.send(user, "go", agent="boss", wait=30)
    assert turn.status is TurnStatus.WAITING, turn.error
    return turn


@pytest.fixture
def team_of(db: Database, emulator: RunningEmulator) -> Callable[[User], Team]:
    return lambda user: Team(db, emulator, user)


async def active_runs(emulator: RunningEmulator) -> list[str]:
    done = ("completed", "cancelled", "failed", "expired", "incomplete")
    return [run["status"] for run in (await emulator.state())["runs"] if run["status"] not in done]


async def test_a_call_runs_once_it_is_allowed_and_not_before(
    instances: Instances, emulator: RunningEmulator, db: Database, team_of: Callable[[User], Team]
) -> None:
    """Nothing is held meanwhile: no lease, no run. Another instance takes the answer, and a third one the work."""
    one, two, user = await instances.make(), await instances.make(), new_user()
    parts = [calls(WRITE, READ, text="Let me write."), lambda seen: says(f"Done: {tells(seen)['write_project']}")]
    turn = await waiting(
        one, user, team_of(user), *parts, tools=("write_project", "read_project"), approvals=("write_project",)
    )
    (call,) = turn.calls
    assert (call.kind, call.name, call.arguments) == (PersonCallKind.APPROVAL, "write_project", '{"title": "Owls"}')
    assert (await titles(db, user), await active_runs(emulator)) == ([], [])
    (row,) = db.rows("select lease_owner from public.chat_conversations where user_id = %s", user.id)
    assert row["lease_owner"] is None
    assert (await one.wait(user, turn)).status is TurnStatus.WAITING, "a wait for it ends at once"
    answered = await answer(two, user, turn, call.call_id, approve=True)
    assert (answered.status, answered.calls) == (TurnStatus.REQUIRES_ACTION, ())
    with pytest.raises(Conflict) as refusal:
        await answer(one, user, turn, call.call_id, approve=False)
    assert refusal.value.code == "already_answered"
    done = await two.wait(user, turn)
    assert done.status is TurnStatus.COMPLETED, done.error
    assert (done.reply or "").endswith('Done: {"saved":["title"],"title":"Owls"}')
    assert (done.reply or "").startswith("Let me write.")
    assert await titles(db, user) == ["Owls"]
    ledger = db.rows("select name, status from public.chat_tool_calls where turn_id = %s order by name", turn.turn_id)
    assert [(one["name"], one["status"]) for one in ledger] == [("read_project", "done"), ("write_project", "done")]
    assert (await emulator.state())["violations"] == []
    behind = await one.send(user, "next", turn.conversation_id)
    assert behind.status is TurnStatus.COMPLETED


async def test_a_call_that_is_denied_does_not_run_and_the_model_reads_why(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    parts = [calls(WRITE), lambda seen: says(tells(seen)["write_project"])]
    turn = await waiting(one, user, team_of(user), *parts, tools=("write_project",), approvals=("write_project",))
    with pytest.raises(InvalidRequest):
        await answer(one, user, turn, turn.calls[0].call_id, output="mine")
    await answer(one, user, turn, turn.calls[0].call_id, approve=False, reason="not today")
    done = await one.wait(user, turn)
    assert '"denied"' in (done.reply or "")
    assert "not today" in (done.reply or "")
    assert await titles(db, user) == []


async def test_several_calls_are_answered_one_by_one(instances: Instances, team_of: Callable[[User], Team]) -> None:
    """A question, a function of the browser, and an approval: the turn goes on when the last of them has its answer."""
    one, user = await instances.make(), new_user()
    question = ("ask_user", {"question": "Which owl?", "choices": ["barn", "snowy"]})
    parts = [
        calls(question, ("where_am_i", {}), WRITE),
        lambda seen: says(f"{tells(seen)['ask_user']} {tells(seen)['where_am_i']} {tells(seen)['write_project']}"),
    ]
    turn = await waiting(
        one, user, team_of(user), *parts,
        tools=("write_project",), approvals=("write_project",), client_tools=("where_am_i",), ask_user=True,
    )  # fmt: skip
    assert [(call.kind.value, call.name) for call in turn.calls] == [
        ("question", "ask_user"),
        ("client", "where_am_i"),
        ("approval", "write_project"),
    ]
    asked, where, write = turn.calls
    assert (await answer(one, user, turn, where.call_id, output='{"city": "Bonn"}')).status is TurnStatus.WAITING
    assert (await answer(one, user, turn, write.call_id, approve=True)).status is TurnStatus.WAITING
    assert (await answer(one, user, turn, asked.call_id, output="snowy")).status is TurnStatus.REQUIRES_ACTION
    done = await one.wait(user, turn)
    assert done.reply == 'snowy {"city": "Bonn"} {"saved":["title"],"title":"Owls"}', done.error


async def test_a_turn_may_wait_more_than_once_and_hand_over_then(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    team = team_of(user)
    team.add("writer", lambda seen: says("written"))
    turn = await waiting(
        one, user, team, calls(WRITE), calls(WRITE), hands_over("writer"),
        tools=("write_project",), approvals=("write_project",), handoffs=("writer",),
    )  # fmt: skip
    for _ in range(2):
        assert turn.status is TurnStatus.WAITING, turn.error
        await answer(one, user, turn, turn.calls[0].call_id, approve=True)
        turn = await one.wait(user, turn)
    assert (turn.status, turn.agent, turn.reply) == (TurnStatus.COMPLETED, "writer", "written")
    assert len(db.rows("select 1 as one from public.chat_tool_calls where turn_id = %s", turn.turn_id)) == 2


async def test_who_may_answer_is_the_turns_user(instances: Instances, team_of: Callable[[User], Team]) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, team_of(user), calls(WRITE), tools=("write_project",), approvals=("write_project",))
    for stranger, call_id in ((new_user(), turn.calls[0].call_id), (user, "no_such_call")):
        with pytest.raises(NotFound):
            await answer(one, stranger, turn, call_id, approve=True)
    assert (await one.wait(user, turn, 0)).calls == turn.calls


@pytest.mark.parametrize("strategy", [MultitaskStrategy.INTERRUPT, MultitaskStrategy.ROLLBACK])
async def test_a_message_in_its_place_denies(
    instances: Instances, db: Database, team_of: Callable[[User], Team], strategy: MultitaskStrategy
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(
        one, user, team_of(user), calls(WRITE, text="I would write."), says("instead"),
        tools=("write_project",), approvals=("write_project",),
    )  # fmt: skip
    newer = await one.send(user, "stop that", turn.conversation_id, strategy=strategy)
    assert (newer.status, newer.reply) == (TurnStatus.COMPLETED, "instead"), newer.error
    old = (await one.store.get_turn(user.id, turn.turn_id)).turn
    superseded(old, newer)
    assert (old.error or {}).get("partial_text") == "I would write."
    with pytest.raises(Conflict):
        await answer(one, user, turn, turn.calls[0].call_id, approve=True)
    assert await titles(db, user) == []


async def test_messages_behind_it_wait_and_one_that_will_not_is_refused(
    instances: Instances, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(
        one, user, team_of(user), calls(WRITE), says("first"), says("second"),
        tools=("write_project",), approvals=("write_project",),
    )  # fmt: skip
    with pytest.raises(Conflict) as refusal:
        await one.send(user, "now", turn.conversation_id, strategy=MultitaskStrategy.REJECT)
    assert refusal.value.code == "run_in_progress"
    behind = asyncio.create_task(one.send(user, "behind", turn.conversation_id))
    await one.rpc.called_for("chat_submit_turn")
    await answer(one, user, turn, turn.calls[0].call_id, approve=True)
    assert (await behind).reply == "second"
    assert (await one.store.get_turn(user.id, turn.turn_id)).turn.reply == "first"


async def test_a_cancel_ends_it_at_once(instances: Instances, team_of: Callable[[User], Team]) -> None:
    one, user = await instances.make(), new_user()
    turn = await waiting(one, user, team_of(user), calls(WRITE), tools=("write_project",), approvals=("write_project",))
    done = await one.chat.cancel_turn(user, turn.turn_id, LoopClock().now() + 20)
    assert done.status is TurnStatus.CANCELLED
    assert (await one.send(user, "next", turn.conversation_id)).status is TurnStatus.COMPLETED


async def test_an_answer_that_does_not_come_counts_as_no(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    """Hours later the sweep finds it. What it waited is neither of its deadline nor of its budget."""
    one, user = await instances.make(approval_ttl_hours="2"), new_user()
    sweeping = await instances.make()  # an instance that has not looked at the turn yet
    parts = [calls(WRITE), lambda seen: says(tells(seen)["write_project"])]
    turn = await waiting(one, user, team_of(user), *parts, tools=("write_project",), approvals=("write_project",))
    assert [orphan for orphan in await one.store.list_orphans(100) if orphan.user_id == user.id] == []
    db.let_pass(3 * 3600)
    (orphan,) = [orphan for orphan in await one.store.list_orphans(100) if orphan.user_id == user.id]
    assert orphan.newest_turn_id == turn.turn_id
    done = await sweeping.wait(user, turn)
    assert done.status is TurnStatus.COMPLETED, done.error
    assert '"expired"' in (done.reply or "")
    with pytest.raises(Conflict):
        await answer(one, user, turn, turn.calls[0].call_id, approve=True)


async def test_what_was_said_at_another_instance_is_seen_at_once(
    instances: Instances, team_of: Callable[[User], Team]
) -> None:
    """This one has just seen that the turn waits, and would take that for true for a while."""
    one, two, user = (
        await instances.make(poll_min_seconds="20", poll_max_seconds="20"),
        await instances.make(),
        new_user(),
    )
    parts = [calls(WRITE), says("Done.")]
    turn = await waiting(one, user, team_of(user), *parts, tools=("write_project",), approvals=("write_project",))
    assert (await one.wait(user, turn)).status is TurnStatus.WAITING
    await answer(two, user, turn, turn.calls[0].call_id, approve=True)
    assert (await one.wait(user, turn)).reply == "Done."


@pytest.mark.parametrize("wire", ["responses"])
async def test_a_call_that_a_message_has_displaced_is_told_as_denied(
    instances: Instances, emulator: RunningEmulator, team_of: Callable[[User], Team]
) -> None:
    """And what has run is told with what came of it: nothing of both is unknown."""
    one, user = await instances.make(), new_user()
    parts = [calls(WRITE, READ), says("Something else.")]
    turn = await waiting(
        one, user, team_of(user), *parts, tools=("write_project", "read_project"), approvals=("write_project",)
    )
    newer = await one.send(user, "instead", turn.conversation_id, strategy=MultitaskStrategy.INTERRUPT)
    assert newer.reply == "Something else."
    (held,) = [one for one in (await emulator.state())["conversations"] if one["id"]]
    given = {item["call_id"]: item["output"] for item in held["items"] if item["type"] == "function_call_output"}
    named = {item["name"]: given[item["call_id"]] for item in held["items"] if item["type"] == "function_call"}
    assert '"code": "denied"' in named["write_project"]
    assert "outcome_unknown" not in named["read_project"]


@pytest.mark.parametrize("wire", ["responses"])
@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
async def test_a_handoff_of_a_displaced_turn_is_told_as_what_became_of_it(
    instances: Instances, emulator: RunningEmulator, team_of: Callable[[User], Team], made: bool
) -> None:
    """Control has moved to the writer, whose run is cut off; or the turn still waited for its user."""
    one, user = await instances.make(), new_user()
    team = team_of(user)
    team.add("writer", says("Slow.", work_seconds=30.0), says("Something else."))
    transfer = ("transfer_to_writer", {"reason": "because", "task": "do it"})
    first = calls(transfer) if made else calls(WRITE, transfer)
    team.add(
        "boss",
        first,
        says("Something else."),
        tools=("write_project",),
        approvals=("write_project",),
        handoffs=("writer",),
    )
    conversation = str(uuid.uuid4())
    asked = asyncio.create_task(one.send(user, "go", conversation, agent="boss"))
    if made:
        await running(emulator, 2)
    else:
        assert (await asked).status is TurnStatus.WAITING

    newer = await one.send(user, "instead", conversation, strategy=MultitaskStrategy.INTERRUPT)
    await asked

    assert newer.reply == "Something else.", newer.error
    (held,) = [one for one in (await emulator.state())["conversations"] if one["id"]]
    given = {item["call_id"]: item["output"] for item in held["items"] if item["type"] == "function_call_output"}
    named = {item["name"]: given[item["call_id"]] for item in held["items"] if item["type"] == "function_call"}
    assert ('"assistant": "Writer"' if made else '"code": "not_run"') in named["transfer_to_writer"]


async def test_the_agent_that_is_handed_over_to_reads_what_was_answered(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    """On the thread/run wire the run that asked was ended before it could leave its outputs in the thread."""
    one, user = await instances.make(), new_user()
    team = team_of(user)
    team.add("writer", lambda seen: says(f"{tells(seen)['ask_user']} {tells(seen)['write_project']}"))
    transfer = ("transfer_to_writer", {"reason": "because", "task": "do it"})
    turn = await waiting(
        one, user, team, calls(("ask_user", {"question": "Which owl?"}), WRITE, transfer),
        tools=("write_project",), approvals=("write_project",), ask_user=True, handoffs=("writer",),
    )  # fmt: skip
    asked, write = turn.calls
    await answer(one, user, turn, asked.call_id, output="snowy")
    await answer(one, user, turn, write.call_id, approve=True)
    done = await one.wait(user, turn)
    assert (done.agent, done.reply) == ("writer", 'snowy {"saved":["title"],"title":"Owls"}'), done.error


async def test_a_message_that_was_steered_waits_with_the_turn_that_it_has_joined(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    """No request is held for it, and its sender can answer by the id that it has."""
    one, user = await instances.make(), new_user()
    question = ("ask_user", {"question": "Which owl?"})
    parts = [calls(question), calls(question, text="And now?"), lambda seen: says(tells(seen)["ask_user"])]
    turn = await waiting(one, user, team_of(user), *parts, ask_user=True)
    steered = asyncio.create_task(
        one.send(user, "a white one", turn.conversation_id, strategy=MultitaskStrategy.STEER, wait=3600)
    )
    await one.rpc.called_for("chat_submit_turn")
    await answer(one, user, turn, turn.calls[0].call_id, output="barn")
    again = await one.wait(user, turn)
    assert again.status is TurnStatus.WAITING, again.error
    joined = await asyncio.wait_for(steered, 20)
    assert (joined.status, joined.steered_into, joined.calls) == (TurnStatus.WAITING, turn.turn_id, again.calls)
    answered = await answer(one, user, joined, again.calls[0].call_id, output="snowy")
    assert (answered.turn_id, answered.calls) == (joined.turn_id, ())
    done = await one.wait(user, joined)
    assert (done.status, done.reply) == (TurnStatus.COMPLETED, "And now?\n\nsnowy"), done.error
    assert (await one.wait(user, turn)).reply == done.reply
