"""Two messages to one conversation, and one thing that goes wrong: once at every place there is.

An instance dies, freezes or is told to end at an effect's boundary, or the answer to a database call is lost.

`python -m tests.simulation.crashes` prints the worst delays.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shared.core.turns import MultitaskStrategy
from tests.simulation.database import Database, database
from tests.simulation.modes import FREEZE_SECONDS, STEERING, Profile
from tests.simulation.people import Person, users
from tests.simulation.run import Result, play
from tests.simulation.servers import EXPIRY_SECONDS
from tests.simulation.sweep import PERIOD_SECONDS, schedule, sweep, tidy_up
from tests.simulation.world import Answer, World

BUDGET_SECONDS = 60.0
RETRY_SECONDS = 1.0
BOUNDS = {True: 30.0, False: 90.0}  # seconds a crash may add, with a client that comes back and without
SHUTDOWN_BOUND = 2.0  # a client that comes back, as the 202 that it gets asks it to
TEAM_SECONDS = 2.0  # by which the lengths of a team's seven runs differ from one story to the next
FREEZE_BOUND = FREEZE_SECONDS + BOUNDS[True]  # a client whose own instance is frozen waits for that as well
LOST_ANSWER_SECONDS = 6.0  # two attempts' worth: less than a lease, so no client waited for one to lapse
CONVERSATION = "00000000-0000-0000-0000-0000000003e8"
SEED = 1
HEARD = ", heard"  # what its runs say can be heard as it comes
KINDS = ("threads", "responses", f"threads{HEARD}", f"responses{HEARD}")


class Unusual(AssertionError):
    """A promise broke though nothing went wrong."""


@dataclass(frozen=True, slots=True)
class Mishap:
    number: int
    where: str
    added: float  # seconds, of the later of the two answers
    result: Result

    def broken(self, bound: float) -> list[str]:
        late = [f"it added {self.added:.1f} s, more than {bound:.0f} s"] if self.added > bound else []
        return [*self.result.violations, *late]


POLLS = ("get_run, ", "chat_get_turn, ")


def deaths(
    db: Database,
    kind: str,
    *,
    returning: bool,
    team: bool = False,
    asks_people: bool = False,
    every: int = 1,
    at: str = "",
    replaces: bool = False,
    tells: bool = False,
    steers: bool = False,
) -> Iterator[Mishap]:
    """One run for each boundary of the undisturbed one whose name begins with `at`.

    With `every` above 1 without looks that are like the last. `replaces`: the second message asks once more for an
    answer to the first, which is under way. `tells`: another service is told of the ends of both. `steers`: the second
    one is to join the first.
    """
    profile = replace(_profile(kind, team), asks_people=asks_people, replaces=float(replaces), tells=tells)
    if steers:
        profile = replace(profile, mixes=(STEERING,))
    usual = _usual(db, profile, returning=returning)
    reached = usual.world.reached[: usual.world.counts["boundaries"]]
    numbers = [
        number
        for number, label in enumerate(reached, start=1)
        if label.startswith(at)
        and (every == 1 or not (label.startswith(POLLS) and label in reached[max(number - 5, 0) : number - 1]))
    ]
    for number in numbers[::every]:
        result = _run(db, replace(profile, crash_at=number), returning=returning)
        yield Mishap(number, f"a death at {result.world.died_at}", _added(result, usual), result)


def freezes(db: Database, kind: str, *, team: bool = False, every: int = 1) -> Iterator[Mishap]:
    """One run for each boundary; every request has an instance of its own, so the others see the lease lapse."""
    profile = replace(_profile(kind, team), cold_starts=1.0, messages=3)
    usual = _usual(db, profile, returning=True)
    for number in range(1, usual.world.counts["boundaries"] + 1, every):
        result = _run(db, replace(profile, freeze_at=number), returning=True)
        yield Mishap(number, f"a freeze at {result.world.frozen_at}", _added(result, usual), result)


def shutdowns(db: Database, kind: str, *, team: bool = False, every: int = 1) -> Iterator[Mishap]:
    """One run for each boundary; the runs last longer than the instance may."""
    seconds = (2.0, 2.0) if team else (12.0, 12.0)
    # looks so close to each other that their moments add nothing worth mentioning
    profile = replace(_profile(kind, team), run_seconds=seconds, poll_max_seconds=0.3)
    usual = _usual(db, profile, returning=True)
    for number in range(1, usual.world.counts["boundaries"] + 1, every):
        result = _run(db, replace(profile, end_at=number), returning=True)
        yield Mishap(number, f"a shutdown at {result.world.ended_at}", _added(result, usual), result)


def lost_answers(db: Database, kind: str, *, team: bool = False, every: int = 1) -> Iterator[Mishap]:
    """One run for each database call of the undisturbed one."""
    usual = _usual(db, _profile(kind, team), returning=True)
    for number in range(1, usual.world.counts["calls made"] + 1, every):
        result = _run(db, replace(_profile(kind, team), lose_call=number), returning=True)
        yield Mishap(number, f"the lost answer to {result.world.lost_call}", _added(result, usual), result)


def _profile(kind: str, team: bool = False) -> Profile:
    """With a team the first message goes to it: runs that are short, because there are many."""
    seconds = (0.8, 0.8) if team else (3.0, 3.0)
    return Profile(
        kinds=(kind.removesuffix(HEARD),),
        hears=float(kind.endswith(HEARD)),
        run_seconds=seconds,
        long_runs=0.0,
        cold_starts=0.0,
        ignores_cancel=0.0,
        team=float(team),
    )


def _usual(db: Database, profile: Profile, *, returning: bool) -> Result:
    result = _run(db, profile, returning=returning)
    unanswered = (turn for turn in db.turns() if turn["status"] != "completed")
    if result.violations or any(turn["superseded_how"] != "edit" for turn in unanswered):
        raise Unusual(result.report())
    result.ends.update(_ends(db))
    return result


def _added(result: Result, usual: Result) -> float:
    return max((at - usual.ends[key] for key, at in _ends(result.world.database).items()), default=0.0)


def _run(db: Database, profile: Profile, *, returning: bool) -> Result:
    return play(db, f"one crash, client {'returns' if returning else 'leaves'}", SEED, profile, _Story(returning).play)


@dataclass(frozen=True, slots=True)
class _Story:
    returning: bool

    async def play(self, world: World) -> None:
        person = Person(world, users(world)[0])
        for number in range(1, world.profile.messages):  # the client that was answered last goes on
            world.addressed[person.user.id, f"key {number}"] = None
        world.spawn(_worst_schedule(world))
        await asyncio.gather(*(self._send(person, number) for number in range(world.profile.messages)))
        while world.database.open_turns() + world.database.untold() and world.now < 2000:  # noqa: ASYNC110
            await asyncio.sleep(1)
        world.counts["boundaries"], world.counts["calls made"] = world.steps, world.counts["calls"]
        await asyncio.sleep(FREEZE_SECONDS + 20)  # who was frozen goes on
        last_at = world.now + EXPIRY_SECONDS
        while world.now < last_at and any(run.active for run in world.server.runs.values()):  # noqa: ASYNC110
            await asyncio.sleep(10)
        if world.profile.team:
            world.profile = world.profile.quiet()
            await tidy_up(world)

    async def _send(self, person: Person, number: int) -> None:
        await asyncio.sleep(number * 0.5)
        while True:
            answer = await self._message(person, number)
            if answer.turn is not None:
                for call in answer.turn.calls:
                    await person.answer(answer.turn.turn_id, call, True)
            if answer.code == "final" or not (self.returning or answer.code == "open"):
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _message(self, person: Person, number: int) -> Answer:
        key, world = f"key {number}", person.world
        if not number or not world.profile.replaces:
            steers = number and world.profile.mixes == (STEERING,)
            strategy = MultitaskStrategy.STEER if steers else MultitaskStrategy.ENQUEUE
            return await person.post(key, CONVERSATION, f"message {number}", strategy, BUDGET_SECONDS)
        while not (turns := world.database.turns()):  # noqa: ASYNC110  # the client of the first one comes back
            await asyncio.sleep(RETRY_SECONDS / 10)
        return await person.replace(key, CONVERSATION, turns[0]["turn_id"], None, BUDGET_SECONDS)


async def _worst_schedule(world: World) -> None:
    """The sweep comes just before the dead holder's lease lapses, and then only a whole period later."""
    await world.crashed.wait()
    left = world.database.lease_left(world.now)
    await schedule(world, sweep, max(left - 0.5, 0.0) if left else PERIOD_SECONDS - 0.1)


