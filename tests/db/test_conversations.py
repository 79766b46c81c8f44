"""What lists show of a conversation, and what its user may change."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Session, new_id

COUNTED = """
select c.open_turns, c.runs, c.conflicts, c.input_tokens, c.unread,
  (select count(*) from public.chat_turns t where t.conversation_id = c.id and t.finished_at is null) as open_turns_is,
  (select coalesce(sum(jsonb_array_length(t.runs)), 0) from public.chat_turns t
   where t.conversation_id = c.id and t.finished_at is not null and t.joined_to is null) as runs_is,
  (select coalesce(sum(t.conflicts), 0) from public.chat_turns t
   where t.conversation_id = c.id and t.finished_at is not null) as conflicts_is,
  (select coalesce(sum(t.input_tokens), 0) from public.chat_turns t
   where t.conversation_id = c.id and t.finished_at is not null) as input_tokens_is,
  (select count(*) from public.chat_messages m
   where m.conversation_id = c.id and m.role = 'assistant' and m.seq > c.read_seq) as unread_is,
  c.preview is not distinct from (
    select chat_internal.preview(m.text) from public.chat_messages m
    where m.conversation_id = c.id order by m.seq desc limit 1) as preview_is_right
from public.chat_conversations c where c.id = %s"""


def listed(chat: Chat, **arguments: Any) -> list[Answer]:
    page = {"limit": 10, "before": None} | arguments
    rows: list[Answer] = chat.db.call("chat_list_conversations", user=chat.user, **page)["conversations"]
    return rows


def change(chat: Chat, patch: str, session: Session | None = None) -> Answer:
    answer: Answer = chat.fenced("chat_change_conversation", session, patch=patch)["conversation"]
    return answer


def found(chat: Chat, q: str) -> list[str]:
    return [row["title"] for row in listed(chat, q=q)]


def answer(chat: Chat, text: str, reply: str = "answer") -> None:
    claim = chat.submit(text=text)["claim"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"], reply)


def test_one_request_paints_a_sidebar(chat: Chat) -> None:
    answer(chat, "\n  Tell me\tof owls  \nplease", "Owls\\n see at   night.")
    chat.db.let_pass(10)
    chat.submit(text="And mice?")
    (row,) = listed(chat)
    assert (row["title"], row["preview"], row["status"]) == ("Tell me of owls", "And mice?", "busy")
    assert (row["messages"], row["unread"], row["read_seq"], row["archived"]) == (3, 1, 0, False)
    assert row["last_message_at"] > row["created_at"]
    assert change(chat, '{"read_seq": 2}')["unread"] == 0
    beyond = change(chat, '{"read_seq": 9007199254740991}')
    assert (beyond["read_seq"], beyond["unread"]) == (3, 0), "what comes later is not read yet"


def test_a_title_is_the_first_line_until_it_is_given(chat: Chat) -> None:
    busy = chat.submit(text="first words")
    assert listed(chat)[0]["title"] == "first words", "before anything has started"
    other = Chat(chat.db, user=chat.user)
    waiting = other.submit(text="old words", owner=None)["turn"]["turn_id"]

    def edit(text: str) -> str:
        chat.db.call("chat_edit_turn", user=chat.user, turn=waiting, text=text, op=new_id())
        return str(other.fenced("chat_get_conversation")["conversation"]["title"])

    assert edit("new words") == "new words"
    change(other, '{"title": "mine"}')
    assert edit("newer words") == "mine"
    other.submit(text="x" * 500)
    assert change(other, '{"title": "again"}')["title"] == "again"
    long = Chat(chat.db, user=chat.user)
    long.submit(text="y" * 500)
    assert listed(long)[0]["title"] == "y" * 200
    assert busy["turn"]["text"] == "first words"


def test_renaming_and_reading_move_nothing_in_the_list(chat: Chat) -> None:
    chats = [Chat(chat.db, user=chat.user) for _ in range(2)]
    for one in chats:
        answer(one, "hello")
        chat.db.let_pass(1)
    before = [row["conversation_id"] for row in listed(chat)]
    change(chats[0], '{"title": "x", "read_seq": 2}')
    assert [row["conversation_id"] for row in listed(chat)] == before


def test_words_are_found_in_titles_and_lines_of_ones_own(chat: Chat) -> None:
    answer(chat, "The quick brown fox", "jumps over the lazy dog")
    other = Chat(chat.db, user=chat.user)
    answer(other, "Überraschung: naïve café, 東京タワー")
    change(other, '{"title": "Reise"}')
    stranger = Chat(chat.db)
    answer(stranger, "The quick brown fox")
    assert found(chat, "fox quick") == ["The quick brown fox"]
    assert found(chat, "LAZY do") == ["The quick brown fox"], "the last word may be a beginning"
    assert found(chat, '"lazy dog"') == ["The quick brown fox"]
    assert found(chat, '"dog lazy"') == []
    assert found(chat, "fox -jumps reis") == []
    assert found(chat, "reis") == ["Reise"]
    assert found(chat, "café") == found(chat, "東京") == found(chat, "überr") == ["Reise"]
    for nothing in ("'", "user", stranger.user, "!!", "\\", "a:*b & |", "()", f"user {chat.user}", "-", "<->"):
        assert found(chat, nothing) == [], nothing


def test_a_very_long_line_is_kept_and_found_by_its_beginning(chat: Chat) -> None:
    words = " ".join(str(number) for number in range(300_000))
    claim = chat.submit()["claim"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"], words)
    assert len(found(chat, "4711")) == 1
    assert found(chat, "299999") == []


def test_an_archived_conversation_takes_no_message_and_answers_those_it_has(chat: Chat) -> None:
    claim = chat.submit(key="a key")["claim"]
    waiting = chat.submit()
    assert change(chat, '{"archived": true}')["archived"] is True
    assert chat.submit() == {"outcome": "archived"}
    assert chat.submit(key="a key")["outcome"] == "replayed"
    assert (listed(chat), [row["status"] for row in listed(chat, archived=True)]) == ([], ["busy"])
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    following = chat.claim()
    assert following["turn"]["turn_id"] == waiting["turn"]["turn_id"]
    chat.complete(following["epoch"], following["turn"]["turn_id"])
    change(chat, '{"archived": false}')
    assert chat.submit()["outcome"] == "created"
    assert listed(chat, archived=True) == []


def test_a_change_that_arrives_once_more_undoes_none_that_came_after_it(chat: Chat) -> None:
    answer(chat, "hello")
    closing: dict[str, Any] = {"patch": '{"archived": true}', "op": new_id()}
    assert chat.fenced("chat_change_conversation", **closing)["conversation"]["archived"] is True
    chat.fenced("chat_change_conversation", patch='{"archived": false}', op=new_id())
    assert chat.fenced("chat_change_conversation", **closing)["conversation"]["archived"] is False
    assert chat.submit()["outcome"] == "created"


def test_the_scope_of_an_archived_conversation_opens_a_new_one(chat: Chat) -> None:
    def scoped(session: Session | None = None) -> str:
        made = chat.submit(session, conversation=None, scope_kind="topic", scope_key="owls", owner=None)
        return str(made["turn"]["conversation_id"])

    old = Chat(chat.db, chat.user, scoped())
    assert scoped() == old.conversation
    change(old, '{"archived": true}')
    new = scoped()
    assert new != old.conversation
    opened = change(old, '{"archived": false}')
    assert (opened["scope"], opened["archived"]) == (None, False), "its scope has gone on in another one"
    assert scoped() == new


@pytest.mark.parametrize("archived", ["true", "false"])
def test_senders_race_against_the_archive(chat: Chat, archived: str) -> None:
    """Each message is taken or refused as a whole, and a scope never has two open conversations."""
    first = chat.submit(conversation=None, scope_kind="session", scope_key="s", owner=None)["turn"]["conversation_id"]
    old = Chat(chat.db, chat.user, first)
    if archived == "false":
        change(old, '{"archived": true}')

    def work(session: Session, number: int) -> str:
        if number == 20:
            return str(change(old, f'{{"archived": {archived}}}', session)["conversation_id"])
        scope = {"conversation": None, "scope_kind": "session", "scope_key": "s"} if number % 2 else {}
        sent = old.submit(session, owner=None, **scope)
        return str(sent["turn"]["conversation_id"] if sent["outcome"] == "created" else sent["outcome"])

    outcomes = chat.db.together(40, work)
    rows = chat.db.rows("select id::text, open_turns from public.chat_conversations where user_id = %s", chat.user)
    taken = {row["id"]: row["open_turns"] for row in rows}
    assert len(taken) <= 2
    assert sum(taken.values()) == 1 + sum(outcome in taken for outcome in outcomes) - 1
    assert set(outcomes) - set(taken) <= {"archived"}


def test_the_counters_are_what_a_count_would_say(chat: Chat) -> None:
    """A conversation is driven at random through all that adds, ends, joins, displaces and takes back turns."""
    steps = random.Random(4)
    strategies = ("enqueue", "enqueue", "reject", "interrupt", "rollback", "coalesce", "coalesce")
    seen = set()
    for _ in range(300):
        step = steps.choice(("send", "send", "claim", "end", "end", "cancel", "withdraw", "read"))
        rows = chat.db.rows(
            "select id::text, status, runs from public.chat_turns where user_id = %s and finished_at is null"
            " order by place, seq",
            chat.user,
        )
        lease = chat.db.rows("select lease_epoch from public.chat_conversations where user_id = %s", chat.user)
        epoch = lease[0]["lease_epoch"] if lease else 0
        if step == "send":
            chat.submit(strategy=steps.choice(strategies), owner=steps.choice(("owner", None)))
        elif step == "claim" and lease:
            chat.db.let_pass(20)
            chat.claim()
        elif step == "cancel" and rows:
            chat.db.call("chat_cancel_turn", user=chat.user, turn=steps.choice(rows)["id"])
        elif step == "withdraw" and rows:
            chat.fenced("chat_withdraw_turn", turn=rows[0]["id"], epoch=epoch)
        elif step == "read" and lease:
            change(chat, f'{{"read_seq": {steps.randrange(40)}}}')
        elif step == "end" and rows and rows[0]["status"] != "queued":
            run = f'"run": {{"run_id": "{new_id()}", "agent": "a", "status": "s"}}'
            usage = '"usage": {"input_tokens": 3, "output_tokens": 1}'
            to, more = steps.choice(
                (("completed", '"reply": "r"'), ("failed", '"error": {"code": "x"}'), ("cancelled", '"partial": "p"'))
            )
            chat.advance(epoch, rows[0]["id"], to, f'{{{run}, {usage}, "conflict": true, {more}}}', lease_ms=0)
            seen.add(to)
        for row in chat.db.rows(COUNTED, chat.conversation):
            counted = {name: row[name] for name in ("open_turns", "runs", "conflicts", "input_tokens", "unread")}
            assert counted == {name: row[f"{name}_is"] for name in counted}, step
            assert row["preview_is_right"], step
    assert seen == {"completed", "failed", "cancelled"}
