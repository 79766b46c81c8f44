"""Accepting messages: keys, order, limits and conversations are exact, however many submit at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.db.database import Chat, Database, new_id


def outcomes(answers: list[dict[str, Any]]) -> Counter[str]:
    return Counter(answer["outcome"] for answer in answers)


def count(db: Database, table: str, user: str) -> int:
    number: int = db.rows(f"select count(*) from public.chat_{table} where user_id = %s", user)[0]["count"]
    return number


def test_forty_with_one_key_are_one_turn(chat: Chat) -> None:
    answers = chat.db.together(40, lambda session, _: chat.submit(session, key="key"))
    assert outcomes(answers) == {"created": 1, "replayed": 39}
    assert len({answer["turn"]["turn_id"] for answer in answers}) == 1
    assert sum("claim" in answer for answer in answers) == 1
    assert count(chat.db, "turns", chat.user) == 1


def test_one_key_in_many_conversations_is_still_one_turn(chat: Chat) -> None:
    answers = chat.db.together(20, lambda session, _: chat.submit(session, key="key", conversation=new_id()))
    assert outcomes(answers) == {"created": 1, "replayed": 19}
    assert count(chat.db, "conversations", chat.user) == 1


def test_forty_senders_are_numbered_without_gaps(chat: Chat) -> None:
    answers = chat.db.together(40, lambda session, _: chat.submit(session))
    assert sorted(answer["turn"]["seq"] for answer in answers) == list(range(1, 41))
    assert sum("claim" in answer for answer in answers) == 1
    rows = chat.db.rows("select created_at from public.chat_turns where user_id = %s order by seq", chat.user)
    assert rows == sorted(rows, key=lambda row: row["created_at"])


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [("open_per_conversation", "queue_full"), ("open_per_user", "too_many_open"), ("per_minute", "rate_limited")],
)
def test_limits_are_exact_under_races(chat: Chat, limit: str, outcome: str) -> None:
    answers = chat.db.together(30, lambda session, _: chat.submit(session, **{limit: 7}))
    assert outcomes(answers) == {"created": 7, outcome: 23}


def test_user_limits_are_exact_across_conversations(chat: Chat) -> None:
    answers = chat.db.together(30, lambda session, _: chat.submit(session, conversation=new_id(), open_per_user=7))
    assert outcomes(answers) == {"created": 7, "too_many_open": 23}
    assert count(chat.db, "conversations", chat.user) == 7


def test_rate_counts_the_last_minute(chat: Chat) -> None:
    for _ in range(3):
        chat.submit(per_minute=3)
        chat.db.let_pass(10)
    refused = chat.submit(per_minute=3)
    assert refused["outcome"] == "rate_limited"
    assert 29_000 < refused["retry_ms"] <= 30_000
    chat.db.let_pass(30)
    assert chat.submit(per_minute=3)["outcome"] == "created"


def test_a_replay_is_never_limited(chat: Chat) -> None:
    first = chat.submit(key="key")
    closed: dict[str, Any] = {
        "open_per_conversation": 0,
        "open_per_user": 0,
        "per_minute": 1,
        "strategy": "reject",
        "agent": "nobody",
    }
    again = chat.submit(key="key", **closed)
    assert again["outcome"] == "replayed"
    assert again["turn"]["turn_id"] == first["turn"]["turn_id"]


def test_a_key_means_one_message(chat: Chat) -> None:
    chat.submit(key="key")
    assert chat.submit(key="key", hash="1" * 64) == {"outcome": "key_mismatch"}
    assert Chat(chat.db).submit(key="key", hash="1" * 64)["outcome"] == "created", "keys are a user's own"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"agent": "nobody"}, "unknown_agent"),
        ({"open_per_user": 0}, "too_many_open"),
        ({"open_per_conversation": 0}, "queue_full"),
    ],
)
def test_a_refusal_leaves_nothing(chat: Chat, changes: dict[str, Any], outcome: str) -> None:
    assert chat.submit(**changes)["outcome"] == outcome
    assert count(chat.db, "conversations", chat.user) == count(chat.db, "turns", chat.user) == 0


def test_reject_takes_only_an_empty_queue(chat: Chat) -> None:
    answers = chat.db.together(20, lambda session, _: chat.submit(session, strategy="reject"))
    assert outcomes(answers) == {"created": 1, "run_in_progress": 19}


def test_a_scope_has_one_conversation(chat: Chat) -> None:
    scope: dict[str, Any] = {"conversation": None, "scope_kind": "topic", "scope_key": "invoices"}
    answers = chat.db.together(20, lambda session, _: chat.submit(session, new_conversation=new_id(), **scope))
    assert outcomes(answers) == {"created": 20}
    assert len({answer["turn"]["conversation_id"] for answer in answers}) == 1
    other = chat.submit(**(scope | {"scope_key": "travel"}))
    assert other["turn"]["conversation_id"] != answers[0]["turn"]["conversation_id"]
    assert chat.submit(conversation=None)["turn"]["conversation_id"] != chat.conversation, "neither: a new one"


def test_another_users_ids_are_as_good_as_free(chat: Chat) -> None:
    theirs = chat.submit()
    thief = Chat(chat.db, conversation=chat.conversation)
    free = Chat(chat.db)
    stranger, newcomer = thief.submit(), free.submit()
    for answer in (stranger, newcomer):
        assert answer["outcome"] == "created"
        assert answer["turn"]["seq"] == 1
        assert answer["claim"]["message_count"] == 0
    turn, conversation = theirs["turn"]["turn_id"], chat.conversation
    epoch = theirs["claim"]["epoch"]
    late = Chat(chat.db)
    own = {"user": late.user, "conversation": conversation}
    missing = {"user": late.user, "conversation": new_id()}
    lease = {"owner": "o", "lease_ms": 1, "op": "op"}
    page = {"after_seq": 0, "limit": 9, "newest": False}
    step = {"op": "op", "to": "failed", "patch": '{"error": {}}', "lease_ms": 1}
    fenced: list[tuple[str, dict[str, Any]]] = [
        ("chat_claim_turn", lease),
        ("chat_get_conversation", {}),
        ("chat_list_messages", page),
        ("chat_advance_turn", step | {"turn": turn, "epoch": epoch}),
        ("chat_withdraw_turn", {"turn": turn, "epoch": epoch}),
        ("chat_release_lease", {"epoch": epoch}),
        ("chat_begin_tool_call", {"turn": turn, "epoch": epoch, "call": "c", "name": "n", "op": "o"}),
        ("chat_finish_tool_call", {"turn": turn, "epoch": epoch, "call": "c", "output": "o"}),
    ]
    for function, arguments in fenced:
        assert chat.db.call(function, **own, **arguments) == chat.db.call(function, **missing, **arguments), function
    by_turn: list[tuple[str, dict[str, str]]] = [
        ("chat_get_turn", {}),
        ("chat_cancel_turn", {}),
        ("chat_edit_turn", {"text": "x", "op": "op"}),
    ]
    for function, arguments in by_turn:
        answers = [chat.db.call(function, user=late.user, turn=t, **arguments) for t in (turn, new_id())]
        assert answers == [{"outcome": "not_found"}] * 2, function
    assert chat.db.call("chat_list_conversations", user=late.user, limit=9, before=conversation)["conversations"] == []
    assert chat.get(turn)["turn"]["status"] == "starting"


def test_a_scope_is_its_users_own(chat: Chat) -> None:
    scope: dict[str, Any] = {"conversation": None, "scope_kind": "user", "scope_key": "main"}
    other = Chat(chat.db)
    first, second = (one.submit(new_conversation=new_id(), **scope)["turn"] for one in (chat, other))
    assert (first["seq"], second["seq"]) == (1, 1)
    assert (first["user_id"], second["user_id"]) == (chat.user, other.user)


def test_a_lease_of_ones_own_moves_no_turn_of_another(chat: Chat) -> None:
    theirs, mine = chat.submit()["claim"]["turn"]["turn_id"], Chat(chat.db)
    elsewhere = Chat(chat.db, user=chat.user)
    before = chat.db.rows("select * from public.chat_turns where id = %s", theirs)
    for thief in (mine, elsewhere):
        epoch = thief.submit()["claim"]["epoch"]
        assert thief.advance(epoch, theirs, "cancelled") == {"outcome": "not_found"}
        lease = {"turn": theirs, "epoch": epoch}
        assert thief.fenced("chat_begin_tool_call", **lease, call="c", name="n", op="o") == {"outcome": "fenced"}
        thief.fenced("chat_withdraw_turn", **lease)
    assert chat.db.rows("select * from public.chat_turns where id = %s", theirs) == before


def test_who_answers(chat: Chat) -> None:
    add = "insert into public.chat_agents (owner_id, slug, name, model) values (%s, %s, %s, 'm')"
    chat.db.run(add, chat.user, "script_writer", "mine")
    chat.db.run(add, new_id(), "theirs", "theirs")
    first = chat.submit()
    assert first["claim"]["agent"]["slug"] == "orchestrator", "at first the default one"
    named = chat.submit(agent="script_writer")
    unnamed = chat.submit()
    assert chat.submit(agent="theirs")["outcome"] == "unknown_agent"
    chat.complete(first["claim"]["epoch"], first["turn"]["turn_id"])
    claim = chat.claim()
    assert (claim["turn"]["turn_id"], claim["agent"]["name"]) == (named["turn"]["turn_id"], "mine")
    run = '{"reply": "x", "run": {"run_id": "r", "agent": "scene_describer", "status": "completed"}}'
    chat.advance(claim["epoch"], named["turn"]["turn_id"], "completed", run, lease_ms=0)
    claim = chat.claim()
    assert claim["turn"]["turn_id"] == unnamed["turn"]["turn_id"]
    assert claim["agent"]["slug"] == claim["turn"]["agent"] == "scene_describer", "who spoke last goes on"


def test_without_any_agent_a_message_that_names_none_is_not_wrong(chat: Chat) -> None:
    with chat.db.session(autocommit=False) as session:
        session.connection.execute("delete from public.chat_agents")
        assert chat.submit(session)["outcome"] == "no_agents"
        assert chat.submit(session, agent="orchestrator")["outcome"] == "unknown_agent"
        session.connection.rollback()
    assert chat.submit()["outcome"] == "created"


def test_without_a_lessee_nothing_is_claimed(chat: Chat) -> None:
    answer = chat.submit(owner=None, lease_ms=0)
    assert (answer["turn"]["status"], "claim" in answer) == ("queued", False)
    assert chat.get(answer["turn"]["turn_id"])["claimable"] is True
    assert chat.claim()["fresh"] is True
