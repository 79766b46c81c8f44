"""What holds of a conversation at every moment, after any calls in any order."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tests.db.database import Chat

OPEN_TURNS = ("queued", "starting", "running", "requires_action")
Rows = dict[str, dict[str, Any]]


def check(chat: Chat, *, over: bool = False) -> None:
    """`over`: nothing is open any more."""
    (conversation,) = chat.db.rows("select * from public.chat_conversations where user_id = %s", chat.user)
    found = chat.db.rows(
        "select *, id::text, joined_to::text as lead from public.chat_turns where user_id = %s", chat.user
    )
    turns: Rows = {row["id"]: row for row in sorted(found, key=lambda row: row["seq"])}
    assert [row["seq"] for row in turns.values()] == list(range(1, conversation["next_seq"]))
    still_open = [row for row in turns.values() if row["finished_at"] is None]
    assert not (over and still_open)
    assert len({row["place"] for row in still_open}) == len(still_open)
    assert sum(row["status"] in OPEN_TURNS[1:] for row in still_open) <= 1
    heads = sorted((row for row in still_open if row["lead"] is None), key=lambda row: row["place"])
    assert not any(row["status"] in OPEN_TURNS[1:] for row in heads[1:]), "only the head is under way"
    for row in still_open:
        assert row["lead"] in (None, heads[0]["id"]), "one that is joined is reached from the head"
        assert row["lead"] is None or row["status"] == "queued"
    for row in turns.values():
        _check_turn(row, turns)
    _check_lines(chat, conversation["next_message_seq"], turns)


def _check_turn(row: dict[str, Any], turns: Rows) -> None:
    by = None if row["superseded_by"] is None else str(row["superseded_by"])
    if by is not None:
        assert by != row["id"]
        assert row["superseded_how"] in ("edit", turns[by]["strategy"])
        if row["superseded_how"] == "edit":
            assert row["finished_at"] is not None, "a turn in whose place another one was sent is over at once"
            assert turns[by]["replaced"] is not None or turns[by]["superseded_how"] == "edit"
        else:
            assert row["finished_at"] is None or row["status"] == "cancelled", "what came first stands"
            assert row["finished_at"] is None or row["error"]["superseded_by"] == by
    if row["lead"] is not None:
        lead = turns[row["lead"]]
        assert lead["lead"] is None
        assert row["strategy"] == "steer" or (lead["strategy"], row["strategy"]) == ("coalesce", "coalesce")
        assert (row["strategy"] == "steer") == (row["steered_step"] is not None)
        cancelled = row["status"] == "cancelled" and by is None
        if row["finished_at"] is not None and not cancelled:
            for shared in ("status", "reply", "superseded_by", "superseded_how", "finished_at"):
                assert row[shared] == lead[shared], shared


def _check_lines(chat: Chat, following: int, turns: Rows) -> None:
    lines = chat.db.rows("select *, turn_id::text from public.chat_messages where user_id = %s order by seq", chat.user)
    numbers = [line["seq"] for line in lines]
    assert not numbers or numbers[-1] < following
    edited = {turn for turn, row in turns.items() if row["superseded_how"] == "edit"}
    assert edited or numbers == list(range(1, following)), "no gaps but where lines were taken out of view"
    assert not edited & {line["turn_id"] for line in lines}, "what was replaced is out of view"
    spoken = [(turns[line["turn_id"]]["lead"] or line["turn_id"], line) for line in lines]
    groups = [key for key, _ in groupby(spoken, key=lambda one: one[0])]
    assert len(groups) == len(set(groups)), "what belongs together stands together"
    asked = [line["turn_id"] for line in lines if line["role"] == "user"]
    said = {line["turn_id"]: line for line in lines if line["role"] == "assistant" and not _passed(line, lines, turns)}
    for line in lines:
        assert line["role"] == "assistant" or line["text"] == turns[line["turn_id"]]["text"]
    for turn, row in turns.items():
        if turn in edited:
            continue
        if row["status"] in ("completed", "failed") or row["superseded_how"] == "interrupt":
            assert row["finished_at"] is None or turn in asked
        if row["finished_at"] is not None and row["superseded_how"] == "rollback":
            assert turn not in asked
            assert turn not in said
        if row["status"] == "completed" and row["lead"] is None:
            assert said[turn]["text"] == row["reply"]
        elif row["superseded_how"] != "rollback":
            partial = None if row["error"] is None else row["error"].get("partial_text")
            assert (said[turn]["text"] if turn in said else None) == partial, "what was said before it ended stands"
        assert turn not in said or said[turn]["partial"] == (row["status"] != "completed")
    places = [turns[turns[turn]["lead"] or turn]["place"] for turn in asked]
    assert places == sorted(places), "asked in the order of service"


def _passed(line: dict[str, Any], lines: list[dict[str, Any]], turns: Rows) -> bool:
    """Whether it was said before a handoff, or before a message that was steered to its agent."""
    told = [one for one in lines if turns[one["turn_id"]]["lead"] == line["turn_id"] and one["seq"] > line["seq"]]
    steered = any(turns[one["turn_id"]]["strategy"] == "steer" for one in told)
    return steered or line["handoff_to"] is not None
