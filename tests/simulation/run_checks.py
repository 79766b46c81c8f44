"""The checker's part about the provider's history: what was sent, what ran, and beside what."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tests.simulation.database import Row
from tests.simulation.record import Record
from tests.simulation.servers import FOREIGN, Create, Item, Run

Place = tuple[Decimal, Decimal, int]

LOOK_SECONDS = (
    6.0  # how old a look may be when the create after it is sent: the intent's commit may take a call's deadline
)


def one_run(record: Record) -> Iterator[str]:
    """G4, G8: a run key is sent once; a second run needs a first one that failed, or a create beyond all reckoning."""
    for create in record.world.server.creates:
        if create.repeats:
            yield f"G4 the create {create.run_key} was sent again"
        if create.stale and not _displaced_meanwhile(create, record):
            yield f"G4 the create {create.run_key} was sent at {create.sent_at:.2f}, its turn had moved on"
    for runs in record.runs.values():
        for earlier, later in itertools.pairwise(sorted(runs, key=lambda run: run.started_at)):
            failed = earlier.ended_at is not None and earlier.status != "completed"
            went_on = leads_to(earlier, later)
            excused = failed or went_on or beyond(earlier) or beyond(later) or _missed(earlier, later, record)
            if not excused and record.world.kind != "unlocked":
                yield f"G4 {later.run_id} of {_key(later)} started though {earlier.run_id} of {_key(earlier)} was there"


def falls_back_for_a_reason(record: Record) -> Iterator[str]:
    """G4: another model is asked only where the one before it was refused for good, or its run has failed."""
    for turn_id, creates in record.creates.items():
        own = [create for create in creates if not create.asked]
        failed = {
            run.create.fallback for run in record.runs[turn_id] if run.create is not None and run.status == "failed"
        }
        refused = {create.fallback for create in own if create.refused_for_good}
        for create in own:
            orders = record.world.breakers.orders[turn_id, create.agent]
            passed = _passed_over(record, turn_id)
            if orders and not any(_led_to(order, create.fallback, failed | refused, passed) for order in orders):
                yield f"G4 {create.run_key} fell back to {create.fallback} though nothing had failed for certain"
            yield from _left_a_wire(create, own, record)
            record.world.counts["fell back"] += create.fallback > 0
    for turn in record.turns:
        sent = {run.run_id: run.create.fallback for run in record.runs[turn["turn_id"]] if run.create is not None}
        for run in turn["runs"]:
            if run["run_id"] in sent and run.get("fallback", 0) != sent[run["run_id"]]:
                yield f"G4 {run['run_id']} is recorded as fallback {run.get('fallback', 0)}"


def begins_as_recorded(record: Record) -> Iterator[str]:
    """A turn's first create is the choice that was put on record with its intent, and breakers close in the end."""
    breakers = record.world.breakers
    for turn_id, creates in record.creates.items():
        first = min((create for create in creates if not create.asked), key=lambda create: create.sent_at, default=None)
        if first is not None and first.fallback != breakers.first.get(turn_id, 0):
            yield f"{first.run_key} was the choice {first.fallback}, its intent says {breakers.first.get(turn_id, 0)}"
    if breakers.late_turn is not None:
        run = breakers.late_turn.own_runs[-1]
        opened = [one for one in record.world.database.breakers(record.world.now) if one["openings"]]
        if run.fallback is not None or any(one["model"] == run.model for one in opened):
            yield f"a breaker is still open: a late message was answered by {run.model}, {opened}"


def _led_to(order: tuple[int, ...], choice: int, over: set[int], passed: set[int]) -> bool:
    """Whether it is the first in this order, or the one behind a choice that was over."""
    before = [n for n in order[: order.index(choice)] if n not in passed]
    return not before or before[-1] in over


def _passed_over(record: Record, turn_id: str) -> set[int]:
    """The other wire, where a create of the turn was lost, or may have been."""
    elsewhere = record.world.profile.falls_to_other_wire and record.by_id[turn_id]["failures"] > 0
    return {1} if elsewhere else set()


def _left_a_wire(create: Create, own: list[Create], record: Record) -> Iterator[str]:
    """G4: a create that was lost is looked for on its wire, which the agent at work does not leave behind."""
    wires = record.world.server.places
    for other in own:
        elsewhere = wires[other.place_id].wire != wires[create.place_id].wire
        before = (other.agent, other.fallback + 1) == (create.agent, create.fallback)
        if before and elsewhere and other.fate == "lost" and other.sent_at < create.sent_at:
            yield f"G4 {create.run_key} went to another wire though {other.run_key} was lost on its own"


def _displaced_meanwhile(create: Create, record: Record) -> bool:
    """Its turn was ended by a message in its place, or deleted, which its holder has not heard of yet.

    Their thread is given up.
    """
    at = record.replaced_at.get(create.turn_id, record.world.changes.deleted_turns.get(create.turn_id))
    return at is not None and (create.sender.was_paused or 0 <= create.sent_at - at <= LOOK_SECONDS)


