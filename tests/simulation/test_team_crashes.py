"""A chain of agents, with tools and two that are asked side by side, ends as promised wherever an instance dies."""

from __future__ import annotations

import pytest

from tests.simulation.crashes import BOUNDS, FREEZE_BOUND, LOST_ANSWER_SECONDS, deaths, freezes, lost_answers
from tests.simulation.database import Database
from tests.simulation.stories import KINDS, TEAM

EVERY = {True: 8, False: 24}  # boundaries; `make soak-simulation` takes each of them
EVERY_FREEZE = 24
EVERY_CALL = 4


@pytest.mark.parametrize("returning", BOUNDS, ids=lambda returning: "client" if returning else "sweep")
@pytest.mark.parametrize("kind", KINDS)
def test_a_death_in_the_middle_of_a_chain(simulated: Database, kind: str, returning: bool) -> None:
    found = list(deaths(simulated, kind, TEAM, returning=returning, every=EVERY[returning]))
    assert len(found) > 100 / EVERY[returning]
    for death in found:
        assert death.result.world.crashed.is_set()
        assert not death.broken(BOUNDS[returning]), f"no. {death.number}: {death.where}\n{death.result.report()}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_freeze_in_the_middle_of_a_chain(simulated: Database, kind: str) -> None:
    for freeze in freezes(simulated, kind, TEAM, every=EVERY_FREEZE):
        assert not freeze.broken(FREEZE_BOUND), f"no. {freeze.number}: {freeze.where}\n{freeze.result.report()}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_in_the_middle_of_a_chain(simulated: Database, kind: str) -> None:
    for lost in lost_answers(simulated, kind, TEAM, every=EVERY_CALL):
        assert not lost.broken(LOST_ANSWER_SECONDS), f"no. {lost.number}: {lost.where}\n{lost.result.report()}"
