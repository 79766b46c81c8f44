"""Strategies `interrupt` and `rollback`: who goes before whom, what ends, and what is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.db.checker import check
from tests.db.database import Answer, Chat, new_id

DISPLACING = ("interrupt", "rollback")
RUN = json.dumps({"run": {"run_id": "r1", "agent": "a", "status": "queued"}})
SAID = '{"partial": "once upon"}'


def turn_id(answer: Answer) -> str:
    return str(answer["turn"]["turn_id"])


def under_way(chat: Chat, status: str = "running", **changes: Any) -> tuple[int, str]:
    """A turn in that status, with the lease held."""
    claim = chat.submit(**changes)["claim"]
    epoch, turn = claim["epoch"], claim["turn"]["turn_id"]
    if status != "starting":
        assert chat.advance(epoch, turn, status, RUN if status != "queued" else "{}")["outcome"] == "ok"
    return epoch, turn


def served(chat: Chat) -> list[str]:
    """Answer everything that waits; the texts in the order in which they came."""
    texts = []
    while (claim := chat.claim())["outcome"] == "claimed":
        texts.append(claim["turn"]["text"])
        chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    check(chat)
    return texts


def superseded(chat: Chat, turn: str, by: str) -> None:
    row = chat.get(turn)["turn"]
    assert (row["status"], row["superseded_by"]) == ("cancelled", by)
    assert (row["error"]["code"], row["error"]["superseded_by"]) == ("superseded", by)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_it_goes_before_those_that_wait(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat)
    for text in ("waiting 1", "waiting 2"):
        chat.submit(text=text)
    newer = chat.submit(text="now", strategy=strategy)
    assert (newer["turn"]["seq"], newer["turn"]["position"]) == (4, 1)
    chat.advance(epoch, first, "cancelled", SAID, lease_ms=0)
    chat.submit(text="last")
    assert served(chat) == ["now", "waiting 1", "waiting 2", "last"]
    superseded(chat, first, turn_id(newer))


def test_thirty_of_them_have_thirty_places(chat: Chat) -> None:
    epoch, first = under_way(chat)
    chat.submit(text="waiting")
    for n in range(30):
        chat.submit(text=str(n), strategy=DISPLACING[n % 2])
    places = chat.db.rows("select distinct place from public.chat_turns where user_id = %s", chat.user)
    assert len(places) == 32
    chat.advance(epoch, first, "cancelled", lease_ms=0)
    assert served(chat) == [*map(str, range(29, -1, -1)), "waiting"]


@pytest.mark.parametrize("strategy", DISPLACING)
@pytest.mark.parametrize("attempts", [0, 1])
@pytest.mark.parametrize("held", [False, True])
def test_a_head_that_waits_ends_at_once(chat: Chat, strategy: str, attempts: int, held: bool) -> None:
    epoch, first = 0, turn_id(chat.submit(owner=None, text="first"))
    thread = '{"thread": {"provider": "responses", "thread_id": "t", "cursor": "c"}}'
    if attempts:
        epoch = chat.claim()["epoch"]
        chat.advance(epoch, first, None, thread)
        chat.advance(epoch, first, "queued", lease_ms=15_000 if held else 0)
    newer = chat.submit(text="now", strategy=strategy)
    superseded(chat, first, turn_id(newer))
    assert newer["claim"]["turn"]["text"] == "now", "and its lease is free"
    kept = attempts and strategy == "interrupt"
    assert newer["claim"]["thread_id"] == ("t" if kept else None)
    asked = [(1, "user", "first"), (2, "user", "now")] if strategy == "interrupt" else [(1, "user", "now")]
    assert chat.lines() == asked
    if attempts:
        for to in ("starting", "running", "completed", "queued"):
            answer = chat.advance(epoch, first, to, '{"reply": "late"}')
            assert answer["outcome"] == "fenced", "its holder can start nothing any more"
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
@pytest.mark.parametrize("status", ["starting", "running", "requires_action"])
def test_one_under_way_is_for_its_holder_to_end(chat: Chat, strategy: str, status: str) -> None:
    epoch, first = under_way(chat, status, text="first")
    newer = turn_id(chat.submit(text="now", strategy=strategy))
    told = chat.advance(epoch, first, None)["turn"]
    assert (told["status"], told["cancel_requested"], told["superseded_by"]) == (status, True, newer)
    assert told["superseded_how"] == strategy
    assert chat.claim()["outcome"] == "busy"
    assert chat.get(newer)["turn"]["status"] == "queued"
    chat.advance(epoch, first, "cancelled", SAID, lease_ms=0)
    superseded(chat, first, newer)
    kept = [(1, "user", "first"), (2, "assistant", "once upon")]
    assert chat.lines() == (kept if strategy == "interrupt" else [])
    partial = "select partial from public.chat_messages where turn_id = %s order by seq"
    assert [row["partial"] for row in chat.db.rows(partial, first)] == [False, True][: len(chat.lines())]
    assert served(chat) == ["now"]


@pytest.mark.parametrize("said", ["", " \\n\\t "])
def test_where_nothing_was_said_no_line_is_added(chat: Chat, said: str) -> None:
    epoch, first = under_way(chat, text="first")
    newer = chat.submit(strategy="interrupt")
    chat.advance(epoch, first, "cancelled", f'{{"partial": "{said}"}}', lease_ms=0)
    assert chat.lines() == [(1, "user", "first")]
    assert chat.get(first)["turn"]["error"] == {"code": "superseded", "superseded_by": turn_id(newer)}


def test_the_first_to_displace_is_the_one_named(chat: Chat) -> None:
    epoch, first = under_way(chat)
    newer = [chat.submit(strategy=strategy, text=strategy) for strategy in DISPLACING]
    assert chat.get(first)["turn"]["superseded_by"] == turn_id(newer[0])
    chat.advance(epoch, first, "cancelled", lease_ms=0)
    superseded(chat, first, turn_id(newer[0]))
    assert served(chat) == ["rollback", "interrupt"], "one that waits keeps its place behind the newest"


@pytest.mark.parametrize("strategy", DISPLACING)
def test_one_that_its_user_cancelled_is_not_displaced(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat)
    chat.db.call("chat_cancel_turn", user=chat.user, turn=first)
    chat.submit(strategy=strategy)
    ended = chat.advance(epoch, first, "cancelled", SAID, lease_ms=0)["turn"]
    assert (ended["superseded_by"], ended["superseded_how"]) == (None, None)
    assert ended["error"] == {"code": "cancelled", "partial_text": "once upon"}
    assert chat.lines() == [(1, "user", "hello"), (2, "assistant", "once upon")]
    check(chat)


@pytest.mark.parametrize("strategy", DISPLACING)
def test_with_nothing_open_it_is_a_message_like_any_other(chat: Chat, strategy: str) -> None:
    answer = chat.submit(strategy=strategy)
    assert (answer["turn"]["status"], answer["turn"]["superseded_by"]) == ("starting", None)
    chat.complete(answer["claim"]["epoch"], turn_id(answer))
    again = chat.submit(strategy=strategy, text="again")
    assert again["turn"]["status"] == "starting"
    check(chat)


@pytest.mark.parametrize("limit", ["open_per_conversation", "open_per_user", "per_minute"])
def test_one_that_is_refused_displaces_no_turn(chat: Chat, limit: str) -> None:
    _, first = under_way(chat)
    changes: dict[str, Any] = {limit: 1}
    assert chat.submit(strategy="interrupt", **changes)["outcome"] != "created"
    assert chat.get(first)["turn"]["cancel_requested"] is False


@pytest.mark.parametrize("strategy", DISPLACING)
def test_a_replay_displaces_no_turn(chat: Chat, strategy: str) -> None:
    asked: dict[str, Any] = {"strategy": strategy, "key": "now", "turn": new_id()}
    chat.complete(chat.submit(**asked)["claim"]["epoch"], asked["turn"])
    _, later = under_way(chat)
    for turn in (asked["turn"], new_id()):
        chat.submit(**(asked | {"turn": turn}))
    assert chat.get(later)["turn"]["superseded_by"] is None


@pytest.mark.parametrize("strategy", DISPLACING)
def test_a_displaced_one_answers_its_key_with_who_displaced_it(chat: Chat, strategy: str) -> None:
    epoch, first = under_way(chat, key="first")
    newer = turn_id(chat.submit(strategy=strategy))
    assert chat.submit(key="first")["turn"]["status"] == "running"
    chat.advance(epoch, first, "cancelled", lease_ms=0)
    again = chat.submit(key="first")
    assert (again["outcome"], again["turn"]["superseded_by"]) == ("replayed", newer)
    assert chat.submit(key="first", hash="1" * 64) == {"outcome": "key_mismatch"}
