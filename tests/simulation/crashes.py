"""Two messages to one conversation, and one thing that goes wrong: once at every place there is.

An instance dies, freezes or is told to end at an effect's boundary, or the answer to a database call is lost.

`python -m tests.simulation.crashes [WORD ...]` prints the worst delays of each story, or of those that the words name.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shared.core.turns import MultitaskStrategy
from tests.simulation.database import Database, database
from tests.simulation.instance import SETTINGS
from tests.simulation.modes import FREEZE_SECONDS, Profile
from tests.simulation.people import Person, users
from tests.simulation.run import Result, play
from tests.simulation.servers import EXPIRY_SECONDS
from tests.simulation.stories import FEATURES, HEARD, PLAIN, STORIES, Second, Story
from tests.simulation.sweep import PERIOD_SECONDS, schedule, sweep, tidy_up
from tests.simulation.world import Answer, World

BUDGET_SECONDS = 60.0
RETRY_SECONDS = 1.0
BOUNDS = {True: 30.0, False: 90.0}  # seconds a crash may add, with a client that comes back and without
SHUTDOWN_BOUND = 2.0  # a client that comes back, as the 202 that it gets asks it to
FREEZE_BOUND = FREEZE_SECONDS + BOUNDS[True]  # a client whose own instance is frozen waits for that as well
LOST_ANSWER_SECONDS = 6.0  # two attempts' worth: less than a lease, so no client waited for one to lapse
CONVERSATION = "00000000-0000-0000-0000-0000000003e8"
SEED = 1


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
    story: Story = PLAIN,
    *,
    returning: bool,
    every: int = 1,
    at: str = "",
    most: int | None = None,
) -> Iterator[Mishap]:
    """One run for each boundary of the undisturbed one whose name begins with `at`.

    With `every` above 1 without looks that are like the last; of all those `most`, evenly spread.
    """
    teller = Teller(story, returning)
    profile = _profile(kind, story)
    usual = _usual(db, profile, teller)
    reached = usual.world.reached[: usual.world.counts["boundaries"]]
    numbers = [
        number
        for number, label in enumerate(reached, start=1)
        if label.startswith(at)
        and (every == 1 or not (label.startswith(POLLS) and label in reached[max(number - 5, 0) : number - 1]))
    ]
    for number in _spread(numbers[::every], most):
        result = teller.tell(db, replace(profile, crash_at=number))
        yield Mishap(number, f"a death at {result.world.died_at}", _added(result, usual), result)


def freezes(
    db: Database, kind: str, story: Story = PLAIN, *, every: int = 1, most: int | None = None
) -> Iterator[Mishap]:
    """One run for each boundary; every request has an instance of its own, so the others see the lease lapse."""
    profile, teller = replace(_profile(kind, story), cold_starts=1.0, messages=3), Teller(story)
    usual = _usual(db, profile, teller)
    for number in _spread(range(1, usual.world.counts["boundaries"] + 1, every), most):
        result = teller.tell(db, replace(profile, freeze_at=number))
        yield Mishap(number, f"a freeze at {result.world.frozen_at}", _added(result, usual), result)


def shutdowns(db: Database, kind: str, story: Story = PLAIN, *, every: int = 1) -> Iterator[Mishap]:
    """One run for each boundary; the runs last longer than the instance may."""
    seconds = (2.0, 2.0) if story.is_of_a_team else (12.0, 12.0)
    # looks so close to each other that their moments add nothing worth mentioning
    profile = replace(_profile(kind, story), run_seconds=seconds, poll_max_seconds=0.3)
    teller = Teller(story)
    usual = _usual(db, profile, teller)
    for number in range(1, usual.world.counts["boundaries"] + 1, every):
        result = teller.tell(db, replace(profile, end_at=number))
        yield Mishap(number, f"a shutdown at {result.world.ended_at}", _added(result, usual), result)


def lost_answers(
    db: Database, kind: str, story: Story = PLAIN, *, every: int = 1, most: int | None = None
) -> Iterator[Mishap]:
    """One run for each database call of the undisturbed one."""
    profile, teller = _profile(kind, story), Teller(story)
    usual = _usual(db, profile, teller)
    for number in _spread(range(1, usual.world.counts["calls made"] + 1, every), most):
        result = teller.tell(db, replace(profile, lose_call=number))
        yield Mishap(number, f"the lost answer to {result.world.lost_call}", _added(result, usual), result)


def _spread(numbers: Sequence[int], most: int | None) -> Sequence[int]:
    """Not the first one, where there are more: before that nothing has happened."""
    if most is None or len(numbers) <= most:
        return numbers
    return [numbers[(2 * n + 1) * len(numbers) // (2 * most)] for n in range(most)]


def _profile(kind: str, story: Story) -> Profile:
    usual = Profile(
        kinds=(kind.removesuffix(HEARD),),
        hears=float(kind.endswith(HEARD)),
        run_seconds=(3.0, 3.0),
        long_runs=0.0,
        cold_starts=0.0,
        ignores_cancel=0.0,
        team=0.0,
    )
    return replace(usual, **story.changes)


def _usual(db: Database, profile: Profile, teller: Teller) -> Result:
    result = teller.tell(db, profile)
    others = (turn for turn in db.turns() if turn["status"] != teller.story.end)
    if result.violations or any(turn["superseded_how"] != "edit" for turn in others):
        raise Unusual(result.report())
    result.ends.update(_ends(db))
    return result


def _added(result: Result, usual: Result) -> float:
    return max((at - usual.ends[key] for key, at in _ends(result.world.database).items()), default=0.0)


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells one story, with clients that come back or do not."""

    story: Story
    returning: bool = True

    def tell(self, db: Database, profile: Profile) -> Result:
        what = f"{self.story.name}, client {'returns' if self.returning else 'leaves'}"
        return play(db, what, SEED, profile, self._play)

    async def _play(self, world: World) -> None:
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
        await self._until_due(person.world, number)
        while True:
            answer = await self._message(person, number)
            if answer.turn is not None and (number or not self.story.finds_it_waiting):
                for call in answer.turn.calls:
                    await person.answer(answer.turn, call, self.story.approves)
            if answer.code == "final" or not (self.returning or answer.code == "open"):
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _until_due(self, world: World, number: int) -> None:
        await asyncio.sleep(number * self.story.after)
        due = world.database.person_calls if self.story.finds_it_waiting else world.database.turns
        # the client of the first one comes back, or the instance has died before that was accepted
        while number and self.story.second.displaces and not due() and (self.returning or not world.crashed.is_set()):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS / 10)

    async def _message(self, person: Person, number: int) -> Answer:
        key, text, world, second = f"key {number}", f"message {number}", person.world, self.story.second
        turns = world.database.turns()
        if not (number and second.displaces) or not turns or turns[0]["key"] == key:
            steers = number and second is Second.STEERS
            strategy = MultitaskStrategy.STEER if steers else MultitaskStrategy.ENQUEUE
            return await person.post(key, CONVERSATION, text, strategy, BUDGET_SECONDS)
        instead = text if second is Second.EDITS else None
        return await person.replace(key, CONVERSATION, turns[0]["turn_id"], instead, BUDGET_SECONDS)


