"""What must hold at the end, over the database's rows, the emulator's memory and every answer that was received."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.soak.people import Message

Rows = list[dict[str, Any]]


def read_rows(dsn: str) -> tuple[Rows, Rows]:
    """Turns and lines, in order."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        turns = connection.execute("select * from public.chat_turns order by conversation_id, seq").fetchall()
        lines = connection.execute("select * from public.chat_messages order by conversation_id, seq").fetchall()
    return turns, lines


def violations(messages: Sequence[Message], turns: Rows, lines: Rows, emulator: dict[str, Any]) -> list[str]:
    """Every broken promise in a sentence."""
    return [
        *_of_messages(messages, turns),
        *_of_conversations(turns, lines),
        *_of_provider(turns, emulator),
    ]


def _of_messages(messages: Sequence[Message], turns: Rows) -> list[str]:
    found = []
    by_key, asked = defaultdict(list), _whole_texts(turns)
    for turn in turns:
        by_key[turn["idempotency_key"]].append(turn)
    for message in messages:
        rows = by_key[message.key]
        if message.refused and len(rows) < 2:
            continue
        if len(rows) != 1:
            found.append(f"{message.text}: {len(rows)} turns of one key")
            continue
        row, outcomes = rows[0], message.outcomes()
        if row["finished_at"] is None:
            found.append(f"{message.text}: never ended, still {row['status']}")
        elif len(outcomes) != 1:
            found.append(f"{message.text}: shown as {outcomes or 'nothing final'}")
        elif (shown := next(iter(outcomes))) != _shown(row):
            found.append(f"{message.text}: shown as {shown}, on record as {row['status']} {row['reply']!r}")
        if row["status"] == "completed" and not _answers(row["reply"], asked[row["id"]]):
            found.append(f"{message.text}: has the reply {row['reply']!r}")
        may_say = {message.edited} if message.edit == 200 else {message.text, message.edited}
        if row["text"] not in may_say or str(row["conversation_id"]) != message.conversation:
            found.append(f"{message.text}: stands elsewhere, as {row['text']!r}")
        if row["status"] == "cancelled" and row["superseded_by"] not in {turn["id"] for turn in turns}:
            found.append(f"{message.text}: was cancelled, and displaced by no turn")
    return found


def _answers(reply: str, asked: str) -> bool:
    """As the emulated model replies to the last message that it has read: to that, and with what was called for it."""
    text = " ".join(re.sub(r"\[\[.*?\]\]", "", asked).split())  # where an instruction stood, a blank may be left
    return re.search(rf"to: {re.escape(text)}( \(.*\))?$", " ".join(reply.split())) is not None


def _shown(row: dict[str, Any]) -> tuple[Any, ...]:
    seq = row["seq"] if row["superseded_by"] is None else None
    return str(row["id"]), seq, row["status"], row["reply"]


def _of_conversations(turns: Rows, lines: Rows) -> list[str]:
    found = []
    for conversation in {turn["conversation_id"] for turn in turns}:
        own = [turn for turn in turns if turn["conversation_id"] == conversation]
        said = [line for line in lines if line["conversation_id"] == conversation]
        if [turn["seq"] for turn in own] != list(range(1, len(own) + 1)):
            found.append(f"{conversation}: its turns have gaps")
        if [line["seq"] for line in said] != list(range(1, len(said) + 1)):
            found.append(f"{conversation}: its transcript has gaps")
        expected = [line for group in _groups(own) for line in _expected(group)]
        if [(line["turn_seq"], line["role"], line["text"]) for line in _last_words(said)] != expected:
            found.append(f"{conversation}: its transcript is not what was said, in order")
        ends = [turn["finished_at"] for group in _groups(own) for turn in group[:1] if turn["finished_at"] is not None]
        if ends != sorted(ends):
            found.append(f"{conversation}: turns ended out of order")
    return found


def _last_words(lines: Rows) -> Rows:
    last = {line["turn_seq"]: line["seq"] for line in lines if line["role"] == "assistant"}
    return [
        line for line in lines if _whole(line) and (line["role"] == "user" or last[line["turn_seq"]] == line["seq"])
    ]


def _whole(line: dict[str, Any]) -> bool:
    """A message, or an answer: what was said before a handoff or before a message has joined is not looked at."""
    return bool(line["text"]) and not line["partial"] and line["handoff_to"] is None


def _expected(group: Rows) -> list[tuple[int, str, str]]:
    """What the transcript shows of messages that were asked as one; partial answers are not looked at here."""
    asked = [
        (turn["seq"], "user", turn["text"])
        for turn in group
        if turn["status"] != "cancelled" or turn["superseded_how"] == "interrupt"
    ]
    leader = group[0]
    return [*asked, *([(leader["seq"], "assistant", leader["reply"])] if leader["status"] == "completed" else [])]


def _groups(turns: Rows) -> list[Rows]:
    """In the order of service: a turn, and the messages that were joined to it."""
    ordered = sorted(turns, key=lambda turn: (turn["place"], turn["seq"]))
    return [
        [turn, *(other for other in ordered if other["joined_to"] == turn["id"])]
        for turn in ordered
        if turn["joined_to"] is None
    ]


def _whole_texts(turns: Rows) -> dict[Any, str]:
    """By turn: what its last run was asked, all at once or by the last message that has joined."""
    texts: dict[Any, str] = {}
    for group in _groups(turns):
        steered = [one["text"] for one in group if one["steered_step"] is not None]
        whole = steered[-1:] or [one["text"] for one in group]
        texts |= {turn["id"]: "\n\n".join(whole) for turn in group}
    return texts


def _of_provider(turns: Rows, emulator: dict[str, Any]) -> list[str]:
    found = [f"two active at once: {overlap}" for overlap in emulator["violations"]]
    found += [f"{place} had {most} active at once" for place, most in emulator["max_active"].items() if most > 1]
    order_of = {str(turn["id"]): (turn["place"], turn["seq"]) for turn in turns}
    jobs = {job["id"]: job for job in [*emulator["runs"], *emulator["responses"]]}
    for place in [*emulator["threads"], *emulator["conversations"]]:
        turn_ids = [jobs[job]["metadata"].get("turn_id", "") for job in place["jobs"] if job in jobs]
        order = [order_of[turn_id] for turn_id in turn_ids if turn_id in order_of]
        if order != sorted(order):
            found.append(f"{place['id']}: runs of turns {[seq for _, seq in order]}, out of order")
    return found


def runs_of(emulator: dict[str, Any]) -> Counter[str]:
    """How many runs the provider has of each turn."""
    return Counter(job["metadata"].get("turn_id", "") for job in [*emulator["runs"], *emulator["responses"]])
