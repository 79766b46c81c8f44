"""Creates whose answers were lost, where the provider shows a run only when it is over."""

from __future__ import annotations

import pytest

from dev.emulator.testing import RunningEmulator
from shared.core.conflict import events
from shared.core.turns import TurnStatus
from shared.runs.lookup import RunLookup
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.test_answering import creates, place_of
from tests.service.test_strategies import thread_texts

pytestmark = pytest.mark.parametrize("wire", ["responses"])


@pytest.mark.parametrize("background", ["on", "off"])
async def test_an_answer_that_came_between_the_last_look_and_the_repeat_is_the_one_that_stays(
    instances: Instances, emulator: RunningEmulator, db: Database, monkeypatch: pytest.MonkeyPatch, background: str
) -> None:
    one, user = await instances.make(responses_background=background, run_budget_seconds="5"), new_user()
    first = await one.send(user, "hello")

    async def blind(looking: RunLookup) -> events.RunNotFound:
        return events.RunNotFound()

    monkeypatch.setattr(RunLookup, "find", blind)
    await emulator.fault(path="/responses$", method="POST", action={"kind": "status", "status": 502, "when": "after"})
    turn = await one.send(user, "[[slow 1]] again", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: again", "the lost run's, not the repeat's"
    assert await creates(emulator) == 3
    assert [run.status for run in turn.runs][-1] == "completed"
    asked = [text for role, text in await thread_texts(emulator, await place_of(db, first.conversation_id))]
    assert asked == ["hello", "Emulated reply 1 to: hello", "[[slow 1]] again", "Emulated reply 2 to: again"]
    third = await one.send(user, "third", first.conversation_id)
    assert third.status is TurnStatus.COMPLETED


@pytest.mark.parametrize("same_instance", [True, False])
@pytest.mark.parametrize("shown", [True, False])
async def test_a_run_in_the_foreground_is_not_repeated_while_it_may_be_at_work(
    instances: Instances, emulator: RunningEmulator, same_instance: bool, shown: bool
) -> None:
    """No lock, and everything in the foreground: where reads by id are not served, only its end shows the run."""
    await emulator.configure(lock=False)
    if not shown:
        action = {"kind": "status", "status": 404, "body": {"error": {"message": "Not found.", "code": None}}}
        await emulator.fault(path="/responses/", method="GET", times=None, action=action)
    one = await instances.make(responses_background="off", run_budget_seconds="10", lease_seconds="3")
    two = one if same_instance else await instances.make(responses_background="off", run_budget_seconds="10")
    user = new_user()
    first = await one.send(user, "hello")
    turn = await one.send(user, "[[slow 4]] again", first.conversation_id, wait=1.0)
    assert turn.status is TurnStatus.RUNNING
    answered = await two.wait(user, turn)
    assert answered.reply == "Emulated reply 2 to: again"
    assert await creates(emulator) == 2
    assert set((await emulator.state())["max_active"].values()) == {1}


async def test_a_run_that_is_shown_no_more_is_known_by_the_answer_it_left(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, user = await instances.make(), new_user()
    action = {"kind": "status", "status": 404, "body": {"error": {"message": "Not found.", "code": None}}}
    await emulator.fault(path="/responses/", method="GET", times=None, action=action)
    turn = await one.send(user, "[[slow 1]] hello")
    assert turn.reply == "Emulated reply 1 to: hello", turn.error
    assert [run.run_id for run in turn.runs] == list(emulator.emulator.responses)


async def test_an_error_of_a_server_in_the_foreground_is_not_waited_for_as_long_as_a_run_may_last(
    instances: Instances, emulator: RunningEmulator
) -> None:
    await emulator.configure(background="ignore")
    one, user = await instances.make(run_budget_seconds="300"), new_user()
    first = await one.send(user, "hello")
    action = {"kind": "status", "status": 500, "body": {"error": {"message": "Oops.", "type": "server_error"}}}
    await emulator.fault(path="/responses$", method="POST", action=action)
    turn = await one.send(user, "again", first.conversation_id)
    assert turn.reply == "Emulated reply 2 to: again", turn.status
