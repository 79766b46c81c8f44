"""Each rule about the life of conversations is needed, and the checker sees when it is gone."""

from __future__ import annotations

import pytest

from tests.simulation.database import Database
from tests.simulation.life_mutants import LIFE_MUTANTS
from tests.simulation.mutants import Mutant
from tests.simulation.run import simulate

SEEDS = 40


@pytest.mark.parametrize("mutant", LIFE_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    with mutant.applied(simulated):
        for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
            if any(mutant.says in found for found in simulate(simulated, mutant.mode, seed).violations):
                return
    pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")
