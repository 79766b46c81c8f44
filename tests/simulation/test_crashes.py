"""Nothing accepted is lost wherever an instance dies, and nobody waits longer for it than was promised."""

from __future__ import annotations

import pytest

from tests.simulation.crashes import BOUNDS, KINDS, deaths
from tests.simulation.database import Database


@pytest.mark.parametrize("returning", BOUNDS, ids=lambda returning: "client" if returning else "sweep")
@pytest.mark.parametrize("kind", KINDS)
def test_a_death_at_every_boundary(simulated: Database, kind: str, returning: bool) -> None:
    found = list(deaths(simulated, kind, returning=returning))
    assert len(found) > 30
    for death in found:
        assert death.result.world.crashed_at is not None
        assert not death.result.violations, death.result.report()
        late = f"{death.added:.1f} s more after a death at no. {death.boundary}, {death.label}"
        assert death.added <= BOUNDS[returning], f"{late}\n{death.result.report()}"
