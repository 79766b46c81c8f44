"""Which turn a client that comes back is given: the one under way, or the last one where its stream broke off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.database import Chat, new_id


def followed(chat: Chat) -> str | None:
    answer = chat.db.call("chat_follow_conversation", user=chat.user, conversation=chat.conversation)
    return answer["turn"]["turn_id"] if answer["turn"] else None


def note(chat: Chat, turn: str, *, whole: bool) -> str:
    answer = chat.db.call("chat_note_stream", user=chat.user, turn=turn, whole=whole)
    return str(answer["outcome"])


def broken(chat: Chat, turn: str) -> bool:
    return bool(chat.db.call("chat_get_turn", user=chat.user, turn=turn)["turn"]["stream_broken"])


def answered(chat: Chat, **changes: Any) -> str:
    claim = chat.submit(**changes)["claim"]
    turn: str = claim["turn"]["turn_id"]
    chat.complete(claim["epoch"], turn)
    return turn


def test_the_head_of_the_queue_is_followed(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    chat.submit(owner=None)
    assert followed(chat) == claim["turn"]["turn_id"]


def test_an_undisturbed_turn_is_followed_by_none_and_has_no_row(chat: Chat) -> None:
    turn = answered(chat)
    assert followed(chat) is None
    assert not broken(chat, turn)
    assert chat.db.rows("select 1 from public.chat_turn_streams where user_id = %s", chat.user) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_broken_one_is_followed_until_one_copy_is_whole(chat: Chat, first: bool) -> None:
    """`first`: it broke before its turn ended."""
    claim = chat.submit()["claim"]
    turn: str = claim["turn"]["turn_id"]
    if first:
        assert note(chat, turn, whole=False) == "ok"
        ended = chat.complete(claim["epoch"], turn)
        assert ended["turn"]["stream_broken"], "who writes the end hears of it"
    else:
        chat.complete(claim["epoch"], turn)
        note(chat, turn, whole=False)
    assert followed(chat) == followed(chat) == turn
    note(chat, turn, whole=True)
    assert followed(chat) is None
    assert not broken(chat, turn)
    note(chat, turn, whole=False)
    assert followed(chat) is None, "a copy is out"


def test_a_whole_copy_before_a_broken_one_counts_as_well(chat: Chat) -> None:
    turn = answered(chat)
    note(chat, turn, whole=True)
    note(chat, turn, whole=False)
    assert followed(chat) is None


def test_ten_minutes_after_its_end_or_its_break(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn: str = claim["turn"]["turn_id"]
    note(chat, turn, whole=False)
    chat.db.let_pass(700)
    chat.complete(claim["epoch"], turn)
    chat.db.let_pass(590)
    assert followed(chat) == turn
    chat.db.let_pass(11)
    assert followed(chat) is None
    late = answered(chat)
    chat.db.let_pass(700)
    note(chat, late, whole=False)
    chat.db.let_pass(590)
    assert followed(chat) == late


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_turn_without_a_reply_is_an_end_too(chat: Chat, end: str) -> None:
    claim = chat.submit()["claim"]
    turn: str = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, end, '{"error": {"code": "run_failed"}}' if end == "failed" else "{}")
    note(chat, turn, whole=False)
    assert followed(chat) == turn


def test_only_the_last_turn_in_the_order_of_service(chat: Chat) -> None:
    old = answered(chat)
    note(chat, old, whole=False)
    assert followed(chat) == old
    head = chat.submit()["claim"]
    waits = chat.submit(owner=None)["turn"]["turn_id"]
    assert followed(chat) == head["turn"]["turn_id"]
    interrupts = chat.submit(strategy="interrupt", owner=None)["turn"]["turn_id"]
    chat.advance(head["epoch"], head["turn"]["turn_id"], "cancelled", lease_ms=0)
    for turn in (interrupts, waits):  # the one that was sent last goes first
        claim = chat.claim()
        assert claim["turn"]["turn_id"] == turn
        chat.complete(claim["epoch"], turn)
        note(chat, turn, whole=False)
    assert followed(chat) == waits


def test_a_turn_out_of_view_is_not_followed(chat: Chat) -> None:
    first, second = answered(chat), answered(chat)
    note(chat, second, whole=False)
    edited = chat.submit(replaces=second)["claim"]
    chat.complete(edited["epoch"], edited["turn"]["turn_id"])
    assert followed(chat) is None
    note(chat, first, whole=False)
    assert followed(chat) is None, "the edited one is behind it"
    note(chat, edited["turn"]["turn_id"], whole=False)
    assert followed(chat) == edited["turn"]["turn_id"]


def test_one_that_was_taken_back_hides_none(chat: Chat) -> None:
    turn = answered(chat)
    note(chat, turn, whole=False)
    rejected = chat.submit(strategy="reject")["claim"]
    chat.fenced("chat_withdraw_turn", turn=rejected["turn"]["turn_id"], epoch=rejected["epoch"])
    assert followed(chat) == turn


def test_of_no_other_user(chat: Chat) -> None:
    turn = answered(chat)
    other = Chat(chat.db, conversation=chat.conversation)
    theirs = answered(other)
    assert note(other, turn, whole=False) == "not_found"
    assert note(other, new_id(), whole=False) == "not_found"
    note(other, theirs, whole=False)
    assert (followed(chat), followed(other)) == (None, theirs)


def test_it_goes_with_its_turn(chat: Chat) -> None:
    note(chat, answered(chat), whole=False)
    chat.db.run("delete from public.chat_conversations where user_id = %s", chat.user)
    assert chat.db.rows("select 1 from public.chat_turn_streams where user_id = %s", chat.user) == []