async def _worst_schedule(world: World) -> None:
    """The sweep comes just before the dead holder's lease lapses, and then only a whole period later."""
    await world.crashed.wait()
    left = world.database.lease_left(world.now)
    await schedule(world, sweep, max(left - 0.5, 0.0) if left else PERIOD_SECONDS - 0.1)


def _ends(db: Database) -> dict[str, float]:
    return {turn["key"]: turn["finished"] for turn in db.turns()}


def main() -> int:
    """With words: only the stories in whose names one of them stands."""
    words, broken = sys.argv[1:], 0
    told = [story for story in STORIES if not words or any(word in story.name for word in words)]
    with database() as db:
        for story in told:
            kinds = story.wires if story in FEATURES else story.kinds
            broken += sum(_enumerate(db, kind, story) for kind in kinds)
    return int(broken > 0)


def _enumerate(db: Database, kind: str, story: Story) -> int:
    """Prints a line for each way in which an instance may be taken away; returns how many places broke a promise."""
    broken, what = 0, f"{story.name}, {kind}"
    for returning in BOUNDS:
        who = "a client that returns" if returning else "the sweep alone"
        found = list(deaths(db, kind, story, returning=returning))
        broken += _tell(f"{what}, deaths, {who}", found, death_bound(story, returning=returning))
    broken += _tell(f"{what}, shutdowns", list(shutdowns(db, kind, story)), SHUTDOWN_BOUND + story.slack)
    broken += _tell(f"{what}, freezes", list(freezes(db, kind, story)), FREEZE_BOUND)
    found = list(lost_answers(db, kind, story))
    return broken + _tell(f"{what}, lost answers", found, LOST_ANSWER_SECONDS + story.slack)


def death_bound(story: Story, *, returning: bool) -> float:
    """Seconds that a death may add. Where no client comes back, no person answers: what waits for one has to expire."""
    expiry = 0.0 if returning else SETTINGS.approval_ttl_hours * 3600 + PERIOD_SECONDS
    return BOUNDS[returning] + story.waits * expiry


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
