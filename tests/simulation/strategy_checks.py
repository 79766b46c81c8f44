"""The checker's part about messages that displace others, and about those that are joined."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.database import Row
from tests.simulation.instance import SETTINGS
from tests.simulation.record import Record, name_of, order_of
from tests.simulation.run_checks import beyond
from tests.simulation.servers import Run, answer_to

DISPLACED_SECONDS = SETTINGS.cancel_wait_seconds + 3.0  # the last look at a run, and the record of it, included
CARRIED = SETTINGS.carry_over_messages


def displaced_by_somebody(record: Record) -> Iterator[str]:
    """G1: a displaced turn is cancelled, by a later message of its conversation that was sent to displace."""
    for turn in record.turns:
        by = record.by_id.get(turn["superseded_by"] or "")
        if turn["superseded_how"] == "edit":
            continue  # replacement_checks
        if turn["superseded_by"] is None:
            if (turn["error"] or {}).get("code") == "superseded":
                yield f"G1 {name_of(turn)} was superseded by no turn"
            continue
        if turn["status"] != "cancelled" or (turn["error"] or {}).get("superseded_by") != turn["superseded_by"]:
            yield f"G1 {name_of(turn)} is {turn['status']} though displaced, its error {turn['error']}"
        if by is None:
            if turn["superseded_by"] not in record.world.withdrawn:
                yield f"G1 {name_of(turn)} was displaced by {turn['superseded_by']}, which is not there"
        elif by["strategy"] != turn["superseded_how"] or by["seq"] <= turn["seq"] or _place(by) != _place(turn):
            yield f"G1 {name_of(turn)} was displaced by {name_of(by)}, {by['strategy']}"
        else:
            for other in record.conversations[_place(turn)]:
                between = other["seq"] < by["seq"] and order_of(turn) < order_of(other) < order_of(by)
                waited = between and record.leader(other)["turn_id"] != record.leader(turn)["turn_id"]
                if waited and other["finished"] > by["created"]:
                    yield f"G2 {name_of(by)} did not go before {name_of(other)}, which waited"


def displaced_in_time(record: Record) -> Iterator[str]:
    """G11: where nothing fails, a displaced turn ends within the patience that is set, under one holder or several."""
    for turn in record.turns:
        by = record.by_id.get(turn["superseded_by"] or "")
        if record.world.mode_fails or by is None or turn["finished"] is None or record.world.server.foreground:
            continue  # no cancel reaches a run in the foreground: that is waited for
        if turn["finished"] > by["created"] + DISPLACED_SECONDS:
            yield f"G11 {name_of(turn)} ended {turn['finished'] - by['created']:.1f} s after it was displaced"


def one_reply_for_joined(record: Record) -> Iterator[str]:
    """G1, G4: joined messages have one run and one reply, and every answer to them says whose it is."""
    for leader_id, members in record.joined.items():
        leader = record.by_id[leader_id]
        for turn in members:
            if {leader["strategy"], turn["strategy"]} != {"coalesce"}:
                yield f"G1 {name_of(turn)}, {turn['strategy']}, was joined to {name_of(leader)}"
            if record.creates[turn["turn_id"]]:
                yield f"G4 {name_of(turn)} was joined and has runs of its own"
            cancelled = turn["status"] == "cancelled" and (turn["error"] or {}).get("code") != "superseded"
            shared = ("status", "reply", "superseded_by", "finished")
            if not cancelled and [turn[name] for name in shared] != [leader[name] for name in shared]:
                yield f"G1 {name_of(turn)} is {turn['status']}, what it was joined to {leader['status']}"
    for answer in record.world.answers:
        row = record.by_id.get(answer.turn.turn_id) if answer.turn is not None else None
        if row is None or answer.code != "final" or row["status"] != "completed":
            continue
        told = sorted(record.steered[row["turn_id"]], key=order_of)
        covers = tuple(one["turn_id"] for one in (*record.group(row), *told) if one["status"] == "completed")
        if answer.turn.covers != covers:
            yield f"G1 the answer to {name_of(row)} covers {answer.turn.covers}, not {covers}"


def rolled_back_is_gone(record: Record) -> Iterator[str]:
    """What was rolled back or replaced stands in no thread that goes on."""
    if record.world.kind == "unlocked":
        return
    threads = record.world.database.threads()
    for turn in record.turns:
        place = record.world.server.places.get(threads.get((turn["user_id"], turn["conversation_id"])))
        out = turn["superseded_how"] == "rollback" or turn["turn_id"] in record.replaced_at
        if not out or place is None or any(map(beyond, _runs(turn, record))):
            continue
        texts = {turn["text"], record.whole_text(turn), answer_to(record.whole_text(turn))}
        there = [one for one in record.conversations[_place(turn)] if one["turn_id"] not in record.replaced_at]
        if any({one["text"], record.whole_text(one)} & texts for one in there if one["superseded_how"] != "rollback"):
            continue  # asked once more, and to be found there
        if any(item.text in texts for item in place.items):
            yield f"{name_of(turn)} was rolled back or replaced and stands in {place.place_id}"


def told_to_the_model(record: Record) -> Iterator[str]:
    """A model that answers has read what was said before: answers and what was interrupted, and nothing rolled back."""
    for turn in record.turns:
        runs = [run for run in _runs(turn, record) if run.status == "completed" and not beyond(run)]
        if turn["status"] != "completed" or turn["joined_to"] is not None or record.world.kind == "unlocked":
            continue
        for run in runs:
            read = [text for _, text in run.context]
            for line in _lines_before(turn, record):
                by = record.by_id[line["turn_id"]]
                expected = record.whole_text(by) if line["role"] == "user" else line["text"]
                told = bool(by["handoffs"]) and any(line["text"] in one for one in read)  # in words, among calls
                if expected not in read and line["text"] not in read and not told:
                    yield f"{name_of(turn)} was answered without {line['text']!r} of {name_of(by)}: {read}"


def _lines_before(turn: Row, record: Record) -> list[Row]:
    """What a thread made anew would carry, of turns that were answered or interrupted."""
    own = {one["turn_id"] for one in (*record.group(turn), *record.steered[turn["turn_id"]])}
    lines = [
        line
        for line in record.lines
        if (line["user_id"], line["conversation_id"]) == (turn["user_id"], turn["conversation_id"])
        and line["turn_id"] not in own
        and order_of(record.by_id[line["turn_id"]]) < order_of(turn)
        and line["text"]
    ]
    return [line for line in lines[-CARRIED:] if not line["partial"] and _stays(record.by_id[line["turn_id"]])]


def _stays(turn: Row) -> bool:
    """What a provider drops of a message that failed or was cancelled is not put back."""
    return bool(turn["status"] == "completed" or turn["superseded_how"] == "interrupt")


def _runs(turn: Row, record: Record) -> list[Run]:
    return record.runs[record.leader(turn)["turn_id"]]


def _place(turn: Row) -> tuple[str, str]:
    return turn["user_id"], turn["conversation_id"]