def _ends(db: Database) -> dict[str, float]:
    return {turn["key"]: turn["finished"] for turn in db.turns()}


def main() -> int:
    broken = 0
    with database() as db:
        for kind, team in itertools.product(KINDS, (False, True)):
            what = f"{kind}, a team" if team else kind
            for returning, bound in BOUNDS.items():
                who = "a client that returns" if returning else "the sweep alone"
                found = list(deaths(db, kind, returning=returning, team=team))
                broken += _tell(f"{what}, deaths, {who}", found, bound)
            bound = SHUTDOWN_BOUND + (TEAM_SECONDS if team else 0.0)
            broken += _tell(f"{what}, shutdowns", list(shutdowns(db, kind, team=team)), bound)
            broken += _tell(f"{what}, freezes", list(freezes(db, kind, team=team)), FREEZE_BOUND)
            broken += _tell(f"{what}, lost answers", list(lost_answers(db, kind, team=team)), LOST_ANSWER_SECONDS)
            if not team:
                found = list(deaths(db, kind, returning=True, tells=True))
                broken += _tell(f"{what}, deaths, another service is told of the ends", found, BOUNDS[True])
            else:
                found = list(deaths(db, kind, returning=True, team=True, steers=True))
                broken += _tell(f"{what}, deaths, a message is steered", found, BOUNDS[True])
    return int(broken > 0)


def _tell(what: str, found: list[Mishap], bound: float) -> int:
    worst = max(found, key=lambda mishap: mishap.added)
    bad = sum(bool(mishap.broken(bound)) for mishap in found)
    sys.stdout.write(
        f"{what}: {len(found)} places, worst added delay {worst.added:.1f} s (bound {bound:.0f} s)"
        f" after no. {worst.number}, {worst.where}; broken {bad}\n"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main())
