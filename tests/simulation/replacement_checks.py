"""The checker's part about messages that are sent in the place of others: edited, or answered once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tests.simulation.database import Row
from tests.simulation.record import Record, name_of, order_of
from tests.simulation.servers import answer_to

SAME_MOMENT = 1e-3


def replaced_is_out(record: Record) -> Iterator[str]:
    """G1: who is displaced by an edit says so: all behind the named turn, and no other. What was final stays so."""
    for turn in record.turns:
        at = record.replaced_at.get(turn["turn_id"])
        if (turn["superseded_how"] == "edit") != (at is not None):
            yield f"G1 {name_of(turn)} was superseded by {turn['superseded_how']}, a message in its place came at {at}"
        if at is None or turn["finished"] is None:
            continue
        by = record.by_id.get(turn["superseded_by"] or "")
        if by is not None and by["seq"] <= turn["seq"]:
            yield f"G1 {name_of(turn)} was displaced by {name_of(by)}"
        if turn["finished"] < at - SAME_MOMENT:
            continue
        code = (turn["error"] or {}).get("code")
        if (turn["status"], code) != ("cancelled", "superseded") or turn["finished"] > at + SAME_MOMENT:
            yield f"G1 {name_of(turn)} is {turn['status']} since {turn['finished']:.2f}, displaced at {at:.2f}"


def one_in_a_place(record: Record) -> Iterator[str]:
    """G2: of all that were sent in one place, and in the places of those, the last one alone is in view."""
    for new in record.turns:
        named = record.named(new)
        if named is not None and named["turn_id"] not in record.replaced_at:
            yield f"G2 {name_of(named)} is in view beside {name_of(new)}"
        if named is not None and order_of(named) >= order_of(new):
            yield f"G2 {name_of(new)} stands before {name_of(named)}, in whose place it was sent"


def numbers_are_not_used_again(record: Record) -> Iterator[str]:
    """Lines out of view keep their numbers: each turn that was answered had two, before all that came later."""
    for line in record.lines:
        turn = record.by_id[line["turn_id"]]
        place = (turn["user_id"], turn["conversation_id"])
        used = sum(
            2
            for other in record.conversations[place]
            if other["status"] == "completed"
            and other["joined_to"] is None
            and other["turn_id"] in record.replaced_at
            and record.replaced_at[other["turn_id"]] <= turn["created"]
        )
        if line["seq"] <= used:
            yield f"line {line['seq']} of {name_of(turn)} has a number of one out of view: {used} were used before"


def displaced_words_stay_out(record: Record) -> Iterator[str]:
    """What an edit has displaced is told to no model that is asked afterwards."""
    for turns in record.conversations.values():
        for turn in turns:
            for run in record.runs[turn["turn_id"]]:
                sent_at = run.create.sent_at if run.create is not None else run.started_at
                gone = [one for one in turns if record.replaced_at.get(one["turn_id"], sent_at) < sent_at - SAME_MOMENT]
                if turn in gone:
                    continue  # a create that was under way
                there = [one for one in turns if one not in gone]
                said = _words(gone, record) - _words(there, record)
                if read := said & {text for _, text in run.context}:
                    yield f"G2 {run.run_id} of {name_of(turn)} read {read} of what was displaced"


def _words(turns: list[Row], record: Record) -> set[str]:
    asked = {text for turn in turns for text in (turn["text"], record.whole_text(turn))}
    return asked | {answer_to(text) for text in asked}


REPLACEMENT_CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (
    replaced_is_out, one_in_a_place, numbers_are_not_used_again, displaced_words_stay_out,
)  # fmt: skip
