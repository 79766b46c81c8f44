"""Another service is told of the end of every turn, wherever an instance dies; and the checks see where it is not."""

from __future__ import annotations

import pytest

from tests.simulation.crashes import BOUNDS, deaths
from tests.simulation.database import Database
from tests.simulation.hunt import ENDING, assert_caught
from tests.simulation.mutants import Mutant
from tests.simulation.outbox_mutants import OUTBOX_MUTANTS
from tests.simulation.stories import TOLD


@pytest.mark.parametrize("at", ENDING)
def test_a_death_where_the_end_of_a_turn_is_told(simulated: Database, at: str) -> None:
    found = list(deaths(simulated, "responses", TOLD, returning=True, at=at))
    assert len(found) > 3
    for death in found:
        assert death.result.world.crashed.is_set()
        assert not death.broken(BOUNDS[True]), f"no. {death.number}: {death.where}\n{death.result.report()}"


@pytest.mark.parametrize("mutant", OUTBOX_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    assert_caught(simulated, mutant)
