"""Two messages to one conversation, and one instance that dies: once at every boundary there is.

`python -m tests.simulation.crashes` prints the worst delays.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shared.core.model import MultitaskStrategy
from tests.simulation.database import Database, database
from tests.simulation.modes import Profile
from tests.simulation.people import Person, users
from tests.simulation.run import Result, play
from tests.simulation.sweeping import PERIOD_SECONDS, schedule, sweep
from tests.simulation.world import World

BUDGET_SECONDS = 25.0
RETRY_SECONDS = 1.0
BOUNDS = {True: 30.0, False: 90.0}  # seconds a crash may add, with a client that comes back and without
CONVERSATION = "00000000-0000-0000-0000-0000000003e8"
SEED = 1
KINDS = ("threads", "responses")


@dataclass(frozen=True, slots=True)
class Death:
    boundary: int
    label: str
    added: float  # seconds, of the later of the two answers
    result: Result


def deaths(db: Database, kind: str, *, returning: bool) -> Iterator[Death]:
    """One run for each boundary of the undisturbed one."""
    profile = Profile(kinds=(kind,), run_seconds=(3.0, 3.0), cold_starts=0.0, ignores_cancel=0.0)
    undisturbed = _run(db, profile, returning=returning)
    assert not undisturbed.violations, undisturbed.report()
    usual = _ends(undisturbed.world)
    for boundary in range(1, undisturbed.world.steps + 1):
        result = _run(db, replace(profile, crash_at=boundary), returning=returning)
        ends = _ends(result.world)
        added = max((ends[key] - usual[key] for key in ends), default=0.0)
        yield Death(boundary, result.world.died_at or "nowhere", added, result)


def _run(db: Database, profile: Profile, *, returning: bool) -> Result:
    return play(db, f"one crash, client {'returns' if returning else 'leaves'}", SEED, profile, _Story(returning).play)


@dataclass(frozen=True, slots=True)
class _Story:
    returning: bool

    async def play(self, world: World) -> None:
        person = Person(world, users(world)[0])
        world.spawn(_worst_schedule(world))
        await asyncio.gather(self._send(person, 0), self._send(person, 1))
        while world.database.open_turns() and world.now < 2000:  # noqa: ASYNC110
            await asyncio.sleep(1)
        await asyncio.sleep(700)

    async def _send(self, person: Person, number: int) -> None:
        await asyncio.sleep(number * 0.5)
        while True:
            answer = await person.post(
                f"key {number}", CONVERSATION, f"message {number}", MultitaskStrategy.ENQUEUE, BUDGET_SECONDS
            )
            if answer.code == "final" or not (self.returning or answer.code == "open"):
                return
            await asyncio.sleep(RETRY_SECONDS)


async def _worst_schedule(world: World) -> None:
    """The sweep comes just before the dead holder's lease lapses, and then only a whole period later."""
    while world.crashed_at is None:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    left = world.database.lease_left(world.now)
    await schedule(world, sweep, max(left - 0.5, 0.0) if left else PERIOD_SECONDS - 0.1)


def _ends(world: World) -> dict[str, float]:
    return {turn["key"]: turn["finished"] for turn in world.database.turns()}


def main() -> int:
    broken = 0
    with database() as db:
        for kind in KINDS:
            for returning, bound in BOUNDS.items():
                found = list(deaths(db, kind, returning=returning))
                worst = max(found, key=lambda death: death.added)
                bad = [death for death in found if death.result.violations or death.added > bound]
                broken += len(bad)
                who = "a client that returns" if returning else "the sweep alone"
                sys.stdout.write(
                    f"{kind:9} with {who}: {len(found)} boundaries, worst added delay {worst.added:.1f} s"
                    f" (bound {bound:.0f} s) after a death at no. {worst.boundary}, {worst.label}; broken {len(bad)}\n"
                )
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
