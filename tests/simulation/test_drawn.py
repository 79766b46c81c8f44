"""An image is kept once and named once wherever an instance dies; and the checks see where it is not."""

from __future__ import annotations

import pytest

from tests.simulation.crashes import BOUNDS, deaths
from tests.simulation.database import Database
from tests.simulation.hunt import KEEPING, assert_caught
from tests.simulation.image_mutants import IMAGE_MUTANTS
from tests.simulation.mutants import Mutant
from tests.simulation.stories import DRAWN, WIRES


@pytest.mark.parametrize("kind", WIRES)
def test_a_death_where_an_image_is_kept(simulated: Database, kind: str) -> None:
    found = list(deaths(simulated, kind, DRAWN, returning=True, at=KEEPING))
    assert len(found) > 3
    for death in found:
        assert death.result.world.crashed.is_set()
        assert not death.broken(BOUNDS[True]), f"no. {death.number}: {death.where}\n{death.result.report()}"


@pytest.mark.parametrize("mutant", IMAGE_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    assert_caught(simulated, mutant)
