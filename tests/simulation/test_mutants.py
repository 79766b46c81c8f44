"""Each rule of the protocol is needed, and the checker sees when it is gone: by which mode stands in the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.crashes import KINDS, LOST_ANSWER_SECONDS, lost_answers
from tests.simulation.database import Database
from tests.simulation.loop import Deadlock
from tests.simulation.mutants import HARMLESS, LOST_ANSWER, MUTANTS, Mutant
from tests.simulation.run import simulate

SEEDS = 40


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    with mutant.applied(simulated):
        for violations in _runs(simulated, mutant):
            if any(mutant.says in found for found in violations):
                return
    pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")


@pytest.mark.parametrize("mutant", HARMLESS, ids=lambda mutant: mutant.name)
def test_a_harmless_change_breaks_nothing(simulated: Database, mutant: Mutant) -> None:
    """The other way round: the checker does not cry at everything."""
    with mutant.applied(simulated):
        for seed in range(5):
            result = simulate(simulated, mutant.mode, seed)
            assert not result.violations, result.report()


def _runs(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    """What broke in each seed, or at each place; a simulation that cannot go on has noticed as well."""
    if mutant.mode == LOST_ANSWER:
        yield from (mishap.broken(LOST_ANSWER_SECONDS) for kind in KINDS for mishap in lost_answers(db, kind))
        return
    for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
        try:
            yield simulate(db, mutant.mode, seed, sweeping=mutant.sweeping).violations
        except Deadlock:
            yield [f"{mutant.says}: nothing moves any more"]
