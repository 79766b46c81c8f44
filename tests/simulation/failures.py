"""Whether a turn that failed had a reason to: what its code claims must really have happened to it."""

from __future__ import annotations

from shared.turn.outcome import MAX_FAILURES
from tests.simulation.database import Row
from tests.simulation.instance import SETTINGS
from tests.simulation.servers import Create, Run
from tests.simulation.team import POST
from tests.simulation.world import World

TURN_SECONDS = 900.0


def _let_a_server_be_called(turn: Row, world: World) -> bool:
    calls = world.database.person_calls()
    return any(
        call["turn_id"] == turn["turn_id"] and call["name"] == POST and call["status"] == "approved" for call in calls
    )


def unjustified(turn: Row, runs: list[Run], creates: list[Create], world: World) -> str | None:
    """The turn's error where nothing explains it."""
    error = str(turn["error"]["code"])
    lasted = turn["finished"] - turn["created"]
    faults = [run for run in runs if run.fault is not None]
    # a refusal that its sender did not live to record is for the next holder a create of unknown outcome
    lost = [one for one in creates if one.fate != "refused" or not one.sender.alive]
    tried = {one.fallback for one in creates if one.agent == turn["agent"]}
    if (
        error in ("run_failed", "provider_model")
        and world.breakers.looks
        and tried != {*range(len(world.fallbacks) + 1)}
    ):
        return f"{error}, though only {sorted(tried)} of its agent's choices were tried"
    explained = {
        "provider_model": any(one.refused_for_good for one in creates),
        "run_failed": bool(faults),
        "provider_unavailable": (
            (turn["failures"] >= MAX_FAILURES - 1 and len(lost) + len(faults) >= MAX_FAILURES - 1)
            # or the outputs of a run's calls could not be submitted
            or (not world.provider_works and world.server.keeps_runs and any(run.asked_for for run in runs))
            # or a create was lost that brought a word which must not be brought twice
            or (bool(lost) and _let_a_server_be_called(turn, world))
        ),
        "turn_expired": lasted >= TURN_SECONDS,
        "run_timeout": lasted >= SETTINGS.run_budget_seconds,
        "run_expired": any(run.status == "expired" for run in runs),
        "thread_gone": world.counts["threads lost"] > 0,
        "unanswered_calls": world.counts["asked for tools"] > 0,
        "unknown_tool": any(run.asked_for for run in runs),
        # a run that asked for a tool is cancelled, and the next holder finds it so
        "run_cancelled": any(run.asked_for for run in runs),
    }
    if explained.get(error, False):
        return None
    seen = [f"{run.run_id} {run.status} {run.fault or ''} {run.cancelled_by or ''}".strip() for run in runs]
    return f"{error} after {lasted:.0f} s and {turn['failures']} failures, with {seen or 'no run'}"
