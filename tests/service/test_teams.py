"""Several agents answer one message: handoffs, tools, agents as tools, on both wires and real parts.

Longer than 250 lines because every test plays one script of a team, and the scripts differ little.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from dev.emulator.ids import thread_wire_id
from dev.emulator.responses import response as emulated_responses
from dev.emulator.testing import RunningEmulator
from dev.emulator.threads import run as emulated_runs
from shared.core.errors import Conflict
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from shared.tools.registry import Registry, ToolContext
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.scripted import error, scripted
from tests.service.teams import Team, asks, calls, failing, hands_over, says


async def send(one: Instance, user: Any, text: str, agent: str | None, conversation: str | None = None) -> Turn:
    return await one.send(user, text, conversation, agent=agent)


async def lines(one: Instance, user: Any, turn: Turn) -> list[tuple[str, str | None, str, str | None]]:
    found = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=100)
    assert [line.seq for line in found] == list(range(1, len(found) + 1))
    return [(line.role, line.agent, line.text, line.handoff_to) for line in found]


def answered_by(turn: Turn) -> list[tuple[str, str]]:
    return [(run.agent, run.status) for run in turn.runs if run.asked_by is None]


async def nothing_met(emulator: RunningEmulator) -> None:
    state = await emulator.state()
    assert state["violations"] == []
    assert all(most <= 1 for most in state["max_active"].values())
    assert [run["status"] for run in state["runs"] if run["status"] == "requires_action"] == []


async def test_three_agents_with_tools_answer_one_message(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    saved = calls(("write_project", {"title": "Owls", "script": "INT. NIGHT"}))
    team.add("boss", hands_over("writer", "a script is wanted", "write about owls"), handoffs=("writer",))
    writer = [saved, hands_over("describer", "scenes are wanted", "describe the owl scene", text="Here is the script.")]
    team.add("writer", *writer, handoffs=("describer",), tools=("write_project",))
    team.add(
        "describer", calls(("read_project", {})), lambda seen: says(f"Scene from {seen.outputs[-1].output}"),
        handoffs=("boss",), tools=("read_project",),
    )  # fmt: skip
    turn = await send(one, user, "write a script about owls and describe its scenes", "boss")
    assert turn.status is TurnStatus.COMPLETED, turn.error
    assert turn.agent == "describer"
    assert turn.reply == 'Scene from {"title":"Owls","scenes":[],"script":"INT. NIGHT"}'
    order = [agent for agent, _ in answered_by(turn)]
    assert [agent for at, agent in enumerate(order) if at == 0 or order[at - 1] != agent] == [
        "boss",
        "writer",
        "describer",
    ]
    assert {status for _, status in answered_by(turn)} == {"completed"}
    assert [(made.from_agent, made.to_agent, made.reason, made.task) for made in turn.handoffs] == [
        ("boss", "writer", "a script is wanted", "write about owls"),
        ("writer", "describer", "scenes are wanted", "describe the owl scene"),
    ]
    assert turn.usage.output_tokens > 0
    assert await lines(one, user, turn) == [
        ("user", None, "write a script about owls and describe its scenes", None),
        ("assistant", "boss", "", "writer"),
        ("assistant", "writer", "Here is the script.", "describer"),
        ("assistant", "describer", turn.reply, None),
    ]
    assert team.seen["writer"][0].tools == {"transfer_to_describer", "write_project"}
    await nothing_met(emulator)
    # the conversation's active agent has moved
    team.add("unused")
    again = await send(one, user, "and now?", None, turn.conversation_id)
    assert (again.agent, again.reply) == ("describer", "describer has nothing more to say.")


async def test_agents_are_asked_side_by_side_on_threads_of_their_own(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    slow = [says("red, says the painter", work_seconds=0.5), says("loud, says the singer", work_seconds=0.5)]
    team.add("painter", slow[0], as_tool=True)
    team.add("singer", slow[1], as_tool=True)
    team.add("boss", asks(painter="which colour?", singer="which sound?"), lambda seen: says(" and ".join(
        output.output for output in seen.outputs)))  # fmt: skip
    turn = await send(one, user, "make it nice", "boss")
    assert turn.reply == "red, says the painter and loud, says the singer"
    asked = [(run.agent, run.status, run.asked_by) for run in turn.runs if run.asked_by]
    assert sorted(asked) == [("painter", "completed", "boss"), ("singer", "completed", "boss")]
    assert team.seen["painter"][0].text == "which colour?"
    assert {status for _, status in answered_by(turn)} == {"completed"}
    state = await emulator.state()
    jobs = {job["id"]: job for job in (*state["runs"], *state["responses"])}
    spans = [
        (jobs[run.run_id]["started_at"], jobs[run.run_id]["ended_at"])
        for run in turn.runs
        if run.asked_by and run.run_id
    ]
    assert max(start for start, _ in spans) < min(end for _, end in spans), "they ran one after the other"
    scratch = [thread for thread in await one.store.list_ended_threads(1000) if thread.thread_id in state["max_active"]]
    assert len(scratch) == 2
    await nothing_met(emulator)


async def test_an_asked_agent_uses_its_own_tools_and_its_failure_is_told_to_the_model(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add(
        "clerk", calls(("write_project", {"title": "Noted"})), says("noted"), tools=("write_project",), as_tool=True
    )
    team.add("broken", failing("bad_luck"), as_tool=True)
    team.add("boss", asks(clerk="note it", broken="try"), lambda seen: says(json.dumps(
        {output.name: output.output for output in seen.outputs})))  # fmt: skip
    turn = await send(one, user, "go", "boss")
    told = json.loads(turn.reply or "")
    assert told["ask_clerk"] == "noted"
    assert json.loads(told["ask_broken"])["error"]["code"] == "agent_failed"
    assert ("broken", "failed", "boss") in [(run.agent, run.status, run.asked_by) for run in turn.runs]
    assert (await one.store.read_project(user.id, turn.conversation_id))["title"] == "Noted"


@pytest.fixture
def counted_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As servers do that count the calls of every run from one."""
    made = thread_wire_id
    for module in (emulated_runs, emulated_responses):
        monkeypatch.setattr(module, "thread_wire_id", lambda kind: "call_1" if kind == "call" else made(kind))


