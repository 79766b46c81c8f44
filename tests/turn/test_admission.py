"""What an admission makes of an answer that it finds, where a holder before it has repeated the create."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.clock import LoopClock
from shared.core.conflict import commands, events
from shared.core.conflict.protocol import Rules
from shared.core.pace import Pace
from shared.core.turns import Claim, MultitaskStrategy, RunRecord, TurnStatus
from shared.instance.instance import Instance
from shared.instance.wakeups import LocalWakeups
from shared.ports import Lessee
from shared.turn.admission import Admission
from tests.http.fakes import make_turn
from tests.runs.test_lookup import AGENT, REPEAT, THREAD, Conversation, said

LOST, OWN = said("msg_1", "lost"), said("msg_2", "from the repeat")


def admission(conversation: Conversation) -> Admission:
    """A new holder's, of a turn whose record shows a repeat that was about to be ended."""
    record = RunRecord("resp_2", "boss", "cancelling")
    turn = make_turn("u", status=TurnStatus.STARTING, reply=None, finished_at=None, failures=1, remaining_ms=60_000)
    claim = Claim(2, replace(turn, runs=(record,)), AGENT, THREAD, fresh=False, last_run_id=None, message_count=0)
    instance = Instance(Store(), LoopClock(), LocalWakeups(), 15.0)  # type: ignore[arg-type]  # one write is all
    parts: Any = conversation
    rules = Rules(MultitaskStrategy.ENQUEUE, LoopClock().now() + 30, Pace(0.1, 1.0), 5.0, 2.0, 4, 15.0)
    made = Admission(
        instance, lambda _: parts, lambda _: parts, rules, Lessee("owner", 15.0), claim.turn, serve_other=parts.keep
    )
    made.take_over(claim.sent(LoopClock().now()))
    return made


class Store:
    """Takes every write."""

    async def advance_turn(self, lease: Any, turn_id: str, update: Any, seconds: float) -> Any:
        return make_turn("u", status=TurnStatus.RUNNING, runs=())


@pytest.mark.parametrize("answers", [(LOST,), (LOST, OWN)])
async def test_the_answer_of_the_lost_attempt_is_the_one_that_stays(answers: tuple[dict[str, Any], ...]) -> None:
    made = admission(Conversation(*answers, ended=REPEAT))
    assert await made._perform(commands.FindRun()) == events.RunFound(repeated=True)
    assert made._answered is not None
    assert made._answered.text == "lost"


async def test_the_repeats_own_answer_is_adopted_where_there_is_no_other() -> None:
    made = admission(Conversation(OWN, ended=REPEAT))
    assert await made._perform(commands.FindRun()) == events.RunFound()
    assert made.run is not None
    assert made.run.text == "from the repeat"
