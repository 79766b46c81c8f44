"""Each rule of a chain of agents is needed, and the checker sees when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.simulation.crashes import BOUNDS, deaths
from tests.simulation.database import Database
from tests.simulation.hunt import assert_caught, seeds, until_unusual
from tests.simulation.modes import MODES
from tests.simulation.mutants import DEATH, TEAM_MUTANTS, Mutant
from tests.simulation.stories import KINDS, TEAM

SHARE = 0.5  # of the messages, to the team


@pytest.mark.parametrize("mutant", TEAM_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    assert_caught(simulated, mutant, _runs)


def _runs(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    if not mutant.mode.startswith(DEATH):
        yield from seeds(db, mutant, replace(MODES[mutant.mode], team=SHARE))
        return
    at = mutant.mode.removeprefix(DEATH).removeprefix(", at ")
    for kind in KINDS:
        found = deaths(db, kind, TEAM, returning=True, at=at)
        yield from until_unusual(death.broken(BOUNDS[True]) for death in found)