@pytest.mark.usefixtures("counted_calls")
async def test_the_next_runs_call_of_the_same_id_is_another_call(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    work = [calls(("write_project", {"title": "Owls"})), calls(("read_project", {}))]
    tools = ("read_project", "write_project")
    team.add("clerk", *work, lambda seen: says(f"clerk: {seen.outputs[-1].output}"), tools=tools, as_tool=True)
    team.add("boss", *work, asks(clerk="and you?"), lambda seen: says(seen.outputs[-1].output), tools=tools)
    turn = await send(one, user, "go", "boss")
    assert turn.reply == 'clerk: {"title":"Owls","scenes":[],"script":null}', turn.error
    assert len(db.rows("select 1 from public.chat_tool_calls where turn_id = %s", turn.turn_id)) == 5
    await nothing_met(emulator)


async def test_a_run_of_an_asked_agent_that_is_given_up_is_ended(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("clerk", *[calls(("read_project", {}))] * 99, tools=("read_project",), as_tool=True)
    team.add("boss", asks(clerk="read it"), lambda seen: says(seen.outputs[-1].output))
    turn = await send(one, user, "go", "boss")
    assert json.loads(turn.reply or "")["error"]["code"] == "agent_failed"
    await nothing_met(emulator)
    state = await emulator.state()
    assert {job["status"] for job in (*state["runs"], *state["responses"])} <= {"completed", "cancelled"}


@pytest.mark.parametrize("wire", ["assistants"])
@pytest.mark.parametrize("accepted", [False, True])
async def test_the_outputs_of_an_asked_agent_are_given_again_where_they_may_not_have_arrived(
    emulator: RunningEmulator, db: Database, wire: str, accepted: bool
) -> None:
    async with scripted(emulator.base_url) as front, Instances(db.dsn, front.base_url, wire) as instances:
        one, user = await instances.make(), new_user()
        team = Team(db, emulator, user)
        team.add("clerk", calls(("read_project", {})), says("noted"), tools=("read_project",), as_tool=True)
        team.add("boss", asks(clerk="note it"), lambda seen: says(seen.outputs[-1].output))
        front.answer("POST", "/submit_tool_outputs$", replace(error(500), accepted=accepted))
        turn = await send(one, user, "go", "boss")
        assert turn.reply == "noted"
        await nothing_met(emulator)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("launch_rockets", {}), "unknown_tool"),
        (("read_project", {}), "unknown_tool"),  # registered, but not this agent's
        (("transfer_to_orchestrator", {}), "unknown_tool"),  # not among its handoffs
        (("ask_orchestrator", {"question": "?"}), "unknown_tool"),
        (("transfer_to_boss", {}), "unknown_tool"),
        (("write_project", {"title": 7}), "invalid_arguments"),
        (("write_project", {"user_id": "another user"}), "invalid_arguments"),
        (("ask_helper", {}), "invalid_arguments"),
    ],
)
async def test_what_cannot_be_done_is_told_to_the_model(
    instances: Instances, emulator: RunningEmulator, db: Database, call: tuple[str, dict[str, Any]], code: str
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("helper", as_tool=True)
    team.add("boss", calls(call), lambda seen: says(seen.outputs[-1].output), tools=("write_project",))
    turn = await send(one, user, "go", "boss")
    assert json.loads(turn.reply or "")["error"]["code"] == code


async def test_a_loop_without_new_words_ends_in_a_typed_failure(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("ping", hands_over("pong"), handoffs=("pong",))
    team.add("pong", hands_over("ping"), handoffs=("ping",))
    turn = await send(one, user, "go", "ping")
    assert turn.error is not None
    assert turn.error["code"] == "handoff_loop"
    await nothing_met(emulator)
    following = await send(one, user, "and now?", "ping", turn.conversation_id)
    assert following.status is TurnStatus.COMPLETED, following.error


async def test_limits_end_in_typed_failures(instances: Instances, emulator: RunningEmulator, db: Database) -> None:
    one, user = await instances.make(max_handoffs="2", max_tool_calls="3"), new_user()
    team = Team(db, emulator, user)
    wander = [hands_over("pong", text=f"words {n}") for n in range(5)]
    team.add("ping", *wander, handoffs=("pong",), tools=("write_project",))
    work = calls(("write_project", {"title": "again"}))
    team.add("pong", work, hands_over("ping"), work, hands_over("ping"), handoffs=("ping",), tools=("write_project",))
    turn = await send(one, user, "go", "ping")
    assert turn.error is not None
    assert turn.error["code"] == "handoff_limit"
    assert len(turn.handoffs) == 2
    team.add("busy", *[work] * 9, tools=("write_project",))
    turn = await send(one, user, "go", "busy")
    assert turn.error is not None
    assert turn.error["code"] == "tool_limit"
    await nothing_met(emulator)


@pytest.mark.usefixtures("counted_calls")
async def test_the_same_call_for_ever_ends_in_a_typed_failure(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(max_tool_calls="3"), new_user()
    team = Team(db, emulator, user)
    team.add("busy", *[calls(("read_project", {}))] * 99, tools=("read_project",))
    turn = await send(one, user, "go", "busy")
    assert turn.error is not None
    assert turn.error["code"] == "tool_limit"
    await nothing_met(emulator)


async def test_a_function_that_does_not_fit_into_a_request_is_left_to_one_with_more_time(
    instances: Instances, emulator: RunningEmulator, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Registry()

    @tools.tool(idempotent=False, timeout_seconds=5.0)
    async def send_letter(context: ToolContext) -> str:
        """Send a letter."""
        return "sent"

    monkeypatch.setattr("functions.composition.REGISTRY", tools)
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    team.add("boss", calls(("send_letter", {})), says("It is on its way."), tools=("send_letter",))
    turn = await one.send(user, "write to her", agent="boss", wait=2.0)
    assert turn.status is TurnStatus.REQUIRES_ACTION
    assert one.rpc.called.count("chat_release_lease") == 1, "claimed again and again, in vain"
    turn = await one.wait(user, turn)
    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "It is on its way.")


async def test_after_a_run_with_many_unanswered_calls_the_next_message_does_not_wait(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(max_tool_calls="24", poll_min_seconds="0.25", poll_max_seconds="2"), new_user()
    team = Team(db, emulator, user)
    team.add("busy", calls(*[("read_project", {})] * 25), says("well"), tools=("read_project",))
    first = await send(one, user, "go", "busy")
    assert first.error is not None
    assert first.error["code"] == "tool_limit"
    following = await one.send(user, "and now?", first.conversation_id, agent="busy", wait=12)
    assert following.reply == "well", following.status


async def test_a_call_left_open_is_answered_once_and_not_said_to_have_been_left_undone(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    """By the next turn, with its first run and with no other."""
    one, user = await instances.make(max_tool_calls="1"), new_user()
    team = Team(db, emulator, user)
    work = calls(("write_project", {"title": "again"}))
    team.add("boss", work, work, work, says("done"), tools=("write_project",))
    stopped = await send(one, user, "go", "boss")
    assert (stopped.error or {})["code"] == "tool_limit"
    turn = await send(one, user, "go on", "boss", stopped.conversation_id)
    assert turn.reply == "done", turn.error
    told = [output.output for output in team.seen["boss"][-1].outputs]
    assert not any("never" in output for output in told)
    conversations = (await emulator.state())["conversations"]
    given = [item["call_id"] for one in conversations for item in one["items"] if item["type"].endswith("_output")]
    assert sorted(given) == sorted(set(given))
    await nothing_met(emulator)


async def test_a_handoff_to_another_wire(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    other = "assistants" if wire == "responses" else "responses"
    team.add("here", hands_over("there", task="go on"), handoffs=("there",))
    team.add("there", says("from the other side"), provider=other)
    turn = await send(one, user, "cross over", "here")
    assert (turn.agent, turn.reply) == ("there", "from the other side")
    assert team.seen["there"][0].text == "cross over"
    await nothing_met(emulator)


async def test_agents_of_others_are_neither_seen_nor_reached(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user, other = await instances.make(), new_user(), new_user()
    Team(db, emulator, other).add("secret", as_tool=True)
    team = Team(db, emulator, user)
    team.add(
        "boss", hands_over("secret"), asks(secret="?"), lambda seen: says(seen.outputs[-1].output), handoffs=("secret",)
    )
    turn = await send(one, user, "go", "boss")
    assert turn.handoffs == ()
    assert json.loads(turn.reply or "")["error"]["code"] == "unknown_tool"
    assert "secret" not in [agent.slug for agent in await one.store.list_agents(user.id)]
    assert "secret" not in str(sorted(team.seen["boss"][0].tools))


STRATEGIES = list(MultitaskStrategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_second_message_in_the_middle_of_a_chain(
    instances: Instances, emulator: RunningEmulator, db: Database, strategy: MultitaskStrategy
) -> None:
    one, user, conversation = await instances.make(lease_seconds="3"), new_user(), str(uuid.uuid4())
    team = Team(db, emulator, user)
    team.add("boss", hands_over("writer", text="I know who can."), handoffs=("writer",))
    reached = asyncio.Event()

    def stall(_: Any) -> Any:
        reached.set()
        return says("the script", work_seconds=1.5)

    team.add("writer", stall, says("second answer"), handoffs=())
    first = asyncio.create_task(one.send(user, "first", conversation, agent="boss"))
    await reached.wait()
    if strategy is MultitaskStrategy.REJECT:
        with pytest.raises(Conflict):
            await one.send(user, "second", conversation, strategy=strategy)
        assert (await first).reply == "the script"
        return
    second = await one.send(user, "second", conversation, strategy=strategy)
    done = await first
    assert second.status is TurnStatus.COMPLETED, second.error
    said = await lines(one, user, second)
    words = [text for _, _, text, _ in said]
    if strategy.displaces:
        assert (done.status, done.superseded_by) == (TurnStatus.CANCELLED, second.turn_id)
        assert ("first" in words) is (strategy is MultitaskStrategy.INTERRUPT)
    else:
        assert (done.reply, second.seq) == ("the script", 2)
        assert words.index("the script") < words.index("second")
    await nothing_met(emulator)


async def test_a_cancel_ends_the_agents_that_are_being_asked(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user, conversation = await instances.make(lease_seconds="3"), new_user(), str(uuid.uuid4())
    team = Team(db, emulator, user)
    reached = asyncio.Event()

    def stall(_: Any) -> Any:
        reached.set()
        return says("never heard", work_seconds=60)

    team.add("helper", stall, as_tool=True)
    team.add("boss", asks(helper="?"), says("second"))
    asked = asyncio.create_task(one.send(user, "go", conversation, agent="boss"))
    await reached.wait()
    open_turn = (await one.store.get_conversation(user.id, conversation)).open_turns[0]
    done = await one.chat.cancel_turn(user, open_turn.turn_id, asyncio.get_running_loop().time() + 10)
    assert (done.status, (await asked).status) == (TurnStatus.CANCELLED, TurnStatus.CANCELLED)
    [run] = [run for run in done.runs if run.asked_by is not None]
    assert run.agent == "helper"
    assert await emulator.reached(str(run.run_id)) == "cancelled"
    assert (await one.send(user, "again", conversation)).reply == "second"


async def test_control_that_has_moved_stays_moved_when_its_turn_is_interrupted(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user, conversation = await instances.make(lease_seconds="3"), new_user(), str(uuid.uuid4())
    team = Team(db, emulator, user)
    reached = asyncio.Event()

    def stall(_: Any) -> Any:
        reached.set()
        return says("never heard", work_seconds=60)

    team.add("boss", hands_over("writer"), handoffs=("writer",))
    team.add("writer", stall, says("here I am"))
    asked = asyncio.create_task(one.send(user, "go", conversation, agent="boss"))
    await reached.wait()
    following = await one.send(user, "no, this", conversation, strategy=MultitaskStrategy.INTERRUPT)
    assert (following.agent, following.reply) == ("writer", "here I am")
    await asked
