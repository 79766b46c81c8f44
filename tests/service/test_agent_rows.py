"""Agents as their rows make them, on real parts: settings that a server refuses, replies under a schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev.emulator.testing import RunningEmulator
from functions.multi_agent_chat.render import turn_answer
from shared.core.model import User
from shared.core.turns import TurnStatus
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.teams import Team, calls, says

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}, "scenes": {"type": "integer"}}}


@pytest.fixture
def team_of(db: Database, emulator: RunningEmulator) -> Callable[[User], Team]:
    return lambda user: Team(db, emulator, user)


def change(db: Database, user: User, **columns: Any) -> None:
    for name, value in columns.items():
        statement = f"update public.chat_agents set {name} = %s where owner_id = %s"
        db.run(statement, json.dumps(value), user.id)


async def test_a_reply_under_a_schema_is_also_what_it_means(
    instances: Instances, db: Database, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    team_of(user).add("boss", calls(("read_project", {}), text="Let me look."), says("Owls"), tools=("read_project",))
    change(db, user, output_schema=SCHEMA)

    turn = await one.send(user, "go", agent="boss")

    assert turn.status is TurnStatus.COMPLETED, turn.error
    answer = turn_answer(turn, replayed=False)
    assert answer["reply"]["json"] == {"title": "Owls", "scenes": 1}
    assert answer["reply"]["text"].startswith("Let me look."), "what was said before its calls is no part of it"
    assert {run["version"] for run in answer["runs"]} == {2}, "as the row was when the runs were started"
    again = await one.wait(user, turn)
    assert turn_answer(again, replayed=False)["reply"] == answer["reply"]


async def test_a_setting_that_the_server_refuses_costs_no_answer(
    instances: Instances, db: Database, emulator: RunningEmulator, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    await emulator.configure(refused_parameters=["temperature"])
    team_of(user).add("boss", says("here"))
    change(db, user, settings={"temperature": 1, "top_p": 0.5})

    turn = await one.send(user, "go", agent="boss")

    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "here"), turn.error


async def test_what_the_wire_cannot_do_ends_the_turn_and_says_whose_row_asks_for_it(
    instances: Instances, db: Database, wire: str, team_of: Callable[[User], Team]
) -> None:
    one, user = await instances.make(), new_user()
    team_of(user).add("boss", says("here"))
    change(db, user, settings={"verbosity": "low"})

    turn = await one.send(user, "go", agent="boss")

    if wire == "responses":
        assert turn.reply == "here", turn.error
    else:
        assert turn.error == {"code": "agent_not_supported", "agent": "boss"}
