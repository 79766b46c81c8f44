"""The checker's part about what is told of turns: to operators, by events, and to another service, by webhooks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from tests.simulation.receiver import Delivery
from tests.simulation.record import Record, name_of

ENDS = ("turn.completed", "turn.failed", "turn.cancelled")


def told_to_operators(record: Record) -> Iterator[str]:
    """What was written down of a turn begins with its acceptance and ends once, as its row does."""
    for turn in record.turns:
        names = turn["events"] or []
        ends = [name for name in names if name in ENDS]
        if names[:1] != ["turn.accepted"] or (turn["finished"] is not None and ends != [f"turn.{turn['status']}"]):
            yield f"events of {name_of(turn)}, which is {turn['status']}: {names}"
        runs = sum("asked_by" not in run for run in turn["runs"])
        if names.count("run.started") != runs:
            yield f"events of {name_of(turn)}, which had {runs} runs: {names}"


def told_to_the_receiver(record: Record) -> Iterator[str]:
    """The end of each turn was told at least once, under one id, and not before it had come."""
    if not record.world.profile.tells:
        return
    taken: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in record.world.receiver.taken:
        taken[delivery.turn_id].append(delivery)
    for turn in record.turns:
        found = taken.pop(turn["turn_id"], [])
        if turn["finished"] is None or turn["text"] == "":
            continue  # a message that was taken back was never sent
        ends = [one for one in found if one.name in ENDS]
        if not ends:
            yield f"the end of {name_of(turn)} was not told"
        if len({one.webhook_id for one in ends}) > 1:
            yield f"the end of {name_of(turn)} was told under two ids: {ends}"
        for one in ends:
            if one.name != f"turn.{turn['status']}":
                yield f"{name_of(turn)} is {turn['status']}, {one.name} was told"
            if one.at < turn["finished"]:
                yield f"{name_of(turn)} was told to have ended at {one.at:.2f}, {turn['finished']:.2f} is true"
    if left := record.world.database.untold():
        yield f"{left} webhooks are left"


OUTBOX_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (told_to_operators, told_to_the_receiver)
