"""The checker's part about messages that are steered into a turn under way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from tests.simulation.database import Row
from tests.simulation.record import Record, is_steered, name_of, order_of
from tests.simulation.run_checks import beyond, leads_to
from tests.simulation.servers import Run


def ends_with_its_turn(record: Record) -> Iterator[str]:
    """G1: a steered message shares the end of the turn that it has joined, has no run of its own, and is told so."""
    for turn in filter(is_steered, record.turns):
        leader = record.leader(turn)
        shared = ("status", "reply", "superseded_by", "finished", "user_id", "conversation_id")
        if [turn[name] for name in shared] != [leader[name] for name in shared]:
            yield f"G1 {name_of(turn)} is {turn['status']}, what it was steered into {leader['status']}"
        if record.creates[turn["turn_id"]] or turn["attempt"]:
            yield f"G4 {name_of(turn)} was steered into {name_of(leader)} and was sent by itself"
        if leader["joined_to"] is not None or order_of(turn) < order_of(leader):
            yield f"G2 {name_of(turn)} was steered into {name_of(leader)}, which is not before it"
        by = record.by_id.get(leader["superseded_by"] or "")
        to_end_at = [record.world.cancelled.get(leader["turn_id"]), leader["finished"], by and by["created"]]
        if any(at is not None and at < turn["created"] for at in to_end_at):
            yield f"G1 {name_of(turn)} was steered into {name_of(leader)}, though it was to end"
    for answer in record.world.answers:
        row = record.by_id.get(answer.turn.turn_id) if answer.turn is not None else None
        if row is not None and answer.code == "final":
            into = row["joined_to"] if row["strategy"] == "steer" else None
            if answer.turn.steered_into != into:
                yield f"G1 {name_of(row)} was said to be steered into {answer.turn.steered_into}, its row says {into}"


def read_once(record: Record) -> Iterator[str]:
    """G3, G4: the run that answers has read a steered message, as it stands, once; the run before its step had not."""
    for turn in filter(is_steered, record.turns):
        runs = sorted(record.runs[turn["joined_to"]], key=lambda run: run.started_at)
        if any(map(beyond, runs)):
            continue
        for run in runs:
            times = _times(turn, run)
            if times > 1 and record.world.server.locks:
                yield f"G4 {run.run_id} read {name_of(turn)} {times} times"
            if run.status == "completed" and not run.asked_for and turn["status"] == "completed" and not times:
                yield f"G3 {run.run_id} answered {name_of(turn)} and had not read it"
        if runs and _times(turn, runs[0]):
            yield f"G2 {runs[0].run_id} read {name_of(turn)} before any step"


def cancelled_is_not_told(record: Record) -> Iterator[str]:
    """G11: a message that was cancelled while it waited is read by no model."""
    for turn in record.turns:
        cancelled = turn["status"] == "cancelled" and turn["superseded_by"] is None  # what was interrupted is put back
        if turn["strategy"] == "steer" and cancelled and not (turn["attempt"] or is_steered(turn)):
            texts = {turn["text"], *record.texts(turn)} - {""}
            if any(one["replaced"] == turn["turn_id"] for one in record.turns):
                continue  # asked once more in its place
            for run in itertools.chain(*record.runs.values()):
                own = run.create is not None and record.by_id[run.create.turn_id]["user_id"] == turn["user_id"]
                if own and texts & {item.text for item in run.read if item.role == "user"}:
                    yield f"G11 {run.run_id} read {name_of(turn)}, which was cancelled before it was taken"


def taken_at_the_next_step(record: Record) -> Iterator[str]:
    """A message that waited as a run of the turn under way led to the next one was told with that."""
    for turn in record.turns:
        waits = turn["strategy"] == "steer" and turn["joined_to"] is None and turn["status"] in ("completed", "failed")
        if not waits or record.addressed(turn) is not None:
            continue
        for leader in record.conversations[turn["user_id"], turn["conversation_id"]]:
            if order_of(leader) >= order_of(turn) or leader["status"] == "cancelled":
                continue
            runs = sorted(record.runs[leader["turn_id"]], key=lambda run: run.started_at)
            for earlier, later in itertools.pairwise(runs):
                ended = earlier.ended_at
                if leads_to(earlier, later) and ended is not None and ended > turn["created"]:
                    yield f"{name_of(turn)} waited as {later.run_id} of {name_of(leader)} began, and was not told"


def stands_at_its_place(record: Record) -> Iterator[str]:
    """Steered lines stand in order, behind what was asked first and before the answer."""
    for leader_id, told in record.steered.items():
        own = {leader_id, *(turn["turn_id"] for turn in told)}
        lines = [line for line in record.lines if line["turn_id"] in own]
        order = sorted(told, key=order_of)
        ids = [turn["turn_id"] for turn in order if turn["turn_id"] in {line["turn_id"] for line in lines}]
        if [line["turn_id"] for line in lines if line["turn_id"] != leader_id] != ids:
            yield f"what was steered into {leader_id} stands as {[line['text'] for line in lines]}"
        leader = record.by_id[leader_id]
        if lines and lines[0]["turn_id"] not in {one["turn_id"] for one in record.group(leader)}:
            yield f"what was steered into {name_of(leader)} stands before it"
        if lines and leader["status"] == "completed" and lines[-1]["turn_id"] != leader_id:
            yield f"what was steered into {name_of(leader)} stands behind its answer"


def _times(turn: Row, run: Run) -> int:
    return sum(item.role == "user" and item.text == turn["text"] for item in run.read)


STEERING_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (
    ends_with_its_turn, read_once, cancelled_is_not_told, taken_at_the_next_step, stands_at_its_place,
)  # fmt: skip
