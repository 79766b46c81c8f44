"""A conversation is given a new thread and deleted while it is being answered; an instance dies once at every place.

What is checked is what a deletion promises: no message is answered after it, nothing of the conversation is left in the
rows or at the provider once the sweep has run, and nothing of another user is touched.

`python -m tests.simulation.deletions` takes every place.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace

from functions.maintenance.app import ANSWER_SECONDS
from functions.maintenance.tidying import Tidying
from shared.clock import LoopClock
from shared.core.errors import StoreUnavailable
from shared.core.turns import MultitaskStrategy
from tests.simulation.crashes import CONVERSATION, RETRY_SECONDS, SEED
from tests.simulation.database import Database, database
from tests.simulation.instance import SETTINGS, Instance
from tests.simulation.keepers import Keeper
from tests.simulation.modes import Profile
from tests.simulation.people import Person, users
from tests.simulation.run import Result, play
from tests.simulation.sweep import LEFT, PERIOD_SECONDS, schedule, sweep
from tests.simulation.world import World

BUDGET_SECONDS = 20.0
LATEST_SECONDS = 240.0  # until nothing may be left: four sweeps
PROFILE = Profile(run_seconds=(3.0, 3.0), long_runs=0.0, cold_starts=0.0, ignores_cancel=0.0, team=0.0, hears=0.0)


def deletions(db: Database, kind: str, *, every: int = 1) -> Iterator[Result]:
    """The undisturbed story first, then one for each boundary from the rotation on at which an instance dies."""
    profile = replace(PROFILE, kinds=(kind,))
    usual = _play(db, profile)
    yield usual
    for number in range(usual.world.counts["before"] + 1, usual.world.counts["boundaries"] + 1, every):
        yield _play(db, replace(profile, crash_at=number))


def _play(db: Database, profile: Profile) -> Result:
    return play(db, "a deletion", SEED, profile, story)


async def story(world: World) -> None:
    owner, other = (Keeper(world, user) for user in users(world))
    for key in range(3):
        world.addressed[owner.user.id, f"key {key}"] = None
    world.spawn(schedule(world, _sweep_all, PERIOD_SECONDS - 0.1))
    kept = await _post(other, 0)
    await _post(owner, 0)
    world.counts["before"] = world.steps
    await owner.change("rotate", CONVERSATION)
    waiting = world.spawn(_post(owner, 1))
    await asyncio.sleep(1.5)  # its run is under way
    await owner.delete(CONVERSATION)
    if await _post(owner, 1) != "conversation_deleted" or await _post(owner, 2) != "conversation_deleted":
        world.blame("a message was taken after the deletion")
    if await waiting != "conversation_deleted":
        world.blame("who waited there was not told")
    last_at = world.now + LATEST_SECONDS
    while world.database.texts(LEFT) and world.now < last_at:  # noqa: ASYNC110
        await asyncio.sleep(1)
    world.counts["boundaries"] = world.steps  # those of the schedule that ends and deletes what was left among them
    await asyncio.sleep(max(last_at - world.now, 0))
    world.owners = {turn: user for turn, user in world.owners.items() if user != owner.user.id}
    for found in _left(world, owner, other):
        world.blame(found)
    if kept != "final":
        world.blame("another user was not answered")


def _left(world: World, owner: Person, other: Person) -> Iterator[str]:
    if any(turn["user_id"] == owner.user.id for turn in world.database.turns()):
        yield "rows are left"
    yield from (f"{what} is left on record" for what in world.database.texts(LEFT))
    own = world.database.threads().get((other.user.id, CONVERSATION))
    for place in world.server.places.values():
        # one whose instance died before it had written its id down leaks: no run was ever started there
        used = bool(world.server.of(place.place_id))
        if place.place_id != own and not place.deleted and used:
            yield f"{place.place_id} is left at the provider"
        if place.place_id == own and place.deleted:
            yield "another user's thread is gone"


async def _post(person: Person, key: int) -> str:
    """The code of the answer that its sender goes by: one that lost its connection asks again."""
    while True:
        answer = await person.post(
            f"key {key}", CONVERSATION, f"message {key}", MultitaskStrategy.ENQUEUE, BUDGET_SECONDS
        )
        if answer.code not in ("open", "reset", "silence", "store_unavailable"):
            return answer.code
        await asyncio.sleep(RETRY_SECONDS)


async def _sweep_all(instance: Instance) -> None:
    await sweep(instance)
    with contextlib.suppress(StoreUnavailable):
        deadline = instance.world.now + SETTINGS.sweep_seconds - ANSWER_SECONDS
        await Tidying(instance.store, instance.chat, LoopClock()).run(deadline)


def main() -> int:
    bad = 0
    with database() as db:
        for kind in ("threads", "responses"):
            found = list(deletions(db, kind))
            broken = [result for result in found if result.violations]
            bad += len(broken)
            sys.stdout.write(f"{kind}: a rotation and a deletion, {len(found) - 1} deaths, broken {len(broken)}\n")
            sys.stdout.writelines(f"{result.report()}\n" for result in broken[:3])
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
