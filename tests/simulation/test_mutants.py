"""Each rule of the protocol is needed, and the checker sees when it is gone: by which mode stands in the table."""

from __future__ import annotations

import pytest

from tests.simulation.breaker_mutants import BREAKER_MUTANTS
from tests.simulation.database import Database
from tests.simulation.hunt import assert_caught
from tests.simulation.life_mutants import LIFE_MUTANTS
from tests.simulation.mutants import HARMLESS, MUTANTS, Mutant
from tests.simulation.run import simulate


@pytest.mark.parametrize("mutant", [*MUTANTS, *BREAKER_MUTANTS, *LIFE_MUTANTS], ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    assert_caught(simulated, mutant)


@pytest.mark.parametrize("mutant", HARMLESS, ids=lambda mutant: mutant.name)
def test_a_harmless_change_breaks_nothing(simulated: Database, mutant: Mutant) -> None:
    """The other way round: the checker does not cry at everything."""
    with mutant.applied(simulated):
        for seed in range(5):
            result = simulate(simulated, mutant.mode, seed)
            assert not result.violations, result.report()
