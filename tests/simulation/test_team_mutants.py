"""Each rule of a chain of agents is needed, and the checker sees when it is gone."""

from __future__ import annotations

import pytest

from tests.simulation.database import Database
from tests.simulation.hunt import assert_caught
from tests.simulation.mutants import TEAM_MUTANTS, Mutant


@pytest.mark.parametrize("mutant", TEAM_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    assert_caught(simulated, mutant)
