"""Edits, steering, waiting for a person and fallbacks end as promised wherever an instance dies, or hears nothing.

A few places of each story, spread over it; `make soak-simulation` takes each of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.simulation.crashes import (
    FREEZE_BOUND,
    LOST_ANSWER_SECONDS,
    Mishap,
    death_bound,
    deaths,
    freezes,
    lost_answers,
)
from tests.simulation.database import Database
from tests.simulation.stories import FEATURES, MCP_FAILED, STEERED_WHERE_ASKED, WIRE_FAILED, WIRES, Story

MOST = 2  # places of a story

TOLD = [pytest.param(story, kind, id=f"{story.name}-{kind}") for story in FEATURES for kind in story.wires]


@pytest.mark.parametrize(("story", "kind"), TOLD)
def test_a_death(simulated: Database, story: Story, kind: str) -> None:
    found = _unbroken(deaths(simulated, kind, story, returning=True, most=MOST), death_bound(story, returning=True))
    assert [mishap.result.world.crashed.is_set() for mishap in found] == [True] * MOST
    if story.falls_back:
        assert all(mishap.result.world.counts["fell back"] for mishap in found)


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize("story", [STEERED_WHERE_ASKED, WIRE_FAILED], ids=lambda story: story.name)
def test_a_freeze_and_a_lost_answer(simulated: Database, story: Story, kind: str) -> None:
    assert _unbroken(freezes(simulated, kind, story, most=MOST), FREEZE_BOUND)
    assert _unbroken(lost_answers(simulated, kind, story, most=MOST), LOST_ANSWER_SECONDS + story.slack)


def test_a_word_is_brought_once_where_the_answer_to_its_create_was_lost(simulated: Database) -> None:
    """What the run had called by then is unknown where it has failed, and has left nothing to find it by."""
    found = deaths(simulated, "responses", MCP_FAILED, returning=True, at="start_run, answered")
    assert _unbroken(found, death_bound(MCP_FAILED, returning=True))


def _unbroken(mishaps: Iterable[Mishap], bound: float) -> list[Mishap]:
    found = list(mishaps)
    for mishap in found:
        assert not mishap.broken(bound), f"no. {mishap.number}: {mishap.where}\n{mishap.result.report()}"
    return found
