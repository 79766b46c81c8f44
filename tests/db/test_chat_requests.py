"""What the AI SDK's chat means by its own ids: which turn is answered anew, and which request attaches to one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, new_id
from tests.db.test_displacement import turn_id
from tests.db.test_replacement import displaced

REGENERATE: dict[str, Any] = {"trigger": "regenerate-message", "key": None}


def sent(chat: Chat, message: str, text: str = "hello", **changes: Any) -> Answer:
    """A message as a chat sends it, with its id for a key."""
    given = {"trigger": "submit-message", "names": None, "message": message, "key": f"{chat.user}/{message}"}
    return chat.submit(text=text, **(given | changes))


def answered(chat: Chat, message: str, text: str = "hello", **changes: Any) -> str:
    claim = sent(chat, message, text, **changes)["claim"]
    turn = str(claim["turn"]["turn_id"])
    chat.complete(claim["epoch"], turn, f"to {text}")
    return turn


def test_a_message_is_new_and_keeps_its_id(chat: Chat) -> None:
    first = sent(chat, "m1")
    assert first["turn"]["client_message_id"] == "m1"
    assert first["turn"]["replaced"] is None
    assert sent(chat, "m1")["outcome"] == "replayed"
    assert sent(chat, "m1", "other", hash="1" * 64)["outcome"] == "key_mismatch"
    assert sent(chat, "m2", "unknown", names="m2")["turn"]["replaced"] is None, "one that never came is sent once more"
    check(chat)


@pytest.mark.parametrize("names", ["answer", "m1", "shown", None])
def test_a_regeneration_names_a_turn_in_many_ways(chat: Chat, names: str | None) -> None:
    first = answered(chat, "m1", "first")
    answered(chat, "m2", "second")
    named = {"answer": first, "m1": "m1", "shown": f"{first}:user", None: None}[names]
    newer = sent(chat, "m1", "not read", names=named, hash="1" * 64, **REGENERATE)
    assert (newer["turn"]["text"], newer["turn"]["replaced"]) == ("first", first)
    assert newer["turn"]["client_message_id"] == "m1"
    displaced(chat, first, turn_id(newer), "completed")
    check(chat)


def test_where_no_id_is_known_the_last_turn_is_meant_if_it_asked_the_same(chat: Chat) -> None:
    chat.submit(text="first")
    last = turn_id(chat.submit(text="last"))
    newer = sent(chat, "x", "last", **REGENERATE)
    assert newer["turn"]["replaced"] == last
    never_accepted = sent(chat, "y", "a message that was refused before", **REGENERATE)
    assert never_accepted["turn"]["replaced"] is None
    assert never_accepted["turn"]["text"] == "a message that was refused before"
    assert sent(chat, "z", "z", names=new_id(), **REGENERATE) == {"outcome": "not_found"}
    other = Chat(chat.db, chat.user)
    assert sent(other, "x", "first", **REGENERATE)["turn"]["replaced"] is None


def test_a_first_attempt_that_comes_behind_the_second_is_known(chat: Chat) -> None:
    key = f"{chat.conversation}/m1"
    once_more = sent(chat, "m1", **REGENERATE)
    late = sent(chat, "m1", key=key)
    assert (late["outcome"], turn_id(late)) == ("replayed", turn_id(once_more))
    again = sent(chat, "m1", **REGENERATE)
    assert again["turn"]["replaced"] == turn_id(once_more), "it is answered anew as ever"
    assert turn_id(sent(chat, "m1", key=key)) == turn_id(once_more)
    chat.submit(text="no chat's", key=f"{chat.conversation}/m2")
    assert sent(chat, "m2", "hello", **REGENERATE)["outcome"] == "created", "the key of another message stays its own"
    other = Chat(chat.db, conversation=chat.conversation)
    assert sent(other, "m1", **REGENERATE)["turn"]["replaced"] is None
    check(chat)


def test_what_is_another_users_is_not_known(chat: Chat) -> None:
    theirs = answered(chat, "m1")
    stranger = Chat(chat.db, conversation=chat.conversation)
    sent(stranger, "m9")
    for names in ("m1", theirs, f"{theirs}:user", new_id()):
        assert sent(stranger, "m8", "y", names=names, **REGENERATE) == {"outcome": "not_found"}
        assert sent(stranger, new_id(), "x", names=names)["turn"]["replaced"] is None


def test_a_known_message_that_is_sent_again_by_its_id_is_edited(chat: Chat) -> None:
    first = answered(chat, "m1", "first")
    newer = sent(chat, "m1", "edited", names="m1", hash="1" * 64, strategy="reject")
    assert (newer["turn"]["text"], newer["turn"]["replaced"]) == ("edited", first)
    again = sent(chat, "m1", "edited twice", names="m1", hash="2" * 64)
    assert again["turn"]["replaced"] == turn_id(newer), "the newest of that id is meant"
    check(chat)


def test_a_message_that_is_still_answered_is_sent_again_to_the_same_turn(chat: Chat) -> None:
    first = sent(chat, "m1")
    assert sent(chat, "m1", names="m1", hash="1" * 64)["turn"]["turn_id"] == turn_id(first)
    edited = sent(chat, "m1", "edited", names="m1", hash="2" * 64)
    assert sent(chat, "m1", "edited", names="m1", hash="2" * 64)["turn"]["turn_id"] == turn_id(edited)
    chat.complete(edited["claim"]["epoch"], turn_id(edited))
    assert sent(chat, "m1", "edited", names="m1", hash="2" * 64)["turn"]["replaced"] == turn_id(edited)


def test_a_regeneration_is_attached_to_until_it_is_over(chat: Chat) -> None:
    """Whatever key travels with it. Another tab that asks for the same in other words is attached as well."""
    first = answered(chat, "m1")
    newer = sent(chat, "m1", **REGENERATE)
    assert newer["outcome"] == "created"
    for names, digest in ((None, "0" * 64), (first, "1" * 64), ("m1", "2" * 64)):
        same = sent(chat, "m1", names=names, hash=digest, **REGENERATE)
        assert (same["outcome"], same["turn"]["turn_id"]) == ("replayed", turn_id(newer))
    check(chat)


def test_one_that_is_over_is_asked_for_anew(chat: Chat) -> None:
    answered(chat, "m1")
    newer = sent(chat, "m1", **REGENERATE)
    chat.complete(newer["claim"]["epoch"], turn_id(newer))
    again = sent(chat, "m1", **REGENERATE)
    assert (again["outcome"], again["turn"]["replaced"]) == ("created", turn_id(newer))
    anew = sent(chat, "m1", names=turn_id(again), hash="1" * 64, **REGENERATE)
    assert anew["turn"]["replaced"] == turn_id(again), "named by its own id it is to be answered anew"
    by_another = sent(chat, "m1", agent="script_writer", hash="2" * 64, **REGENERATE)
    assert by_another["turn"]["replaced"] == turn_id(anew)
    check(chat)


def test_forty_tabs_regenerate_at_once(chat: Chat) -> None:
    """One order and one answer: one of them begins it, the others attach."""
    answered(chat, "m1")
    answers = chat.db.together(40, lambda session, _: sent_in(chat, session))
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "replayed": 39}
    assert len({turn_id(answer) for answer in answers}) == 1
    check(chat)


def sent_in(chat: Chat, session: Any) -> Answer:
    return chat.submit(session, text="hello", trigger="regenerate-message", names=None, message="m1")
