"""Another model or provider after a definite failure, and never after one of which nothing is certain."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.model import User
from shared.core.turns import Turn, TurnStatus
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.teams import Team, failing, hands_over, says

SECOND = {"model": "emulated-model-mini"}


def team_of(db: Database, emulator: RunningEmulator, user: User, *parts: Any, fallbacks: list[dict[str, str]]) -> Team:
    team = Team(db, emulator, user)
    team.add("boss", *parts, handoffs=("writer",))
    team.add("writer", says("written"))
    db.run(
        "update public.chat_agents set fallbacks = %s where owner_id = %s and slug = 'boss'",
        json.dumps(fallbacks),
        user.id,
    )
    return team


def tried(turn: Turn) -> list[tuple[str, str | None, int | None]]:
    return [(run.status, run.model, run.fallback) for run in turn.runs]


async def test_a_model_that_is_not_there_is_replaced_by_the_next(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    await emulator.configure(missing_models=["emulated-model", "gone"])
    team_of(db, emulator, user, says("here"), fallbacks=[{"model": "gone"}, SECOND])

    turn = await one.send(user, "go", agent="boss")

    assert (turn.status, turn.reply) == (TurnStatus.COMPLETED, "here"), turn.error
    assert tried(turn) == [("completed", "emulated-model-mini", 2)]
    assert (turn.fallback, turn.failures) == (2, 0)


async def test_a_run_that_has_failed_is_followed_by_one_of_the_next(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = team_of(db, emulator, user, failing(), says("here"), fallbacks=[SECOND])

    turn = await one.send(user, "go", agent="boss")

    assert turn.reply == "here", turn.error
    assert tried(turn) == [("failed", "emulated-model", None), ("completed", "emulated-model-mini", 1)]
    assert [prompt.user_messages for prompt in team.seen["boss"]] == [1, 1], "the message stands in the thread once"


async def test_who_comes_after_a_handoff_begins_with_its_own_row(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team_of(db, emulator, user, failing(), hands_over("writer"), fallbacks=[SECOND])

    turn = await one.send(user, "go", agent="boss")

    assert turn.reply == "written", turn.error
    assert [model for _, model, _ in tried(turn)] == ["emulated-model", "emulated-model-mini", "emulated-model"]
    assert turn.fallback == 0


async def test_the_other_wire_answers_where_the_providers_has_gone(
    instances: Instances, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    one, user = await instances.make(), new_user()
    other = {"responses": "assistants", "assistants": "responses"}[wire]
    await emulator.configure(**{wire: False})
    team_of(db, emulator, user, says("here"), says("again"), fallbacks=[{"provider": other}])

    turn = await one.send(user, "go", agent="boss")
    again = await one.send(user, "once more", turn.conversation_id)

    assert (turn.reply, again.reply) == ("here", "again"), turn.error or again.error


async def test_the_last_failure_is_the_turns_where_no_fallback_is_left(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    await emulator.configure(missing_models=["emulated-model", "emulated-model-mini"])
    team_of(db, emulator, user, fallbacks=[SECOND])

    turn = await one.send(user, "go", agent="boss")

    assert turn.error == {"code": "provider_model", "agent": "boss"}


async def test_what_is_flagged_is_shown_to_no_other_model(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team = team_of(db, emulator, user, failing("content_filter"), fallbacks=[SECOND])

    turn = await one.send(user, "go", agent="boss")

    assert turn.status is TurnStatus.FAILED
    assert len(team.seen["boss"]) == 1


async def test_a_lost_create_is_looked_for_and_its_answer_stands(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    """It took effect, and its answer was lost: no other model is asked beside it."""
    one, user = await instances.make(), new_user()
    team = team_of(db, emulator, user, says("here"), says("twice"), fallbacks=[SECOND])
    action = {"kind": "status", "status": 502, "when": "after"}
    await emulator.fault(path="/(runs|responses)$", method="POST", action=action)

    turn = await one.send(user, "go", agent="boss", wait=40)

    assert turn.reply == "here", turn.error
    assert (len(team.seen["boss"]), tried(turn)[-1][1:]) == (1, ("emulated-model", None))
    assert turn.fallback == 0


async def test_what_one_instance_has_seen_fail_no_other_one_begins_with(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, other, user = await instances.make(), await instances.make(), new_user()
    await emulator.configure(missing_models=["emulated-model"])
    team = team_of(db, emulator, user, says("first"), says("second"), says("third"), fallbacks=[SECOND])
    for _ in range(2):
        await one.send(user, "go", agent="boss")
    await emulator.configure(missing_models=[])  # a create with it would be answered

    turn = await other.send(user, "go", agent="boss")

    assert (turn.reply, tried(turn)) == ("third", [("completed", "emulated-model-mini", 1)])
    assert (turn.attempt, turn.choices) == (1, (1, 0)), "it began with it, and fell back from nothing"
    assert {prompt.model for prompt in team.seen["boss"]} == {"emulated-model-mini"}


async def test_one_turn_tries_again_and_closes_the_breaker_for_all(
    instances: Instances, emulator: RunningEmulator, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    one, other, user = await instances.make(), await instances.make(), new_user()
    team_of(db, emulator, user, failing(), says("a"), failing(), says("b"), failing(), says("c"), fallbacks=[SECOND])
    with caplog.at_level(logging.INFO, "multi_agent_chat"):
        for _ in range(3):
            await one.send(user, "go", agent="boss")
        db.let_pass(31)
        turns = [await each.send(user, "go", agent="boss") for each in (other, one)]

    assert [tried(turn)[-1][1:] for turn in turns] == [("emulated-model", None)] * 2
    assert [name for name in caplog.messages if name.startswith("breaker.")] == ["breaker.opened", "breaker.closed"]
    assert db.rows("select model from public.chat_breakers") == []


async def test_a_breaker_fails_no_turn(instances: Instances, emulator: RunningEmulator, db: Database) -> None:
    """What was passed over is tried in the end, and closes it before its time is over."""
    one, user = await instances.make(), new_user()
    await emulator.configure(missing_models=["emulated-model"])
    team_of(db, emulator, user, says("a"), says("b"), says("c"), fallbacks=[SECOND])
    for _ in range(2):
        await one.send(user, "go", agent="boss")
    await emulator.configure(missing_models=["emulated-model-mini"])

    turn = await one.send(user, "go", agent="boss")

    assert (turn.reply, tried(turn)) == ("c", [("completed", "emulated-model", None)]), turn.error
    assert [row["model"] for row in db.rows("select model from public.chat_breakers")] == ["emulated-model-mini"]


async def test_an_agent_that_is_handed_the_turn_begins_with_what_is_not_open(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    one, user = await instances.make(), new_user()
    team_of(db, emulator, user, *(failing(), says("no")) * 3, hands_over("writer"), fallbacks=[SECOND])
    for _ in range(3):
        await one.send(user, "go", agent="boss")
    db.run("update public.chat_agents set fallbacks = %s where owner_id = %s", json.dumps([SECOND]), user.id)

    turn = await one.send(user, "go", agent="boss")

    assert (turn.reply, turn.agent, turn.fallback) == ("written", "writer", 1), turn.error
    assert [model for _, model, _ in tried(turn)] == ["emulated-model-mini"] * 2


async def test_undisturbed_turns_make_no_more_calls(
    instances: Instances, emulator: RunningEmulator, db: Database
) -> None:
    """Accept, run on record, reply on record: with a breaker that counts, that opens, and with none."""
    one, user = await instances.make(), new_user()
    team_of(db, emulator, user, *(says(str(n)) for n in range(6)), fallbacks=[SECOND])
    first = await one.send(user, "go", agent="boss")
    counted = []
    for openings in (None, 0, 1):
        if openings is not None:
            db.run(
                "insert into public.chat_breakers (provider, model, by_default, failures, openings, opened_until, code,"
                " failed_at) select %s, 'emulated-model', true, 1, %s, now() + %s * interval '1 hour', 'x', now()"
                " on conflict do nothing",
                instances.wire,
                openings,
                openings,
            )
        one.rpc.called.clear()
        assert (await one.send(user, "go", first.conversation_id)).status is TurnStatus.COMPLETED
        counted.append(one.rpc.called.copy())
        db.run("delete from public.chat_breakers")
    assert counted == [["chat_submit_turn", "chat_advance_turn", "chat_advance_turn"]] * 3
