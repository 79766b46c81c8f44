"""Every thread of a provider is on record from the write that names it until it has been deleted there."""

from __future__ import annotations

from typing import Any

from tests.db.database import Answer, Chat, new_id

RECORD = """
select thread_id, generation, ended_because, user_id::text, conversation_id::text from public.chat_threads
where thread_id = any (%s) order by thread_id"""


def named(thread: str | None) -> str:
    shown = "null" if thread is None else f'"{thread}"'
    return f'{{"thread": {{"provider": "responses", "thread_id": {shown}, "cursor": null}}}}'


def record(chat: Chat, *threads: str) -> list[tuple[int, str | None, str | None]]:
    """Generation, why it ended and whose it is, of each thread that is on record."""
    rows = chat.db.rows(RECORD, list(threads))
    found = {row["thread_id"]: (row["generation"], row["ended_because"], row["user_id"]) for row in rows}
    return [found[thread] for thread in threads if thread in found]


def ended(chat: Chat) -> list[str]:
    answer: Answer = chat.db.call("chat_list_ended_threads", limit=1000)
    return [row["thread_id"] for row in answer["threads"]]


def begun(chat: Chat, thread: str) -> dict[str, Any]:
    claim: dict[str, Any] = chat.submit()["claim"]
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, named(thread))
    return claim


def test_generations_of_a_conversation(chat: Chat) -> None:
    threads = [new_id() for _ in range(3)]
    claim = begun(chat, threads[0])
    held = (claim["epoch"], claim["turn"]["turn_id"])
    chat.advance(*held, None, named(threads[0]))  # a later cursor of the same one
    chat.advance(*held, None, named(threads[1]))
    chat.advance(*held, None, '{"forget_thread": true}')
    chat.advance(*held, None, named(None))  # a server without threads
    chat.advance(*held, None, named(threads[2]))
    assert record(chat, *threads) == [
        (1, "given_up", chat.user),
        (2, "given_up", chat.user),
        (3, None, chat.user),
    ]
    assert set(ended(chat)) & set(threads) == set(threads[:2])


def test_a_conversation_that_goes_leaves_its_threads_without_its_user(chat: Chat) -> None:
    threads = [new_id(), new_id()]
    claim = begun(chat, threads[0])
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, named(threads[1]))
    chat.db.run("delete from public.chat_conversations where user_id = %s", chat.user)
    assert record(chat, *threads) == [(1, "given_up", None), (2, "deleted", None)]
    assert set(threads) <= set(ended(chat))


def test_the_thread_of_a_late_holder_is_deleted_and_never_one_in_use(chat: Chat) -> None:
    used, late, later = new_id(), new_id(), new_id()
    claim = begun(chat, used)
    turn = claim["turn"]["turn_id"]
    assert chat.advance(claim["epoch"] - 1, turn, None, named(late))["outcome"] == "fenced"
    assert chat.advance(claim["epoch"] - 1, turn, None, named(used))["outcome"] == "fenced"
    gone = Chat(chat.db, chat.user)
    assert gone.advance(claim["epoch"], turn, None, named(later))["outcome"] == "not_found"
    assert record(chat, used, late, later) == [(1, None, chat.user), (1, "late", None), (1, "late", None)]
    chat.db.call("chat_drop_thread", provider="responses", thread=used)
    assert record(chat, used) == [(1, None, chat.user)], "one in use is not dropped"


def test_a_deletion_that_fails_comes_again_later_and_later(chat: Chat) -> None:
    thread = new_id()
    claim = begun(chat, thread)
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, '{"forget_thread": true}')
    for pause in (60, 120, 240):
        assert thread in ended(chat)
        chat.db.call("chat_defer_thread", provider="responses", thread=thread)
        chat.db.let_pass(pause - 2)
        assert thread not in ended(chat)
        chat.db.let_pass(3)
    for _ in range(20):
        chat.db.let_pass(86_401)
        assert thread in ended(chat), "a day at most"
        chat.db.call("chat_defer_thread", provider="responses", thread=thread)
    chat.db.call("chat_drop_thread", provider="responses", thread=thread)
    assert record(chat, thread) == []


def test_threads_of_asked_agents_end_with_their_turn(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    thread, fence = new_id(), {"turn": claim["turn"]["turn_id"], "epoch": claim["epoch"]}
    chat.fenced("chat_keep_scratch", **fence, call="c", provider="responses", thread=thread, run=None)
    assert thread not in ended(chat), "its turn goes on"
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert thread in ended(chat)
    assert record(chat, thread) == [(1, "asked", None)]


def test_an_archived_conversation_keeps_no_thread(chat: Chat) -> None:
    idle, busy = new_id(), new_id()
    claim = begun(chat, idle)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    chat.fenced("chat_change_conversation", patch='{"archived": true}')
    other = Chat(chat.db, chat.user)
    claim = begun(other, busy)
    other.fenced("chat_change_conversation", patch='{"archived": true}')
    assert record(chat, idle, busy) == [(1, "archived", chat.user), (1, None, chat.user)], "one is being answered"
    other.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert record(chat, busy) == [(1, "archived", chat.user)]
    chat.fenced("chat_change_conversation", patch='{"archived": false}')
    assert chat.submit()["claim"]["thread_id"] is None
