"""Tools that the provider carries out, on real parts: what they cite, and calls of MCP servers that need a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev.emulator.brain.plan import Plan, ToolCall
from dev.emulator.testing import RunningEmulator
from functions.multi_agent_chat.render_conversations import transcript_line
from shared.clock import LoopClock
from shared.core.errors import Conflict, NotFound
from shared.core.model import User
from shared.core.person_calls import PersonAnswer, PersonCallKind
from shared.core.runs import Source
from shared.core.turns import Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instance, Instances, new_user
from tests.service.teams import Team, failing, says

MCP = {"type": "mcp", "server_label": "issues", "server_url": "https://x.example/mcp"}
CREATE = Plan(text="Let me.", calls=(ToolCall("create", '{"title": "Owls"}', server="issues"),))


@pytest.fixture
def wire() -> str:
    """The thread/run wire has none of this."""
    return "responses"


@pytest.fixture
def team(db: Database, emulator: RunningEmulator) -> Callable[..., Team]:
    def made(user: User, *parts: Any, hosted: list[dict[str, Any]], **agent: Any) -> Team:
        team = Team(db, emulator, user)
        team.add("boss", *parts, **agent)
        db.run(
            "update public.chat_agents set hosted_tools = %s where owner_id = %s and slug = 'boss'",
            json.dumps(hosted),
            user.id,
        )
        return team

    return made


def results(prompt: Any) -> Plan:
    return says("; ".join(f"{one.name} -> {one.output}" for one in prompt.outputs))


async def answer(one: Instance, user: User, turn: Turn, call_id: str, **said: Any) -> Turn:
    return await one.chat.answer_call(user, turn.turn_id, PersonAnswer(call_id, **said), LoopClock().now())


async def test_what_is_cited_stands_in_the_turn_and_in_the_transcript(
    instances: Instances, team: Callable[..., Team]
) -> None:
    one, user = await instances.make(), new_user()
    page = {"type": "url_citation", "url": "https://owls.example/a", "title": "Owls", "start_index": 0, "end_index": 4}
    other = page | {"url": "javascript:alert(1)"}
    file = {"type": "file_citation", "file_id": "file_1", "filename": "owls.pdf", "index": 3}
    team(user, says("Owls hunt.", citations=(page, page, other, file)), hosted=[{"type": "web_search"}])

    turn = await one.send(user, "go", agent="boss")

    cited = (Source("https://owls.example/a", None, "Owls"), Source(None, "file_1", "owls.pdf"))
    assert (turn.reply, turn.runs[0].sources) == ("Owls hunt.", cited), turn.error
    lines = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=10)
    assert [line.sources for line in lines] == [(), cited]
    assert transcript_line(lines[1])["sources"] == [
        {"url": "https://owls.example/a", "title": "Owls"},
        {"file_id": "file_1", "title": "owls.pdf"},
    ]


async def test_a_call_of_a_server_waits_for_a_word_and_is_made_once(
    instances: Instances, emulator: RunningEmulator, team: Callable[..., Team]
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    team(user, CREATE, results, hosted=[MCP])
    turn = await one.send(user, "go", agent="boss")
    assert turn.status is TurnStatus.WAITING, turn.error
    (call,) = turn.calls
    assert (call.kind, call.name, call.arguments) == (PersonCallKind.APPROVAL, "issues.create", '{"title": "Owls"}')
    with pytest.raises(NotFound):
        await answer(one, new_user(), turn, call.call_id, approve=True)
    assert (await answer(two, user, turn, call.call_id, approve=True)).status is TurnStatus.REQUIRES_ACTION
    with pytest.raises(Conflict):
        await answer(one, user, turn, call.call_id, approve=False)

    done = await two.wait(user, turn)

    assert (done.status, done.reply) == (
        TurnStatus.COMPLETED,
        "Let me.\n\nissues.create -> emulated result",
    ), done.error
    lines = await one.store.list_messages(user.id, turn.conversation_id, after_seq=0, limit=10)
    assert [(made.name, made.output) for made in lines[-1].calls] == [("issues.create", "emulated result")]
    assert (await emulator.state())["violations"] == []
    assert (await one.send(user, "next", turn.conversation_id)).status is TurnStatus.COMPLETED


@pytest.mark.parametrize("state", ["conversation", "transcript"])
async def test_a_call_that_is_denied_is_told_so_wherever_the_thread_is(
    instances: Instances, team: Callable[..., Team], state: str
) -> None:
    one, user = await instances.make(responses_state=state), new_user()
    team(user, CREATE, results, hosted=[MCP])
    turn = await one.send(user, "go", agent="boss")
    await answer(one, user, turn, turn.calls[0].call_id, approve=False, reason="not today")

    done = await one.wait(user, turn)

    assert "issues.create -> refused: " in (done.reply or ""), done.error
    assert "not today" in (done.reply or "")


async def test_calls_of_both_kinds_go_on_together_once_all_are_answered(
    instances: Instances, db: Database, team: Callable[..., Team]
) -> None:
    one, user = await instances.make(), new_user()
    own = ToolCall("write_project", '{"title": "Owls"}')
    both = Plan(calls=(own, *CREATE.calls, ToolCall("close", "{}", server="issues")))
    team(user, both, results, hosted=[MCP], tools=("write_project",), approvals=("write_project",))
    turn = await one.send(user, "go", agent="boss")
    assert [call.name for call in turn.calls] == ["write_project", "issues.create", "issues.close"]
    for call, approve in zip(turn.calls, (True, True, False), strict=True):
        turn = await answer(one, user, turn, call.call_id, approve=approve)

    done = await one.wait(user, turn)

    assert done.status is TurnStatus.COMPLETED, done.error
    said = (done.reply or "").split("; ")
    assert said[0] == 'write_project -> {"saved":["title"],"title":"Owls"}'
    assert said[1] == "issues.create -> emulated result"
    assert said[2].startswith("issues.close -> refused: ")
    ledger = db.rows("select name from public.chat_tool_calls where turn_id = %s order by name", turn.turn_id)
    assert [row["name"] for row in ledger] == ["issues.close", "issues.create", "write_project"]


async def test_a_lost_create_that_has_brought_the_word_is_found_by_it(
    instances: Instances, emulator: RunningEmulator, team: Callable[..., Team]
) -> None:
    """The answer to the create that brings it is lost: its run is found by the word, and the call is made once."""
    one, two, user = await instances.make(), await instances.make(), new_user()
    team(user, CREATE, results, hosted=[MCP])
    turn = await one.send(user, "go", agent="boss")
    await answer(one, user, turn, turn.calls[0].call_id, approve=True)
    await emulator.fault(path="/responses$", method="POST", action={"kind": "reset", "when": "after"})
    await one.wait(user, turn, 0.1)

    done = await two.wait(user, turn)

    assert done.status is TurnStatus.COMPLETED, done.error
    assert "issues.create -> emulated result" in (done.reply or "")


async def test_a_run_that_fails_with_the_word_in_hand_is_not_started_again(
    instances: Instances, db: Database, team: Callable[..., Team]
) -> None:
    """What it had called by then is unknown: no second run, and no other model, is given the same word."""
    one, user = await instances.make(), new_user()
    made = team(user, CREATE, failing(), results, hosted=[MCP])
    db.run("update public.chat_agents set fallbacks = %s where owner_id = %s", '[{"model": "other"}]', user.id)
    turn = await one.send(user, "go", agent="boss")
    await answer(one, user, turn, turn.calls[0].call_id, approve=True)

    done = await one.wait(user, turn)

    assert (done.status, (done.error or {})["code"]) == (TurnStatus.FAILED, "run_failed")
    assert len(made.seen["boss"]) == 2


async def test_an_agent_that_is_asked_as_a_tool_may_not_have_its_server_called(
    instances: Instances, team: Callable[..., Team]
) -> None:
    one, user = await instances.make(), new_user()
    made = team(user, CREATE, results, hosted=[MCP], as_tool=True)
    made.add("lead", Plan(calls=(ToolCall("ask_boss", '{"question": "do it"}'),)), results)

    turn = await one.send(user, "go", agent="lead")

    assert turn.status is TurnStatus.COMPLETED, turn.error
    assert "issues.create -> refused: " in (turn.reply or "")
