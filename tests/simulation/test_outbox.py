"""Another service is told of the end of every turn, wherever an instance dies; and the checks see where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.crashes import BOUNDS, Unusual, deaths
from tests.simulation.database import Database
from tests.simulation.mutants import Mutant
from tests.simulation.outbox_mutants import DEATHS, OUTBOX_MUTANTS
from tests.simulation.run import simulate

# the write that ends a turn, and all that comes of it
ENDING = ("chat_advance_turn", "chat_take_webhooks", "webhook", "chat_drop_webhook")
SEEDS = 40


@pytest.mark.parametrize("at", ENDING)
def test_a_death_where_the_end_of_a_turn_is_told(simulated: Database, at: str) -> None:
    found = list(deaths(simulated, "responses", returning=True, at=at, tells=True))
    assert len(found) > 3
    for death in found:
        assert death.result.world.crashed.is_set()
        assert not death.broken(BOUNDS[True]), f"no. {death.number}: {death.where}\n{death.result.report()}"


@pytest.mark.parametrize("mutant", OUTBOX_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    with mutant.applied(simulated):
        for violations in _runs(simulated, mutant):
            if any(mutant.says in found for found in violations):
                return
    pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")


def _runs(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    if mutant.mode == DEATHS:
        try:
            found = (deaths(db, "responses", returning=True, at=at, tells=True) for at in reversed(ENDING))
            yield from (death.broken(BOUNDS[True]) for one in found for death in one)
        except Unusual as undisturbed:
            yield [str(undisturbed)]
        return
    for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
        yield simulate(db, mutant.mode, seed).violations
