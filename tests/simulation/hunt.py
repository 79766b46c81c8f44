"""Looks for a simulated run that notices what a mutant breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.simulation.crashes import Unusual
from tests.simulation.database import Database
from tests.simulation.loop import Deadlock
from tests.simulation.modes import Profile
from tests.simulation.mutants import Mutant
from tests.simulation.run import simulate

SEEDS = 40  # of which one has to notice

Runs = Callable[[Database, Mutant], Iterable[list[str]]]
"""What broke in each run, with the mutant applied."""


def seeds(db: Database, mutant: Mutant, profile: Profile | None = None) -> Iterator[list[str]]:
    """Runs of the mutant's mode. A simulation that cannot go on has noticed as well."""
    for seed in range(mutant.first_seed, mutant.first_seed + SEEDS):
        try:
            yield simulate(db, mutant.mode, seed, sweeping=mutant.sweeping, profile=profile).violations
        except Deadlock:
            yield [f"{mutant.says}: nothing moves any more"]


def until_unusual(runs: Iterable[list[str]]) -> Iterator[list[str]]:
    """The same, where a mutant may also show before anything dies."""
    try:
        yield from runs
    except Unusual as undisturbed:
        yield [str(undisturbed)]


def assert_caught(db: Database, mutant: Mutant, runs: Runs = seeds) -> None:
    with mutant.applied(db):
        for violations in runs(db, mutant):
            if any(mutant.says in found for found in violations):
                return
    pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")
