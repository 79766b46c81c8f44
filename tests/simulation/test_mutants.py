"""Each rule of the protocol is needed, and the checker sees when it is gone: by which mode stands in the table."""

from __future__ import annotations

import pytest

from tests.simulation.database import Database
from tests.simulation.loop import Deadlock
from tests.simulation.mutants import HARMLESS, MUTANTS, Mutant
from tests.simulation.run import simulate

SEEDS = 40


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(simulated: Database, mutant: Mutant) -> None:
    with mutant.applied(simulated):
        for seed in range(SEEDS):
            try:
                violations = simulate(simulated, mutant.mode, seed, sweeping=mutant.sweeping).violations
            except (Deadlock, AssertionError):
                return
            if any(
                found.split(": ")[-1].startswith(mutant.says) or f": {mutant.says}" in found for found in violations
            ):
                return
    pytest.fail(f"{mutant.name}: nothing noticed it in {SEEDS} seeds of {mutant.mode}")


def test_lost_wake_ups_break_nothing(simulated: Database) -> None:
    with HARMLESS.applied(simulated):
        for seed in range(10):
            result = simulate(simulated, HARMLESS.mode, seed)
            assert not result.violations, result.report()
