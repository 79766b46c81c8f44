"""Each rule of a chain of agents is needed, and the checker sees when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.simulation.crashes import BOUNDS, KINDS, Unusual, deaths
from tests.simulation.database import Database
from tests.simulation.loop import Deadlock
from tests.simulation.modes import MODES
from tests.simulation.mutants import DEATH, TEAM_MUTANTS, Mutant
from tests.simulation.run import simulate

SEEDS = 40
SHARE = 0.5  # of the messages, to the team


@pytest.mark.parametrize("mutant", TEAM_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    with mutant.applied(simulated):
        for violations in _runs(simulated, mutant):
            if any(mutant.says in found for found in violations):
                return
    pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")


def _runs(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    if mutant.mode.startswith(DEATH):
        at = mutant.mode.removeprefix(DEATH).removeprefix(", at ")
        for kind in KINDS:
            try:
                yield from (death.broken(BOUNDS[True]) for death in deaths(db, kind, returning=True, team=True, at=at))
            except Unusual as undisturbed:
                yield [str(undisturbed)]
        return
    for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
        try:
            yield simulate(db, mutant.mode, seed, profile=replace(MODES[mutant.mode], team=SHARE)).violations
        except Deadlock:
            yield [f"{mutant.says}: nothing moves any more"]
