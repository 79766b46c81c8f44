"""How long ago a turn was asked to end is on record: patience with a run that ignores it does not begin anew."""

from __future__ import annotations

import pytest

from tests.db.database import Answer, Chat
from tests.db.test_displacement import turn_id, under_way


def cancel(chat: Chat, turn: str) -> Answer:
    return chat.db.call("chat_cancel_turn", user=chat.user, turn=turn)


@pytest.mark.parametrize("how", ["cancel", "interrupt", "rollback"])
def test_the_age_of_a_cancel_outlives_its_holder(chat: Chat, how: str) -> None:
    epoch, turn = under_way(chat)
    assert chat.get(turn)["turn"]["cancelling_ms"] is None
    if how == "cancel":
        assert cancel(chat, turn)["turn"]["cancelling_ms"] < 1000
    else:
        chat.submit(strategy=how)
    chat.db.let_pass(20)
    cancel(chat, turn)  # asking again changes nothing
    claim = chat.claim()
    assert claim["epoch"] != epoch
    assert 20_000 <= claim["turn"]["cancelling_ms"] < 22_000
    ended = chat.advance(claim["epoch"], turn, "cancelled", lease_ms=0)["turn"]
    assert ended["cancelling_ms"] is None


def test_what_nothing_can_displace_is_not_being_cancelled(chat: Chat) -> None:
    epoch, turn = under_way(chat)
    chat.submit(strategy="interrupt")
    left = chat.advance(epoch, turn, None, '{"undisturbed": true}')["turn"]
    assert (left["cancel_requested"], left["cancelling_ms"]) == (False, None)
    assert cancel(chat, turn)["turn"]["cancelling_ms"] < 1000


def test_one_that_waited_ends_at_once(chat: Chat) -> None:
    under_way(chat)
    waiting = turn_id(chat.submit(owner=None))
    ended = cancel(chat, waiting)["turn"]
    assert (ended["status"], ended["cancelling_ms"]) == ("cancelled", None)
