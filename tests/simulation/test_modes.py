"""Every mode, six seeds: no promise breaks. A failure prints the seed, what broke and how to run it again."""

from __future__ import annotations

import pytest

from tests.simulation.database import Database
from tests.simulation.modes import MODES
from tests.simulation.run import simulate

SEEDS = 6
BATCH = 3


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
@pytest.mark.parametrize("mode", MODES)
def test_no_promise_breaks(simulated: Database, mode: str, first: int) -> None:
    completed = 0
    for seed in range(first, first + BATCH):
        result = simulate(simulated, mode, seed)
        assert not result.violations, result.report()
        completed += result.world.counts["turn.completed"]
    assert completed > BATCH, "a world in which little happens keeps every promise"


def test_a_seed_is_one_story(simulated: Database) -> None:
    """The same seed twice, to the last log line: otherwise no failure could be looked into."""
    first, second = (simulate(simulated, "storm", 1) for _ in range(2))
    assert [entry[:2] for entry in first.world.log] == [entry[:2] for entry in second.world.log]
    assert first.world.answers == second.world.answers
