"""One soak: people send while processes die, connections break and the database restarts; then all is checked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.emulator.testing import local_client
from tests.soak import checker
from tests.soak.people import Message, Person
from tests.soak.proxy import Weather
from tests.soak.stage import Stage, logs, stage

PEOPLE = 6
TABS = 2  # of each person
CONVERSATIONS = 2  # of each person, and every tab may write to each
STRATEGIES = {  # shares
    "enqueue": 0.38, "coalesce": 0.18, "steer": 0.2, "interrupt": 0.11, "rollback": 0.08, "reject": 0.05
}  # fmt: skip
STEPS = {  # shares of what is done before a message is answered: at each step others may join
    "": 0.5,
    "[[tool read_project]] [[then]] [[tool read_project]] ": 0.25,
    "[[chain script_writer]] ": 0.15,
    "[[chain orchestrator]] ": 0.1,
}
EDITS = 0.15  # of the messages are changed once they are accepted
STAY = 0.85  # of the messages have a sender who waits; the others are left to the sweep
SETTLE_SECONDS = 60.0  # after the last message, for everything to come to its end
READERS = 8


@dataclass
class Result:
    """Figures and broken promises of one soak."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    errors: str = ""

    def __str__(self) -> str:
        lines = [f"  {name:<38}{value}" for name, value in self.figures.items()]
        return "\n".join([*lines, *(f"  VIOLATION {each}" for each in self.violations), self.errors])


async def soak(messages: int, *, seconds: float = 3600.0, wire: str = "responses", seed: int = 0) -> Result:
    """Send that many messages, or as many as get sent in `seconds`. The same seed throws the same dice."""
    chance = random.Random(seed)
    began = time.monotonic()
    async with stage(wire, Weather(), chance) as made:
        people = [Person(made, chance) for _ in range(PEOPLE)]
        async with _going_on(made.kill_again_and_again(chance), made.sweep_again_and_again()):
            sent = await _send(made, people, messages, time.monotonic() + seconds, chance)
        for each in made.proxies:
            each.calm()
        await made.wait_up()
        async with _going_on(made.sweep_again_and_again()):
            await _ended(made)
        await _read_all(people, sent)
        async with local_client(made.emulator) as http:
            emulator: dict[str, Any] = (await http.get("/_emulator/state")).raise_for_status().json()
        for person in people:
            await person.http.aclose()
        turns, lines = checker.read_rows(made.dsn)
        result = Result(violations=checker.violations(sent, turns, lines, emulator), errors=logs(made.processes.home))
        result.figures = {"wire, seed": f"{wire}, {seed}", "seconds": round(time.monotonic() - began)}
        result.figures |= _figures(made, sent, turns, emulator)
    return result


async def _send(
    made: Stage, people: Sequence[Person], messages: int, until: float, chance: random.Random
) -> list[Message]:
    sent: list[Message] = []
    homes = {person.id: [str(uuid.uuid4()) for _ in range(CONVERSATIONS)] for person in people}
    began = time.monotonic()

    async def tab(person: Person) -> None:
        while len(sent) < messages and time.monotonic() < until:
            steps = chance.choices([*STEPS], [*STEPS.values()])[0]
            message = Message(person.id, chance.choice(homes[person.id]), f"{steps}message {len(sent)}")
            message.edited = f"{message.text}, edited" if chance.random() < EDITS else None
            message.strategy = chance.choices([*STRATEGIES], [*STRATEGIES.values()])[0]
            sent.append(message)
            half = len(sent) >= messages / 2 or time.monotonic() > (began + until) / 2
            if half and not made.done["restarts"]:
                made.restart_database()
            await person.send(message, stay=chance.random() < STAY)

    await asyncio.gather(*(tab(person) for person in people for _ in range(TABS)))
    return sent


async def _ended(made: Stage) -> None:
    """Until nothing is open any more, or it is plain that something will be for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            while any(turn["finished_at"] is None for turn in checker.read_rows(made.dsn)[0]):  # noqa: ASYNC110
                await asyncio.sleep(0.5)


async def _read_all(people: Sequence[Person], sent: Sequence[Message]) -> None:
    persons = {person.id: person for person in people}
    gate = asyncio.Semaphore(READERS)

    async def read(message: Message) -> None:
        async with gate:
            await persons[message.user].read(message)

    await asyncio.gather(*(read(message) for message in sent))


@contextlib.asynccontextmanager
async def _going_on(*work: Coroutine[Any, Any, None]) -> Any:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _figures(made: Stage, sent: Sequence[Message], turns: checker.Rows, emulator: dict[str, Any]) -> dict[str, Any]:
    met: Counter[str] = sum((proxy.met for proxy in made.proxies), Counter())
    ends = Counter(turn["status"] for turn in turns)
    codes = Counter(turn["error"]["code"] for turn in turns if turn["error"])
    waits = [message.answered_at - message.sent_at for message in sent if message.answered_at and message.stayed]
    rows = [(turn["finished_at"] - turn["created_at"]).total_seconds() for turn in turns if turn["finished_at"]]
    runs = checker.runs_of(emulator)
    return {
        "messages": len(sent),
        "refused": sum(message.refused for message in sent),
        "turns": sum(turn["idempotency_key"] is not None for turn in turns),
        "answered": ends["completed"],
        "displaced": sum(turn["superseded_by"] is not None for turn in turns),
        "joined": sum(turn["joined_to"] is not None and turn["steered_step"] is None for turn in turns),
        "steered": sum(turn["steered_step"] is not None for turn in turns),
        "edited": sum(message.edit == 200 for message in sent),
        "failed": f"{ends['failed']} {dict(codes) or ''}",
        "kills": made.done["kills"],
        "cuts, resets, delays": f"{met['cut']}, {met['reset']}, {met['delay']}",
        "database restarts": made.done["restarts"],
        "sweeps": made.done["sweeps"],
        "median, worst seconds to the answer": f"{statistics.median(waits):.1f}, {max(waits):.1f}" if waits else "",
        "median, worst seconds of a turn": f"{statistics.median(rows):.1f}, {max(rows):.1f}" if rows else "",
        "runs at the provider": sum(runs.values()),
        "turns with more than one run": sum(count > 1 for count in runs.values()),
        "conflicts at the provider": sum(turn["conflicts"] for turn in turns),
    }
