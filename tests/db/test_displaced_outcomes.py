"""A turn that is to be displaced: the outcome that came first stands, and what is told to the one after it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.db.checker import check
from tests.db.database import Chat, new_id
from tests.db.test_displacement import DISPLACING, RUN, SAID, superseded, turn_id, under_way


@pytest.mark.parametrize("strategy", DISPLACING)
@pytest.mark.parametrize(("to", "patch"), [("completed", '{"reply": "done"}'), ("failed", '{"error": {"code": "x"}}')])
def test_an_outcome_that_came_first_stands(chat: Chat, strategy: str, to: str, patch: str) -> None:
    epoch, first = under_way(chat)
    chat.submit(strategy=strategy)
    ended = chat.advance(epoch, first, to, patch, lease_ms=0)["turn"]
    assert (ended["status"], ended["superseded_by"], ended["superseded_how"]) == (to, None, None)
    assert (1, "user", "hello") in chat.lines()
    assert chat.claim()["displaced"] == []
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_one_that_cannot_be_ended_goes_on_undisturbed(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat)
    chat.submit(strategy=strategy)
    left = chat.advance(epoch, first, None, '{"undisturbed": true}')["turn"]
    assert (left["status"], left["cancel_requested"], left["superseded_by"]) == ("running", False, None)
    again = turn_id(chat.submit(strategy=strategy))
    assert chat.get(first)["turn"]["superseded_by"] == again, "the next one is told anew"
    chat.advance(epoch, first, None, '{"undisturbed": true}')
    chat.complete(epoch, first)
    assert chat.get(first)["turn"]["reply"] == "answer"
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_a_displaced_one_that_went_back_into_the_queue_is_not_started(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat)
    newer = turn_id(chat.submit(strategy=strategy))
    chat.advance(epoch, first, "queued", '{"delay_ms": 60000}', lease_ms=0)
    chat.submit(strategy=strategy)
    claim = chat.claim()
    assert (claim["turn"]["turn_id"], claim["turn"]["status"], claim["fresh"]) == (first, "queued", False)
    chat.advance(claim["epoch"], first, "cancelled", lease_ms=0)
    superseded(chat, first, newer)
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_its_user_may_cancel_a_displaced_one_too(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat)
    chat.advance(epoch, first, None, '{"thread": {"provider": "responses", "thread_id": "t", "cursor": null}}')
    newer = turn_id(chat.submit(strategy=strategy))
    told = chat.db.call("chat_cancel_turn", user=chat.user, turn=first)["turn"]
    assert (told["status"], told["superseded_by"]) == ("running", newer)
    chat.advance(epoch, first, "queued", lease_ms=0)
    ended = chat.db.call("chat_cancel_turn", user=chat.user, turn=first)["turn"]
    assert ended["status"] == "cancelled"
    superseded(chat, first, newer)
    claim = chat.claim()
    assert (claim["turn"]["turn_id"], claim["thread_id"]) == (newer, "t" if strategy == "interrupt" else None)
    check(chat)


def test_a_displaced_one_is_final(chat: Chat) -> None:
    epoch, first = under_way(chat)
    chat.submit(strategy="interrupt")
    chat.advance(epoch, first, "cancelled", SAID)
    before = chat.get(first)["turn"]
    for to in ("starting", "running", "completed", "failed", "cancelled", None):
        answer = chat.advance(epoch, first, to, '{"reply": "x", "error": {}, "undisturbed": true, "partial": "more"}')
        assert answer["outcome"] == "final"
    assert (
        chat.db.call("chat_edit_turn", user=chat.user, turn=first, text="x", op=new_id())["outcome"]
        == "already_started"
    )
    assert (
        chat.db.call("chat_cancel_turn", user=chat.user, turn=first)["turn"]["superseded_by"] == before["superseded_by"]
    )
    assert [line[2] for line in chat.lines()] == ["hello", "once upon"]
    for change in ("superseded_by = null, superseded_how = null", "error = '{}'", "status = 'completed', reply = 'x'"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            chat.db.run(f"update public.chat_turns set {change} where id = %s", first)


def told_of(chat: Chat) -> list[tuple[str, str]]:
    """What a claim says of interrupted turns."""
    claim: dict[str, Any] = chat.claim()
    chat.fenced("chat_release_lease", epoch=claim["epoch"])
    return [(one["text"], one["partial"]) for one in claim["displaced"]]


def test_what_was_interrupted_is_told_until_the_next_answer(chat: Chat) -> None:
    epoch, first = under_way(chat, text="first")
    chat.submit(text="second", strategy="interrupt", owner=None)
    chat.advance(epoch, first, "cancelled", SAID, lease_ms=0)
    chat.submit(text="third", strategy="interrupt", owner=None)  # the second had not begun
    assert told_of(chat) == [("first", "once upon"), ("second", "")]
    claim = chat.submit(text="fourth", strategy="rollback", owner=None)
    third = chat.claim()
    chat.advance(third["epoch"], third["turn"]["turn_id"], "cancelled", SAID, lease_ms=0)
    assert told_of(chat) == [("first", "once upon"), ("second", "")], "what was rolled back was never said"
    fourth = chat.claim()
    chat.submit(text="fifth", owner=None)
    chat.advance(fourth["epoch"], turn_id(claim), "failed", '{"error": {"code": "x"}}', lease_ms=0)
    assert len(told_of(chat)) == 2, "a failure is no answer"
    fifth = chat.claim()
    chat.complete(fifth["epoch"], fifth["turn"]["turn_id"])
    chat.submit(text="sixth", owner=None)
    assert told_of(chat) == []
    check(chat)


@pytest.mark.parametrize(
    ("how", "told"),
    [("interrupt", []), ("rollback", [("first", "once upon")]), ("cut off", []), ("failed", [("first", "once upon")])],
)
def test_what_was_put_back_is_put_back_again_only_where_it_has_gone(
    chat: Chat, how: str, told: list[tuple[str, str]]
) -> None:
    """It stands where its run has left something there, a step or words that were cut off."""
    epoch, first = under_way(chat, text="first")
    chat.advance(epoch, first, None, '{"thread": {"provider": "responses", "thread_id": "t", "cursor": "i1"}}')
    chat.submit(text="second", strategy="interrupt", owner=None)
    chat.advance(epoch, first, "cancelled", SAID, lease_ms=0)
    second = chat.claim()
    assert [one["text"] for one in second["displaced"]] == ["first"]
    if how in ("interrupt", "rollback"):
        called = {"run_id": "r2", "agent": "a", "text": "x", "calls": list[str](), "thread_id": "t"}
        patch = json.dumps({"run": {"run_id": "r2", "agent": "a", "status": "completed"}, "step": called})
        chat.advance(second["epoch"], second["turn"]["turn_id"], "requires_action", patch)
        chat.submit(text="third", strategy=how, owner=None)
        end, patch = "cancelled", SAID
    else:
        chat.advance(second["epoch"], second["turn"]["turn_id"], "running", RUN)
        chat.submit(text="third", owner=None)
        end, patch = "failed", json.dumps({"error": {"code": "run_incomplete" if how == "cut off" else "run_failed"}})
    chat.advance(second["epoch"], second["turn"]["turn_id"], end, patch, lease_ms=0)
    assert told_of(chat) == told


def test_a_rollback_takes_back_its_own_lines_and_no_others(chat: Chat) -> None:
    chat.complete(*under_way(chat, text="first"))
    epoch, second = under_way(chat, text="second")
    chat.submit(text="interrupts", strategy="interrupt")
    chat.advance(epoch, second, "cancelled", SAID, lease_ms=0)
    claim = chat.claim()
    chat.submit(text="rolls back", strategy="rollback")
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "cancelled", SAID, lease_ms=0)
    kept = [(1, "user", "first"), (2, "assistant", "answer"), (3, "user", "second"), (4, "assistant", "once upon")]
    assert chat.lines() == kept
    chat.claim()
    assert chat.lines() == [*kept, (5, "user", "rolls back")]
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_one_that_is_taken_back_was_not_displaced(chat: Chat, strategy: str) -> None:
    """Strategy `reject`, refused by the provider in the moment another message displaces it."""
    epoch, first = under_way(chat, "starting", strategy="reject")
    chat.submit(text="now", strategy=strategy)
    assert chat.fenced("chat_withdraw_turn", turn=first, epoch=epoch)["outcome"] == "ok"
    row = chat.get(first)["turn"]
    assert (row["status"], row["text"], row["superseded_by"]) == ("cancelled", "", None)
    chat.fenced("chat_release_lease", epoch=epoch)
    assert told_of(chat) == []
    assert chat.lines() == [(1, "user", "now")]


def test_no_other_users_turn_is_displaced(chat: Chat) -> None:
    """The same conversation's id, used by two users, and two conversations of one."""
    other, elsewhere = Chat(chat.db, conversation=chat.conversation), Chat(chat.db, user=chat.user)
    chats = (chat, other, elsewhere)
    started = [under_way(one) for one in chats]
    chat.submit(strategy="rollback")
    told = [one.get(turn)["turn"] for one, (_, turn) in zip(chats, started, strict=True)]
    assert [turn["cancel_requested"] for turn in told] == [True, False, False]
    chat.advance(*started[0], "cancelled", lease_ms=0)
    assert other.lines() == elsewhere.lines() == [(1, "user", "hello")]
    for one in (chat, other, elsewhere):
        chat.db.let_pass(15)
        claim = one.claim()
        one.submit(strategy="interrupt", text="again", owner=None)
        one.advance(claim["epoch"], claim["turn"]["turn_id"], "cancelled", lease_ms=0)
        assert [told["turn_id"] for told in one.claim()["displaced"]] == [claim["turn"]["turn_id"]]


def test_open_turns_are_listed_in_the_order_of_service(chat: Chat) -> None:
    under_way(chat)
    for text, strategy in (("waiting", "enqueue"), ("now", "interrupt")):
        chat.submit(text=text, strategy=strategy)
    detail = chat.db.call("chat_get_conversation", user=chat.user, conversation=chat.conversation)["conversation"]
    assert [(turn["position"], turn["text"]) for turn in detail["open_turns"]] == [
        (0, "hello"),
        (1, "now"),
        (2, "waiting"),
    ]
    chat.db.let_pass(15)
    orphans = chat.db.call("chat_list_orphans", limit=200)["orphans"]
    (own,) = [orphan for orphan in orphans if orphan["user_id"] == chat.user]
    assert own["newest_turn_id"] == detail["open_turns"][-1]["turn_id"], "when it is final, all are"
