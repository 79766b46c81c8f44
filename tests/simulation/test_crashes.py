"""Nothing accepted is lost wherever an instance dies, and no client waits longer for it than was promised."""

from __future__ import annotations

import pytest

from tests.simulation.crashes import (
    BOUNDS,
    FREEZE_BOUND,
    LOST_ANSWER_SECONDS,
    SHUTDOWN_BOUND,
    deaths,
    freezes,
    lost_answers,
    shutdowns,
)
from tests.simulation.database import Database
from tests.simulation.stories import KINDS

EVERY = {True: 4, False: 5}  # boundaries; `make soak-simulation` takes each of them
EVERY_FREEZE = 4
EVERY_SHUTDOWN = 8


@pytest.mark.parametrize("returning", BOUNDS, ids=lambda returning: "client" if returning else "sweep")
@pytest.mark.parametrize("kind", KINDS)
def test_a_death_at_every_boundary(simulated: Database, kind: str, returning: bool) -> None:
    found = list(deaths(simulated, kind, returning=returning, every=EVERY[returning]))
    assert len(found) > 15 / EVERY[returning]
    for death in found:
        assert death.result.world.crashed.is_set()
        assert not death.broken(BOUNDS[returning]), f"no. {death.number}: {death.where}\n{death.result.report()}"


def test_a_freeze_at_every_boundary(simulated: Database) -> None:
    """A holder that goes on after its lease has lapsed does no harm, and no client has waited for it."""
    for freeze in freezes(simulated, KINDS[0], every=EVERY_FREEZE):
        assert not freeze.broken(FREEZE_BOUND), f"no. {freeze.number}: {freeze.where}\n{freeze.result.report()}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_shutdown_at_every_boundary(simulated: Database, kind: str) -> None:
    """Every deployment takes instances away in mid-answer: no request is cut off, and another one goes on at once."""
    found = list(shutdowns(simulated, kind, every=EVERY_SHUTDOWN))
    assert len(found) > 4
    for shutdown in found:
        assert shutdown.result.world.counts["shutdowns"] == 1
        assert not shutdown.broken(SHUTDOWN_BOUND), (
            f"no. {shutdown.number}: {shutdown.where}\n{shutdown.result.report()}"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_costs_no_lease(simulated: Database, kind: str) -> None:
    """A call that is repeated is recognised: its caller gets what it missed."""
    found = list(lost_answers(simulated, kind))
    assert len(found) > 6
    for lost in found:
        assert not lost.broken(LOST_ANSWER_SECONDS), f"no. {lost.number}: {lost.where}\n{lost.result.report()}"
