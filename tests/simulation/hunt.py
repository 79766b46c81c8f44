"""Looks for a simulated run that notices what a mutant breaks.

`python -m tests.simulation.hunt [WORD ...]` prints a line for each mutant, or for those in whose names or modes one of
the words stands: by which mode it is caught, and which promise it was seen to break there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import pytest

from tests.simulation.breaker_mutants import BREAKER_MUTANTS
from tests.simulation.crashes import BOUNDS, LOST_ANSWER_SECONDS, Unusual, deaths, lost_answers
from tests.simulation.database import Database, database
from tests.simulation.image_mutants import IMAGE_MUTANTS
from tests.simulation.life_mutants import LIFE_MUTANTS
from tests.simulation.loop import Deadlock
from tests.simulation.modes import MODES
from tests.simulation.mutants import DEATH, LOST_ANSWER, MUTANTS, TEAM_MUTANTS, Mutant
from tests.simulation.outbox_mutants import DEATHS, OUTBOX_MUTANTS
from tests.simulation.run import simulate
from tests.simulation.stories import DRAWN, KINDS, TEAM, TOLD

SHOWN = 200  # characters of what broke
SEEDS = 40  # of which one has to notice
SHARE = 0.5  # of the messages, to the team, where a mutant is one of its rules
ENDING = ("chat_advance_turn", "chat_take_webhooks", "webhook", "chat_drop_webhook")
"""The write that ends a turn, and all that comes of it."""
KEEPING = "chat_keep_image"


def runs_of(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    """What broke in each run of the mutant's mode, or at each place of its story, with the mutant applied."""
    if mutant.mode == LOST_ANSWER:
        return (mishap.broken(LOST_ANSWER_SECONDS) for kind in KINDS for mishap in lost_answers(db, kind))
    if mutant.mode == DEATHS:
        told = (deaths(db, "responses", TOLD, returning=True, at=at) for at in reversed(ENDING))
        return until_unusual(death.broken(BOUNDS[True]) for one in told for death in one)
    if mutant in IMAGE_MUTANTS:
        found = deaths(db, "responses", DRAWN, returning=True, at=KEEPING)
        return until_unusual(death.broken(BOUNDS[True]) for death in found)
    if mutant.mode.startswith(DEATH):
        at = mutant.mode.removeprefix(DEATH).removeprefix(", at ")
        chains = (deaths(db, kind, TEAM, returning=True, at=at) for kind in KINDS)
        return chain.from_iterable(until_unusual(death.broken(BOUNDS[True]) for death in one) for one in chains)
    return seeds(db, mutant)


def seeds(db: Database, mutant: Mutant) -> Iterator[list[str]]:
    """Runs of the mutant's mode. A simulation that cannot go on has noticed as well."""
    profile = replace(MODES[mutant.mode], team=SHARE) if mutant in TEAM_MUTANTS else None
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


def catch(db: Database, mutant: Mutant) -> str | None:
    """The first thing that broke and is known to be the mutant's doing; None where its mode did not notice."""
    with mutant.applied(db):
        for violations in runs_of(db, mutant):
            if (found := next((one for one in violations if mutant.says in one), None)) is not None:
                return found
    return None


def assert_caught(db: Database, mutant: Mutant) -> None:
    if catch(db, mutant) is None:
        pytest.fail(f"{mutant.name}: {mutant.mode} did not notice")


def main() -> int:
    words, missed = sys.argv[1:], 0
    every = (*MUTANTS, *TEAM_MUTANTS, *LIFE_MUTANTS, *OUTBOX_MUTANTS, *BREAKER_MUTANTS, *IMAGE_MUTANTS)
    with database() as db:
        for mutant in every:
            if words and not any(word in mutant.name or word in mutant.mode for word in words):
                continue
            found = catch(db, mutant)
            missed += found is None
            told = (found or "NOT CAUGHT").partition("\n")[0][:SHOWN]
            sys.stdout.write(f"{mutant.name} | {mutant.mode} | {told}\n")
            sys.stdout.flush()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
