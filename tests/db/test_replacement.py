"""A message in the place of an earlier one: what is displaced, what stays readable, who answers, and races for it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, Session, new_id
from tests.db.test_displacement import RUN, served, turn_id, under_way

THREAD = '{"thread": {"provider": "responses", "thread_id": "old", "cursor": "c"}}'


def answered(chat: Chat, text: str = "hello", **changes: Any) -> str:
    """A turn with its reply; its run has begun a thread."""
    claim = chat.submit(text=text, **changes)["claim"]
    epoch, turn = claim["epoch"], claim["turn"]["turn_id"]
    chat.advance(epoch, turn, "running", THREAD)
    chat.complete(epoch, turn, f"to {text}")
    return str(turn)


def displaced(chat: Chat, turn: str, by: str, status: str) -> dict[str, Any]:
    row: dict[str, Any] = chat.get(turn)["turn"]
    assert (row["status"], row["superseded_by"], row["superseded_how"]) == (status, by, "edit")
    return row


def conversation(chat: Chat) -> dict[str, Any]:
    (row,) = chat.db.rows("select * from public.chat_conversations where user_id = %s", chat.user)
    return row


def test_an_edited_message_takes_the_place_of_what_was_answered(chat: Chat) -> None:
    kept, first, second = (answered(chat, text) for text in ("kept", "first", "second"))
    newer = chat.submit(text="edited", replaces=first)
    assert (newer["turn"]["seq"], newer["turn"]["replaced"], newer["turn"]["text"]) == (4, first, "edited")
    for turn, text in ((first, "first"), (second, "second")):
        row = displaced(chat, turn, turn_id(newer), "completed")
        assert (row["text"], row["reply"], row["error"]) == (text, f"to {text}", None), "it stays readable"
    assert chat.get(kept)["turn"]["superseded_by"] is None
    assert newer["claim"]["thread_id"] is None, "the thread that holds the old lines is given up"
    assert newer["claim"]["displaced"] == []
    chat.complete(newer["claim"]["epoch"], turn_id(newer), "to edited")
    assert chat.lines() == [
        (1, "user", "kept"),
        (2, "assistant", "to kept"),
        (7, "user", "edited"),
        (8, "assistant", "to edited"),
    ]
    assert (conversation(chat)["preview"], conversation(chat)["unread"]) == ("to edited", 2)
    check(chat, over=True)


def test_a_regeneration_asks_the_same_again(chat: Chat) -> None:
    first = answered(chat, "same")
    newer = chat.submit(text=None, replaces=first)
    assert (newer["turn"]["text"], newer["turn"]["agent"]) == ("same", "orchestrator")
    again = chat.submit(text=None, replaces=turn_id(newer), agent="script_writer")
    assert (again["turn"]["text"], again["turn"]["agent"]) == ("same", "script_writer")
    displaced(chat, turn_id(newer), turn_id(again), "cancelled")
    check(chat)


@pytest.mark.parametrize("status", ["starting", "running", "requires_action", "queued"])
def test_what_is_under_way_there_is_over_at_once_and_never_answers(chat: Chat, status: str) -> None:
    epoch, first = under_way(chat, status)
    waits = turn_id(chat.submit(text="behind"))
    chat.advance(epoch, first, None, '{"draft": "once upon"}')
    newer = chat.submit(text="edited", replaces=first)
    assert newer["claim"]["turn"]["turn_id"] == turn_id(newer), "it need not wait for the lease of what it displaced"
    late = [
        chat.advance(epoch, first, to, patch)
        for to, patch in (("completed", '{"reply": "late"}'), (None, THREAD), ("starting", "{}"), ("running", RUN))
    ]
    assert {answer["outcome"] for answer in late} == {"fenced"}
    tool: dict[str, Any] = {"turn": first, "epoch": epoch, "call": "c", "name": "tool", "op": "op"}
    assert chat.fenced("chat_begin_tool_call", **tool)["outcome"] == "fenced"
    error = displaced(chat, first, turn_id(newer), "cancelled")["error"]
    assert (error["code"], error["superseded_by"]) == ("superseded", turn_id(newer))
    assert error["partial_text"] == "once upon"
    displaced(chat, waits, turn_id(newer), "cancelled")
    assert conversation(chat)["thread_id"] is None
    assert chat.lines() == [(2, "user", "edited")]
    check(chat)


def test_a_holder_whose_turn_was_displaced_is_told_so_before_the_next_one_claims(chat: Chat) -> None:
    epoch, first = under_way(chat)
    newer = chat.submit(text="edited", replaces=first, owner=None)
    assert chat.advance(epoch, first, "completed", '{"reply": "late"}')["outcome"] == "final"
    assert served(chat) == ["edited"]
    displaced(chat, first, turn_id(newer), "cancelled")


def test_one_that_waits_is_replaced_behind_the_one_under_way(chat: Chat) -> None:
    epoch, first = under_way(chat)
    chat.advance(epoch, first, None, THREAD)
    waits, last = (turn_id(chat.submit(text=text)) for text in ("waits", "last"))
    newer = chat.submit(text="edited", replaces=waits)
    assert newer["turn"]["position"] == 1
    assert "claim" not in newer
    for turn in (waits, last):
        displaced(chat, turn, turn_id(newer), "cancelled")
    assert conversation(chat)["thread_id"] == "old", "nothing of them stands in it"
    chat.complete(epoch, first)
    assert served(chat) == ["edited"]


def test_messages_that_were_joined_are_replaced_as_one(chat: Chat) -> None:
    members = [turn_id(chat.submit(text=text, strategy="coalesce", owner=None)) for text in ("a", "b")]
    held = chat.claim()
    chat.complete(held["epoch"], members[0])
    newer = chat.submit(text=None, replaces=members[1])
    assert newer["turn"]["text"] == "a\n\nb"
    for turn in members:
        displaced(chat, turn, turn_id(newer), "completed")
    check(chat)


def test_who_answers_is_who_had_control_before(chat: Chat) -> None:
    first = chat.submit()["claim"]
    handoff = {"from": "orchestrator", "to": "script_writer", "reason": "", "task": "", "said": "over to you"}
    chat.advance(first["epoch"], first["turn"]["turn_id"], "running", RUN)
    chat.advance(first["epoch"], first["turn"]["turn_id"], "starting", json.dumps({"handoff": handoff}))
    run = {"run": {"run_id": "r2", "agent": "script_writer", "status": "completed"}, "reply": "x"}
    chat.advance(first["epoch"], first["turn"]["turn_id"], "completed", json.dumps(run), lease_ms=0)
    second = answered(chat, "next")
    assert chat.get(second)["turn"]["agent"] == "script_writer"
    assert chat.submit(text=None, replaces=second, owner=None)["turn"]["agent"] == "script_writer"
    newer = chat.submit(text=None, replaces=first["turn"]["turn_id"])
    assert newer["turn"]["agent"] == "orchestrator"
    named = answered(Chat(chat.db, chat.user), "named", agent="image_prompt_writer")
    kept = chat.submit(text=None, replaces=named, conversation=None)
    assert kept["turn"]["agent"] == "image_prompt_writer"


def test_an_interrupted_turn_that_was_replaced_is_told_to_no_thread(chat: Chat) -> None:
    epoch, first = under_way(chat)
    by = turn_id(chat.submit(text="now", strategy="interrupt"))
    chat.advance(epoch, first, "cancelled", '{"partial": "once"}', lease_ms=0)
    newer = chat.submit(text="edited", replaces=first)
    assert newer["claim"]["displaced"] == []
    displaced(chat, first, by, "cancelled")
    displaced(chat, by, turn_id(newer), "cancelled")
    check(chat)


def test_the_first_message_that_is_edited_names_the_conversation(chat: Chat) -> None:
    first = answered(chat, "first")
    second = answered(chat, "second")
    chat.submit(text="other", replaces=second)
    assert conversation(chat)["title"] == "first"
    newer = chat.submit(text="edited", replaces=first)
    assert conversation(chat)["title"] == "edited"
    renamed = {"user": chat.user, "conversation": chat.conversation, "patch": '{"title": "mine"}'}
    chat.db.call("chat_change_conversation", **renamed)
    chat.submit(text="again", replaces=turn_id(newer))
    assert conversation(chat)["title"] == "mine"


def test_what_it_names_must_be_there(chat: Chat) -> None:
    first = answered(chat)
    other = Chat(chat.db, chat.user)
    elsewhere = answered(other)
    before = chat.db.rows("select * from public.chat_turns where user_id = %s order by id", chat.user)
    for named in (new_id(), elsewhere):
        assert chat.submit(replaces=named) == {"outcome": "not_found"}
    assert Chat(chat.db).submit(replaces=first, conversation=None) == {"outcome": "not_found"}
    assert chat.submit(replaces=first, agent="no_such") == {"outcome": "unknown_agent"}
    assert before == chat.db.rows("select * from public.chat_turns where user_id = %s order by id", chat.user)


def test_places_that_become_free_count_for_the_limits(chat: Chat) -> None:
    first = turn_id(chat.submit())
    chat.submit()
    assert chat.submit(replaces=first, open_per_conversation=1, open_per_user=1)["outcome"] == "created"


def test_a_final_turn_can_only_be_taken_out_of_view(chat: Chat) -> None:
    first = answered(chat)
    newer = turn_id(chat.submit(text="edited", replaces=first))
    other = new_id()
    for change in (
        "superseded_by = null, superseded_how = null",
        f"superseded_by = '{other}'",
        "reply = 'x'",
        "superseded_how = 'rollback'",
    ):
        with pytest.raises(Exception, match="a final turn does not change"):
            chat.db.run(f"update public.chat_turns set {change} where id = %s", first)
    displaced(chat, first, newer, "completed")


@pytest.mark.parametrize("begun", [True, False])
def test_forty_regenerate_at_once(chat: Chat, begun: bool) -> None:
    """One order and one visible answer: each but the last displaces the one before it, and every loser is told."""
    first = under_way(chat)[1] if begun else answered(chat)
    answers = chat.db.together(40, lambda session, _: chat.submit(session, text=None, replaces=first))
    ordered = sorted((answer["turn"] for answer in answers), key=lambda turn: turn["seq"])
    assert [turn["seq"] for turn in ordered] == list(range(2, 42))
    for one, following in itertools.pairwise(ordered):
        displaced(chat, one["turn_id"], following["turn_id"], "cancelled")
    newest = next(answer for answer in answers if answer["turn"]["seq"] == 41)
    chat.complete(newest["claim"]["epoch"], turn_id(newest), "the only one")
    assert [line[1:] for line in chat.lines()] == [("user", "hello"), ("assistant", "the only one")]
    check(chat, over=True)


def test_forty_with_one_key_are_one(chat: Chat) -> None:
    first = answered(chat)
    answers = chat.db.together(40, lambda session, _: chat.submit(session, text=None, replaces=first, key="key"))
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "replayed": 39}
    check(chat)


def test_regenerations_against_completions(chat: Chat) -> None:
    """Either came first: an answer stands on its row and is out of view, or it is refused."""
    for _ in range(20):
        one = Chat(chat.db)
        epoch, first = under_way(one)

        def work(session: Session, number: int, one: Chat = one, epoch: int = epoch, first: str = first) -> Answer:
            if number:
                return one.submit(session, text=None, replaces=first)
            return one.advance(epoch, first, "completed", '{"reply": "answer"}', session, lease_ms=0)

        ended, newer = one.db.together(2, work)
        status = "completed" if ended["outcome"] == "ok" else "cancelled"
        row = displaced(one, first, turn_id(newer), status)
        assert row["reply"] == ("answer" if status == "completed" else None)
        assert [line[1:] for line in one.lines()] == [("user", "hello")]
        check(one)


def test_an_agent_that_was_only_asked_for_by_name_has_no_control_before_it_answers(chat: Chat) -> None:
    answered(chat, "first")
    named = answered(chat, "second", agent="script_writer")
    again = chat.submit(text=None, replaces=named)
    assert again["turn"]["agent"] == "script_writer"
    chat.advance(again["claim"]["epoch"], turn_id(again), "cancelled", lease_ms=0)
    assert chat.submit(owner=None)["turn"]["agent"] == "orchestrator", "control is where it was in that place"


def test_an_agent_that_was_asked_for_by_name_and_stopped_has_had_no_control(chat: Chat) -> None:
    answered(chat, "first")
    stopped = chat.submit(text="second", agent="script_writer")
    chat.advance(stopped["claim"]["epoch"], turn_id(stopped), "running", RUN)
    chat.advance(stopped["claim"]["epoch"], turn_id(stopped), "cancelled", '{"partial": "I was about"}', lease_ms=0)
    assert chat.lines()[-1][1:] == ("assistant", "I was about")
    third = answered(chat, "third")
    assert chat.get(third)["turn"]["agent"] == "orchestrator"
    assert chat.submit(text=None, replaces=third)["turn"]["agent"] == "orchestrator", "as the first time"