def never_two_at_once(record: Record) -> Iterator[str]:
    """G2: no two of our runs are active on one thread; without a lock and with lost creates they are only counted."""
    for earlier, later in record.world.server.overlaps:
        if earlier.create is None or later.create is None:
            continue
        record.world.counts["overlaps"] += 1
        if earlier.asked and not record.world.server.locks:
            continue  # of a lost run on its scratch thread, which no instance follows
        reckoned = not beyond(earlier) and not beyond(later)
        if record.world.kind != "unlocked" or (reckoned and _known(earlier, record) and _known(later, record)):
            yield f"G2 {later.run_id} of {_key(later)} started beside {earlier.run_id} of {_key(earlier)}"


def never_in_its_own_way(record: Record) -> Iterator[str]:
    """G2: a turn's next run is not even tried before the one that it knows of has ended."""
    for create, holder in record.world.server.bumps:
        if holder.create is None or holder.create.turn_id != create.turn_id or create.asked or beyond(holder):
            continue
        if create.sent_at < holder.create.sent_at or create.sender.was_paused:
            continue  # an attempt of before that run, which arrives late, or whose sender had not heard of it
        if holder.create.fate == "heard" and holder.create.sender.alive:
            yield f"G2 {create.run_key} ran into {holder.run_id} of its own turn"


def thread_history(record: Record) -> Iterator[str]:
    """G2: what the model reads has every message once, in order."""
    runs = list(itertools.chain(*record.runs.values()))
    if record.world.kind == "unlocked" or any(map(beyond, runs)):
        return
    by_text: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for one in record.turns:
        by_text[one["user_id"], one["text"]].append(one)
    threads = set(record.world.database.threads().values())
    owner = {create.place_id: record.by_id.get(create.turn_id) for create in record.world.server.creates}
    for place in record.world.server.places.values():
        turn = owner.get(place.place_id)
        foreign = any(item.text == FOREIGN for item in place.items)
        if turn is None or (foreign and record.world.server.leaves_input):
            continue  # what a response of ours has left is not tidied up behind another program's message
        asked = [
            _places(item, turn["user_id"], by_text, place.place_id, record)
            for item in place.items
            if item.role == "user"
        ]
        if place.place_id not in threads:
            # given up for a repeat that could not be taken out of it, and read by no model any more
            asked = [one for one, _ in itertools.groupby(asked)]
        order = [*itertools.chain(*asked)]
        if order != sorted(set(order)):
            yield f"G2 {place.place_id} holds the messages {[seq for *_, seq in order]}"


def _places(
    item: Item, user_id: str, by_text: dict[tuple[str, str], list[Row]], place_id: str, record: Record
) -> list[Place]:
    """In the order of service: of the messages that were told as one."""
    texts = [item.text] if (user_id, item.text) in by_text else item.text.split("\n\n")
    found = [_meant(by_text[user_id, text], item, place_id, record) for text in texts if (user_id, text) in by_text]
    return [(record.leader(one)["place"], one["place"], one["seq"]) for one in found]


def _meant(turns: list[Row], item: Item, place_id: str, record: Record) -> Row:
    """Of turns with one text: the one that the item names, or that sent its message there."""
    for turn in turns:
        if item.turn_id == turn["turn_id"]:
            return turn
    for turn in turns:
        if any(create.place_id == place_id for create in record.creates[record.leader(turn)["turn_id"]]):
            return turn
    return turns[0]


def nothing_left(record: Record) -> Iterator[str]:
    """When everything has ended here, it has ended at the provider."""
    yield from (f"G5 {run.run_id} is still {run.status}" for run in record.world.server.runs.values() if run.active)


def beyond(run: Run) -> bool:
    """Whether its create came later than can be reckoned with, or from an instance that had been frozen."""
    return run.create is not None and (run.create.very_late or run.create.sender.was_paused)


def leads_to(earlier: Run, later: Run) -> bool:
    """Whether the later one is the next step: it brings what the earlier one called for, or was handed over to."""
    calls = {call.call_id for call in earlier.asked_for}
    brought = set(later.create.brought) if later.create is not None else set()
    told = {item.call_id for item in later.read if item.role == "output"}
    handed_over = any(call.name == f"transfer_to_{later.agent}" for call in earlier.asked_for)
    return bool(calls) and (calls <= (brought | told) or handed_over)


def _missed(earlier: Run, later: Run, record: Record) -> bool:
    """A lost run that nothing shows while it goes on ended between the last look for it and the create after it."""
    shows = record.world.server.places[earlier.place_id].wire == "assistants"
    lost = earlier.create is not None and earlier.create.fate != "heard" and not shows
    if lost and earlier.place_id != later.place_id:
        return True  # its thread was given up: it held it for too long, for a message that displaces
    ended, sent = earlier.ended_at, later.create.sent_at if later.create is not None else 0.0
    missed = lost and ended is not None and ended > sent - LOOK_SECONDS
    record.world.counts["missed"] += missed
    return missed


def _known(run: Run, record: Record) -> bool:
    """Whether its answer came and was put on record: what is on no record cannot be waited for."""
    if run.create is None or run.create.fate != "heard":
        return False
    turn = record.by_id.get(run.create.turn_id)
    return turn is not None and any(one["run_id"] == run.run_id for one in turn["runs"])


def _key(run: Run) -> str:
    return run.create.run_key if run.create is not None else "-"
