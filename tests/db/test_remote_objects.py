"""What providers keep for us beside threads: on record until it is deleted there, whichever statement ends its use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.database import Chat, new_id
from tests.db.test_deletion import delete

RUN = '{{"run": {{"run_id": "{run}", "agent": "a", "status": "in_progress"}}}}'


@pytest.fixture
def agent(chat: Chat) -> str:
    chat.db.run("delete from public.chat_remote_objects")
    made = new_id()
    add = "insert into public.chat_agents (id, owner_id, slug, name, model) values (%s, %s, 'mine', 'x', 'm')"
    chat.db.run(add, made, chat.user)
    return made


def made(chat: Chat, agent: str, name: str, **changes: Any) -> str:
    """The mark of an assistant that was made for the agent."""
    mark = new_id()
    chat.db.call("chat_begin_assistant", mark=mark)
    chat.db.call("chat_remember_assistant", agent=agent, assistant=name, mark=mark, **changes)
    return mark


def ended(chat: Chat) -> list[str | None]:
    return [one["object_id"] for one in chat.db.call("chat_list_ended_objects", limit=1000)["objects"]]


def kept(chat: Chat) -> set[str | None]:
    return {row["name"] for row in chat.db.rows("select object_id as name from public.chat_remote_objects")}


def test_an_assistant_is_on_record_before_it_is_made_and_found_where_its_maker_died(chat: Chat, agent: str) -> None:
    mark = new_id()
    for _ in range(2):
        chat.db.call("chat_begin_assistant", mark=mark)
    assert kept(chat) == {None}
    assert ended(chat) == [], "it may still be under way"
    chat.db.let_pass(601)
    (lost,) = chat.db.call("chat_list_ended_objects", limit=9)["objects"]
    assert (lost["id"], lost["kind"], lost["object_id"]) == (mark, "assistant", None)
    chat.db.call("chat_drop_object", object=mark)
    assert kept(chat) == set()
    chat.db.call("chat_remember_assistant", agent=agent, assistant="late", mark=mark)
    assert (kept(chat), ended(chat)) == ({"late"}, []), "it is in use, and on record again"


def test_one_in_use_is_dropped_by_no_call(chat: Chat, agent: str) -> None:
    mark = made(chat, agent, "used")
    chat.db.call("chat_drop_object", object=mark)
    assert kept(chat) == {"used"}


@pytest.mark.parametrize("how", ["as a row", "with its user", "replaced", "by an operator"])
def test_it_is_to_be_deleted_when_no_agent_uses_it(chat: Chat, agent: str, how: str) -> None:
    made(chat, agent, "used")
    assert ended(chat) == []
    if how == "as a row":
        chat.db.run("delete from public.chat_agents where id = %s", agent)
    elif how == "with its user":
        chat.db.run("insert into auth.users (id, email) values (%s, %s)", chat.user, f"{chat.user}@example.com")
        chat.db.run("delete from auth.users where id = %s", chat.user)
    elif how == "replaced":
        made(chat, agent, "another", instead_of="used")
    else:
        chat.db.run(
            "update public.chat_agents set assistant_id = 'theirs', assistant_made = false where id = %s", agent
        )
    assert ended(chat) == ["used"]


def test_one_that_an_operator_made_is_not_ours_to_delete(chat: Chat, agent: str) -> None:
    chat.db.run("update public.chat_agents set assistant_id = 'theirs' where id = %s", agent)
    chat.db.run("delete from public.chat_agents where id = %s", agent)
    assert kept(chat) == set()


def test_of_two_that_were_made_at_once_one_is_to_be_deleted(chat: Chat, agent: str) -> None:
    made(chat, agent, "first")
    made(chat, agent, "second")
    made(chat, new_id(), "of an agent that is gone")
    assert ended(chat) == ["second", "of an agent that is gone"]


def test_one_that_is_not_deleted_comes_again_later_and_later(chat: Chat, agent: str) -> None:
    made(chat, agent, "first")
    second = made(chat, agent, "second")
    for pause in (60, 120, 240):
        for _ in range(2):
            chat.db.call("chat_defer_object", object=second)
        chat.db.let_pass(pause - 2)
        assert ended(chat) == []
        chat.db.let_pass(3)
        assert ended(chat) == ["second"]
    for _ in range(2):
        chat.db.call("chat_drop_object", object=second)
    assert kept(chat) == {"first"}


@pytest.mark.parametrize(("wire", "expected"), [("responses", {"first", "second"}), ("assistants", set[str]())])
def test_the_responses_of_a_deleted_conversation(chat: Chat, agent: str, wire: str, expected: set[str]) -> None:
    thread = f'{{"thread": {{"provider": "{wire}", "thread_id": "{new_id()}", "cursor": null}}}}'
    for run in ("first", "second"):
        claim = chat.submit()["claim"]
        held = (claim["epoch"], claim["turn"]["turn_id"])
        chat.advance(*held, "running", RUN.format(run=run))
        chat.advance(*held, None, thread)
        chat.complete(*held)
    assert ended(chat) == []
    delete(chat)
    assert set(ended(chat)) == expected


def test_a_response_under_way_ends_first(chat: Chat, agent: str) -> None:
    claim, run = chat.submit()["claim"], new_id()
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "running", RUN.format(run=run))
    (left,) = delete(chat)["runs"]
    assert (kept(chat), ended(chat)) == ({run}, [])
    chat.db.call("chat_drop_left_run", run=left["id"])
    assert ended(chat) == [run]
