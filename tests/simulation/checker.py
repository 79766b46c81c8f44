"""One function a promise, over the rows, the provider's history and the responses. Each yields what it finds broken."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from functions.multi_agent_chat.dependencies import ACCEPT_SECONDS
from shared.turn.outcome import MAX_FAILURES
from tests.simulation.database import Row
from tests.simulation.drawn_checks import DRAWN_CHECKS
from tests.simulation.failures import unjustified
from tests.simulation.life_checks import LIFE_CHECKS
from tests.simulation.outbox_checks import OUTBOX_CHECKS
from tests.simulation.record import Record, name_of, order_of
from tests.simulation.replacement_checks import REPLACEMENT_CHECKS
from tests.simulation.run_checks import (
    begins_as_recorded,
    falls_back_for_a_reason,
    never_in_its_own_way,
    never_two_at_once,
    nothing_left,
    one_run,
    thread_history,
)
from tests.simulation.servers import answer_to, part_of
from tests.simulation.steering_checks import STEERING_CHECKS
from tests.simulation.strategy_checks import (
    displaced_by_somebody,
    displaced_in_time,
    one_reply_for_joined,
    rolled_back_is_gone,
    told_to_the_model,
)
from tests.simulation.team import WORDS
from tests.simulation.team_checks import TEAM_CHECKS, lines_of_a_chain
from tests.simulation.world import Answer, World

LATE_SECONDS = 0.5  # what a response may be late
CANCEL_SECONDS = 10.5  # until a cancelled turn is final, where nothing fails
MAX_ATTEMPTS = 500  # creates of one turn; a lock is tried every two seconds until the turn is over
SAME_MOMENT = 1e-3


Check = Callable[[Record], Iterable[str]]


def check(world: World) -> list[str]:
    record = Record(world, world.database.turns(), world.database.lines())
    return [text for one in CHECKS for text in one(record)]


def anything_at_all(record: Record) -> Iterator[str]:
    """A seed in which nothing is accepted shows nothing."""
    if not (record.turns or record.world.changes.deleted_turns):
        yield "nothing was accepted"


def accepted_is_final(record: Record) -> Iterator[str]:
    """G1, G3: what a 2xx was sent for is there, and everything that is there has ended."""
    for turn_id in record.world.owners.keys() - record.world.changes.deleted_turns.keys():
        if turn_id not in record.by_id or turn_id in record.world.withdrawn:
            yield f"G3 accepted turn {turn_id} is lost"
    for turn in record.turns:
        if turn["finished"] is None:
            yield f"G1 turn {name_of(turn)} is {turn['status']} after the drain"


def one_outcome(record: Record) -> Iterator[str]:
    """G1: every final answer and the row say the same."""
    for answer in _with_turn(record):
        turn = record.by_id.get(answer.turn.turn_id)
        if answer.code != "final" or turn is None:
            continue
        shown = (answer.turn.status.value, answer.turn.reply, str(answer.turn.error))
        if shown != (turn["status"], turn["reply"], str(turn["error"])):
            yield f"G1 {name_of(turn)} was answered {shown}, its row says {turn['status']} {turn['reply']}"


def own_reply(record: Record) -> Iterator[str]:
    """G1: the reply answers this very message, and its text is one its user gave it."""
    for turn in record.turns:
        asked = record.whole_text(record.leader(turn))
        if turn["status"] == "completed" and _once(turn["reply"], record) != answer_to(asked):
            yield f"G1 {name_of(turn)} {turn['text']!r} got {turn['reply']!r}"
        conversation, _ = record.world.sent.get((turn["user_id"], turn["key"]), ("", ""))
        if turn["key"] is None or turn["conversation_id"] != conversation:
            if not _withdrawn(turn):
                yield f"G4 {name_of(turn)} was never sent there"
        elif turn["text"] not in record.texts(turn):
            yield f"G1 {name_of(turn)} says {turn['text']!r}, sent was {record.texts(turn)}"


def explained_end(record: Record) -> Iterator[str]:
    """G8: a message fails only for what really happened, and is cancelled only when asked."""
    for turn in record.turns:
        stopped = any(one["turn_id"] in record.world.cancels for one in record.ends_together(turn))
        asked = stopped or turn["superseded_by"] is not None or _withdrawn(turn)
        if turn["status"] == "cancelled" and not asked:
            yield f"G11 {name_of(turn)} was cancelled and no client asked for it"
        if turn["status"] == "failed":
            leader = record.leader(turn)
            sent = record.creates[leader["turn_id"]]
            why = unjustified(leader, record.runs[leader["turn_id"]], sent, record.world)
            if why is not None:
                yield f"G8 {name_of(turn)} failed: {why}"


def in_order(record: Record) -> Iterator[str]:
    """G2: `seq` has no gap, and no message is sent to the provider before the ones ahead of it have ended."""
    for turns in record.conversations.values():
        if [turn["seq"] for turn in turns] != list(range(1, len(turns) + 1)):
            yield f"G2 gap in {[turn['seq'] for turn in turns]}"
        for earlier, later in itertools.combinations(turns, 2):
            if later["created"] < earlier["created"]:
                yield f"G2 {name_of(later)} was accepted before {name_of(earlier)}"
        for earlier, later in itertools.combinations(sorted(turns, key=order_of), 2):
            first = min((one.sent_at for one in record.creates[later["turn_id"]]), default=None)
            ended = earlier["finished"]
            if first is not None and ended is not None and first < ended - SAME_MOMENT:
                yield f"G2 {name_of(later)} was sent at {first:.2f}, {name_of(earlier)} ended at {ended:.2f}"


def one_turn_a_key(record: Record) -> Iterator[str]:
    """G4: every request with one key gets the same turn."""
    turns: dict[tuple[str, str], set[str]] = defaultdict(set)
    for answer in _with_turn(record):
        if answer.key is not None:
            turns[answer.user_id, answer.key].add(answer.turn.turn_id)
    yield from (f"G4 key {key} of {user} means {found}" for (user, key), found in turns.items() if len(found) > 1)
    keys = [(turn["user_id"], turn["key"]) for turn in record.turns if turn["key"] is not None]
    if len(keys) != len(set(keys)):
        yield "G4 a key has two turns"


def in_time(record: Record) -> Iterator[str]:
    """G6: a response leaves within its budget and half a second, also where things fail."""
    for answer in record.world.answers:
        bound = max(answer.wait, ACCEPT_SECONDS) + LATE_SECONDS
        if answer.took > bound and not answer.frozen:
            yield f"G6 a {answer.what} with a budget of {answer.wait} took {answer.took:.2f}"


def known_codes(record: Record) -> Iterator[str]:
    """G14: what a client is told is one of the things that may happen to it; nothing internal escapes."""
    for answer in record.world.answers:
        if answer.code not in ALLOWED[answer.what]:
            yield f"G12 a {answer.what} was answered {answer.code}"


def tenants_apart(record: Record) -> Iterator[str]:
    """G7: what a user was shown is their own."""
    for answer in _with_turn(record):
        if answer.turn.user_id != answer.user_id:
            yield f"G7 {answer.user_id} got turn {answer.turn.turn_id}"


def cancel_works(record: Record) -> Iterator[str]:
    """G11: where nothing fails, a cancelled turn ends soon after the request."""
    if record.world.mode_fails:
        return
    for turn_id, at in record.world.cancels.items():
        turn = record.by_id.get(turn_id)
        bound = at + CANCEL_SECONDS
        if turn is not None and turn["superseded_by"] is not None:
            continue  # patience with a displaced one is a setting's: strategy_checks
        if turn is not None and turn["finished"] is not None and turn["finished"] > bound:
            yield f"G11 {name_of(turn)} ended {turn['finished'] - at:.1f} s after its cancel"


def bounded(record: Record) -> Iterator[str]:
    """G8, G13: failures are counted and end."""
    for turn in record.turns:
        if turn["failures"] > MAX_FAILURES or turn["attempt"] > MAX_ATTEMPTS:
            yield f"G13 {name_of(turn)} had {turn['attempt']} attempts, {turn['failures']} failures"
        counted = len(record.creates[turn["turn_id"]])
        if counted > turn["attempt"]:
            yield f"G8 {name_of(turn)} was sent {counted} times in {turn['attempt']} attempts: no intent was committed"


def transcript(record: Record) -> Iterator[str]:
    """The lines have no gap but those of replaced turns, stand in the order of the turns, and say what they say."""
    lines: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for line in record.lines:
        lines[line["user_id"], line["conversation_id"]].append(line)
    for place, turns in record.conversations.items():
        found = lines[place]
        replaced = any(turn["turn_id"] in record.replaced_at for turn in turns)
        if not replaced and [line["seq"] for line in found] != list(range(1, len(found) + 1)):
            yield f"lines {[line['seq'] for line in found]} have a gap"
        spoken = [(line["role"] == "assistant", record.by_id[line["turn_id"]]) for line in found]
        order = [(order_of(record.leader(turn)), *_among(turn, answer, record)) for answer, turn in spoken]
        if order != sorted(order):
            yield f"lines of {place} are out of order"
        for turn in turns:
            own = [line for line in found if line["turn_id"] == turn["turn_id"]]
            said = [(line["role"], _once(line["text"], record)) for line in own if line["text"] or line["handoff_to"]]
            if said not in _expected(turn, record):
                yield f"{name_of(turn)} is {turn['status']}, its lines are {said}"


def _among(turn: Row, answer: bool, record: Record) -> tuple[bool, tuple[Decimal, int]]:
    """Where its line stands among those of one run; where messages were steered steering_checks look."""
    leader = record.leader(turn)
    return (False, order_of(leader)) if record.steered[leader["turn_id"]] else (answer, order_of(turn))


def _expected(turn: Row, record: Record) -> list[list[tuple[str, str]]]:
    asked, joined = ("user", turn["text"]), turn["joined_to"] is not None
    if turn["turn_id"] in record.replaced_at:
        return [[]]
    if not joined and record.leader(turn)["handoffs"]:
        return lines_of_a_chain(turn, record)
    if turn["status"] == "completed" and not joined:
        return [[asked, ("assistant", _once(turn["reply"], record))]]
    if turn["superseded_how"] == "rollback":
        return [[]]
    partial = None if joined else (turn["error"] or {}).get("partial_text")
    if partial is not None:  # what was said before it ended stands, and was said
        whole = record.whole_text(turn)
        return [[asked, ("assistant", partial)]] if partial in (part_of(whole), WORDS, answer_to(whole)) else []
    if turn["status"] in ("completed", "failed") or turn["superseded_how"] == "interrupt":
        return [[asked]]
    if joined:
        return [[asked], []]
    return [[asked], []] if record.creates[turn["turn_id"]] or turn["attempt"] else [[]]


def _once(text: str, record: Record) -> str:
    """Where nothing is locked a lost run and its repeat may answer the same calls: what they left stands together."""
    half = text[: (len(text) - 2) // 2]
    return half if record.world.kind == "unlocked" and text == f"{half}\n\n{half}" else text


def _with_turn(record: Record) -> Iterator[Answer]:
    return (answer for answer in record.world.answers if answer.turn is not None)


def _withdrawn(turn: Row) -> bool:
    return bool(turn["status"] == "cancelled" and turn["text"] == "" and turn["key"] is None)


_EVERYWHERE = frozenset({"final", "open", "store_unavailable"})
ALLOWED: dict[str, Any] = {
    "post": _EVERYWHERE
    | {"run_in_progress", "queue_full", "too_many_open", "idempotency_key_reused"}
    | {"conversation_deleted", "conversation_archived", "unknown_agent"},
    "rotate": _EVERYWHERE,
    "delete": _EVERYWHERE | {"not_found"},
    "change": _EVERYWHERE | {"not_found"},
    "replace": _EVERYWHERE | {"not_found", "queue_full", "too_many_open"},
    "get": _EVERYWHERE | {"not_found", "run_in_progress"},
    "cancel": _EVERYWHERE | {"not_found", "run_in_progress"},
    "answer": _EVERYWHERE | {"not_found", "already_answered"},
    "edit": _EVERYWHERE | {"not_found", "already_started"},
}
CHECKS: tuple[Check, ...] = (
    falls_back_for_a_reason,
    begins_as_recorded,
    anything_at_all, accepted_is_final,
    one_outcome, own_reply, explained_end, in_order, one_run, never_two_at_once,
    never_in_its_own_way, thread_history,
    one_turn_a_key, in_time, known_codes, tenants_apart, cancel_works, bounded, nothing_left, transcript,
    displaced_by_somebody, displaced_in_time, one_reply_for_joined, rolled_back_is_gone, told_to_the_model,
    *REPLACEMENT_CHECKS,
    *LIFE_CHECKS,
    *OUTBOX_CHECKS,
    *DRAWN_CHECKS,
    *STEERING_CHECKS,
    *TEAM_CHECKS,
)  # fmt: skip
