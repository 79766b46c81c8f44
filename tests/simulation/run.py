"""One seed from the first message to the last look: people, faults, then silence, then the checker."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from shared.core.turns import MultitaskStrategy
from tests.simulation import checker
from tests.simulation.breaker_watch import LONGEST_SECONDS
from tests.simulation.database import Database
from tests.simulation.keepers import keepers
from tests.simulation.loop import SimLoop
from tests.simulation.modes import MODES, Profile
from tests.simulation.people import Person, Snoop, tabs, users
from tests.simulation.receiver import Receiver
from tests.simulation.servers import EXPIRY_SECONDS, Server
from tests.simulation.sweep import PERIOD_SECONDS, Sweeping, schedule, sweep, tidy_all, tidy_up
from tests.simulation.world import Listener, World

DRAIN_SECONDS = 1000.0  # after the last client left, until everything has to be final
STRAY_SECONDS = 130.0
LOG_LINES = 40


Story = Callable[[World], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Result:
    mode: str
    seed: int
    world: World
    violations: list[str]
    ends: dict[str, float] = field(default_factory=dict)  # by key, in seconds; where a story keeps them

    def report(self) -> str:
        """What a failed assertion shows."""
        world = self.world
        lines = [f"{at:9.3f} {where:>4} {text}" for at, where, text in list(world.log)[-LOG_LINES:]]
        return "\n".join(
            [
                f"mode {self.mode}, seed {self.seed}, provider {world.kind}: {len(self.violations)} violations",
                *(f"  {one}" for one in self.violations[:8]),
                f"the last {len(lines)} lines:",
                *lines,
                f"again: python -m tests.simulation {self.mode} --from {self.seed} --seeds 1 --log",
            ]
        )


async def scenario(world: World, sweeping: Sweeping) -> None:
    """Faults last as long as people are there; then the sweep alone has to bring everything to its end."""
    leaving = [world.spawn(one.work()) for one in tabs(world)] + [world.spawn(one.work()) for one in keepers(world)]
    snoop = world.spawn(Snoop(world, users(world)[-1]).work())
    others = [
        world.spawn(world.outages()),
        world.spawn(world.server.strangers()),
        world.spawn(schedule(world, sweeping, world.rng.uniform(0, PERIOD_SECONDS))),
    ]
    await asyncio.gather(*leaving)
    snoop.cancel()
    world.profile = world.profile.quiet()
    world.note("all people have left, nothing fails any more")
    quiet_at = world.now
    # what a frozen instance was about to send may arrive as late as it goes on
    while (left := world.database.open_turns() + world.database.untold()) or world.now < quiet_at + STRAY_SECONDS:
        if left:
            world.drained_in = world.now - quiet_at
        if world.drained_in > DRAIN_SECONDS:
            break
        await asyncio.sleep(5)
    for task in others:
        task.cancel()
    if world.breakers.looks:
        await world.spawn(late_message(world))
    if world.profile.tidies:
        await tidy_up(world)
    await asyncio.sleep(EXPIRY_SECONDS + 100)
    if world.profile.changes:  # what did not end before has expired
        await tidy_all(world)


async def late_message(world: World) -> None:
    """Long after the last failure: one more turn, after which no breaker is open on its agent's own row."""
    await asyncio.sleep(LONGEST_SECONDS)
    late = Person(world, users(world)[0])
    answer = await late.post("late", str(uuid.UUID(int=1)), "a late message", MultitaskStrategy.ENQUEUE, 100.0)
    if answer.code != "final":
        world.blame(f"a late message was answered {answer.code}")
    else:
        world.breakers.late_turn = answer.turn


def simulate(
    database: Database,
    mode: str,
    seed: int,
    *,
    profile: Profile | None = None,
    sweeping: Sweeping = sweep,
    verbose: bool = False,
) -> Result:
    return play(database, mode, seed, profile or MODES[mode], lambda world: scenario(world, sweeping), verbose=verbose)


def play(database: Database, mode: str, seed: int, profile: Profile, story: Story, *, verbose: bool = False) -> Result:
    """One story in a world of its own, and what the checker says to it."""
    database.clear()
    loop = SimLoop(seed)
    with _ids(seed), _listening(world := World(loop, seed, profile, database)):
        world.verbose = verbose
        world.server, world.receiver = Server(world), Receiver(world, seed)
        world.servers = (world.server, *([world.server.other_wire()] if profile.falls_to_other_wire else []))
        if profile.team:
            database.hire([user.id for user in users(world)], asking=profile.asks_people)
        database.set_fallbacks(world.fallbacks)
        try:
            loop.run_until_complete(story(world))
        finally:
            _end(loop)
    return Result(mode, seed, world, [*world.violations, *checker.check(world)])


def _end(loop: SimLoop) -> None:
    """Nothing is left running: what asks for one more wait on its way out gets it."""
    for _ in range(20):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=1))
    loop.close()


@contextmanager
def _ids(seed: int) -> Iterator[None]:
    """The service's own ids, the same for the same seed."""
    dice = random.Random(f"ids {seed}")
    with patch.object(uuid, "uuid4", lambda: uuid.UUID(int=dice.getrandbits(128), version=4)):
        yield


@contextmanager
def _listening(world: World) -> Iterator[None]:
    logger: Any = logging.getLogger("multi_agent_chat")
    handler, level, passes_on = Listener(world), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = passes_on
