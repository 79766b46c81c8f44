"""Old conversations: closed by their next message or by a sweep, deleted by a sweep. Rotation on demand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.database import Answer, Chat, Session, new_id
from tests.db.test_deletion import WORD, delete, tables_with
from tests.db.test_threads import begun, ended, named, record

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SCOPE: dict[str, Any] = {"conversation": None, "scope_kind": "session", "scope_key": "tab"}


def answered(chat: Chat, session: Session | None = None, **message: Any) -> Answer:
    """A turn that is over; its conversation is idle."""
    sent = chat.submit(session, **message)
    one = Chat(chat.db, chat.user, sent["turn"]["conversation_id"])
    one.complete(sent["claim"]["epoch"], sent["turn"]["turn_id"])
    turn: Answer = sent["turn"]
    return turn


def sweep(chat: Chat, ttl_ms: int = 0, retention_ms: int = 0) -> Answer:
    return chat.db.call("chat_expire_conversations", ttl_ms=ttl_ms, retention_ms=retention_ms, limit=1000)


def is_archived(chat: Chat) -> bool:
    return bool(chat.fenced("chat_get_conversation")["conversation"]["archived"])


@pytest.fixture(autouse=True)
def nothing_old(chat: Chat) -> None:
    """A sweep takes up what other tests have left."""
    chat.db.run("delete from public.chat_conversations")


def test_a_message_to_an_expired_conversation_is_refused_and_its_scope_goes_on_in_a_new_one(chat: Chat) -> None:
    answered(chat, idle_ttl_ms=HOUR_MS)
    scoped = answered(chat, **SCOPE, idle_ttl_ms=HOUR_MS)["conversation_id"]
    chat.db.let_pass(3595)
    assert answered(chat, **SCOPE, idle_ttl_ms=HOUR_MS)["conversation_id"] == scoped, "not yet"
    chat.db.let_pass(3595)
    assert chat.submit(idle_ttl_ms=HOUR_MS) == {"outcome": "archived"}
    assert answered(chat, **SCOPE, idle_ttl_ms=HOUR_MS)["conversation_id"] == scoped, "the last message counts"
    chat.db.let_pass(3605)
    assert answered(chat, **SCOPE, idle_ttl_ms=HOUR_MS)["conversation_id"] != scoped
    assert is_archived(Chat(chat.db, chat.user, scoped))


def test_a_scope_has_an_expiry_of_its_own(chat: Chat) -> None:
    short = answered(chat, **SCOPE, scope_ttl_ms=1800)["conversation_id"]
    ever = {**SCOPE, "scope_key": "ever"}
    kept = answered(chat, **ever, scope_ttl_ms=0)["conversation_id"]
    chat.db.let_pass(2)
    assert answered(chat, **SCOPE)["conversation_id"] != short, "also where the settings say for ever"
    chat.db.let_pass(DAY_MS / 1000)
    assert answered(chat, **ever, idle_ttl_ms=1)["conversation_id"] == kept
    assert chat.submit(**ever, scope_ttl_ms=1000)["turn"]["conversation_id"] == kept
    chat.db.let_pass(2)
    assert chat.submit(**ever)["turn"]["conversation_id"] == kept, "it is being answered"


def test_a_sweep_closes_what_is_old_and_takes_its_thread(chat: Chat) -> None:
    thread, other = new_id(), Chat(chat.db)
    claim = begun(chat, thread)
    other.submit()
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    own = answered(chat, **SCOPE, scope_ttl_ms=60_000)["conversation_id"]
    chat.db.let_pass(61)
    assert sweep(chat) == {"outcome": "ok", "archived": 1, "deleted": 0}
    assert is_archived(Chat(chat.db, chat.user, own))
    chat.db.let_pass(3600)
    assert sweep(chat, HOUR_MS) == {"outcome": "ok", "archived": 1, "deleted": 0}, "the other one is being answered"
    assert is_archived(chat)
    assert thread in ended(chat)
    assert record(chat, thread) == [(1, "archived", chat.user)]


def test_a_sweep_deletes_what_has_been_kept_long_enough(chat: Chat) -> None:
    recent, closed, busy = (Chat(chat.db, chat.user) for _ in range(3))
    for one in (chat, closed):
        answered(one, text=WORD)
    busy.submit()
    chat.db.let_pass(DAY_MS / 1000 / 2)
    closed.fenced("chat_change_conversation", patch='{"archived": true}')
    answered(recent)
    chat.db.let_pass(DAY_MS / 1000 / 2 + 1)
    assert sweep(chat) == {"outcome": "ok", "archived": 0, "deleted": 0}, "0 is never"
    assert sweep(chat, 0, DAY_MS) == {"outcome": "ok", "archived": 0, "deleted": 1}
    assert chat.submit() == {"outcome": "deleted"}
    chat.db.let_pass(DAY_MS / 1000 / 2)
    assert sweep(chat, 0, DAY_MS)["deleted"] == 2
    assert tables_with(chat.db, WORD) == set()
    assert busy.fenced("chat_get_conversation")["outcome"] == "ok"


def test_one_that_was_opened_again_is_idle_from_then_on(chat: Chat) -> None:
    answered(chat)
    chat.db.let_pass(DAY_MS / 1000 + 5)
    assert sweep(chat, HOUR_MS)["archived"] == 1
    chat.fenced("chat_change_conversation", patch='{"archived": false}')
    assert sweep(chat, HOUR_MS, DAY_MS) == {"outcome": "ok", "archived": 0, "deleted": 0}
    assert chat.submit(idle_ttl_ms=HOUR_MS)["outcome"] == "created"


def test_one_that_was_opened_again_and_left_is_closed_again(chat: Chat) -> None:
    answered(chat)
    chat.fenced("chat_change_conversation", patch='{"archived": true}')
    chat.fenced("chat_change_conversation", patch='{"archived": false}')
    chat.db.let_pass(HOUR_MS / 1000 + 5)
    assert sweep(chat, HOUR_MS)["archived"] == 1


def rotate(chat: Chat, session: Session | None = None) -> Answer:
    return chat.fenced("chat_rotate_conversation", session)


def test_an_idle_conversation_gives_its_thread_up_at_once(chat: Chat) -> None:
    assert rotate(chat) == {"outcome": "not_found"}
    thread = new_id()
    claim = begun(chat, thread)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert rotate(Chat(chat.db, conversation=chat.conversation)) == {"outcome": "not_found"}
    assert rotate(chat) == rotate(chat) == {"outcome": "ok"}
    assert record(chat, thread) == [(1, "rotated", chat.user)]
    assert chat.submit()["claim"]["thread_id"] is None


def test_a_busy_one_keeps_it_for_the_turn_that_is_being_answered(chat: Chat) -> None:
    thread = new_id()
    claim = begun(chat, thread)
    waiting = chat.submit()["turn"]["turn_id"]
    assert rotate(chat) == {"outcome": "ok"}
    assert record(chat, thread) == [(1, None, chat.user)]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert record(chat, thread) == [(1, "rotated", chat.user)]
    following = chat.claim()
    assert (following["turn"]["turn_id"], following["thread_id"]) == (waiting, None)
    chat.advance(following["epoch"], waiting, None, named(second := new_id()))
    chat.complete(following["epoch"], waiting)
    assert record(chat, second) == [(2, None, chat.user)], "once"


def test_one_that_only_waited_ends_no_rotation(chat: Chat) -> None:
    thread = new_id()
    claim, waits = begun(chat, thread), chat.submit()["turn"]["turn_id"]
    rotate(chat)
    chat.db.call("chat_cancel_turn", user=chat.user, turn=waits)
    kept = f'{{"reply": "ok", "thread": {{"provider": "responses", "thread_id": "{thread}", "cursor": "x"}}}}'
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "completed", kept, lease_ms=0)
    assert chat.submit()["claim"]["thread_id"] is None
    assert record(chat, thread) == [(1, "rotated", chat.user)]


def test_the_lines_of_a_thread_are_counted_from_where_it_was_made(chat: Chat) -> None:
    claim = begun(chat, new_id())
    assert claim["thread_lines"] == 0
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    for lines in (2, 4):
        claim = chat.submit()["claim"]
        assert claim["thread_lines"] == lines
        chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    claim = begun(chat, new_id())
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert chat.submit()["claim"]["thread_lines"] == 2


@pytest.mark.parametrize("against", ["deletion", "archive", "expiry", "retention", "rotation"])
def test_forty_senders_against_the_life_of_their_conversation(chat: Chat, against: str) -> None:
    """Each message is taken or refused as a whole, a scope has one open conversation, another user loses nothing."""
    other = Chat(chat.db, conversation=chat.conversation)
    kept = answered(other)["turn_id"]
    first = Chat(chat.db, chat.user, answered(chat, **SCOPE)["conversation_id"])
    thread = new_id()
    chat.db.run(
        "update public.chat_conversations set thread_provider = 'r', thread_id = %s where id = %s",
        thread,
        first.conversation,
    )
    chat.db.let_pass(7200 if against in ("expiry", "retention") else 0)
    chat.db.run(
        "update public.chat_conversations set last_message_at = now() + interval '1 day' where user_id = %s", other.user
    )

    def work(session: Session, number: int) -> str:
        if number == 20:
            match against:
                case "deletion":
                    return str(delete(first, session)["outcome"])
                case "archive":
                    return str(first.fenced("chat_change_conversation", session, patch='{"archived": true}')["outcome"])
                case "rotation":
                    return str(rotate(first, session)["outcome"])
            ages = {
                "ttl_ms": HOUR_MS if against == "expiry" else 0,
                "retention_ms": HOUR_MS if against == "retention" else 0,
            }
            return str(session.call("chat_expire_conversations", limit=1000, **ages)["outcome"])
        scope = SCOPE if number % 2 else {}
        sent = first.submit(session, owner=None, idle_ttl_ms=HOUR_MS if against == "expiry" else 0, **scope)
        return str(sent["turn"]["conversation_id"] if sent["outcome"] == "created" else sent["outcome"])

    outcomes = chat.db.together(40, work)
    assert outcomes.pop(20) == "ok"
    rows = chat.db.rows(
        "select id::text, open_turns, archived_at is null as open from public.chat_conversations where user_id = %s",
        chat.user,
    )
    refusals = {"archived", "deleted"} if against in ("deletion", "retention") else {"archived"}
    places = {outcome for outcome in outcomes if outcome not in refusals}
    assert places <= {row["id"] for row in rows} | {first.conversation}
    assert len(places) <= 2
    assert sum(row["open"] for row in rows) <= 1
    for row in rows:
        assert row["open_turns"] == outcomes.count(row["id"]), "none is taken and lost, none is there and refused"
    if against == "rotation":
        assert places == {first.conversation}
        assert thread in ended(chat)
    if against in ("deletion", "retention") and first.conversation not in {row["id"] for row in rows}:
        assert tables_with(chat.db, first.conversation) <= {"public.chat_deleted_conversations"}
    assert other.get(kept)["turn"]["status"] == "completed"
