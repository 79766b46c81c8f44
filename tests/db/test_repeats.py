"""Every function called twice, as after a lost answer: the same answer, and nothing is written a second time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.db.database import IMAGE, Answer, Chat, new_id
from tests.db.test_waiting import CALLS, waiting

VOLATILE = {"waited_ms", "cancelling_ms", "starting_ms", "running_ms", "working_ms", "remaining_ms", "retry_ms"}


def steady(value: Any) -> Any:
    """An answer without what only the passing of time changes."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    return [steady(item) for item in value] if isinstance(value, list) else value


def world(chat: Chat) -> list[Any]:
    """Everything on record about the user, but for how long the lease lasts and when that was last extended."""
    conversations = """select to_jsonb(c) - array['lease_until'] as row from public.chat_conversations c
                       where user_id = %s order by id"""
    turns = "select to_jsonb(t) as row from public.chat_turns t where user_id = %s order by conversation_id, seq"
    lines = "select to_jsonb(m) as row from public.chat_messages m where user_id = %s order by conversation_id, seq"
    calls = "select to_jsonb(k) as row from public.chat_tool_calls k where user_id = %s order by call_id"
    agents = "select to_jsonb(a) as row from public.chat_agents a where owner_id = %s"
    threads = """select to_jsonb(s) as row
                 from public.chat_scratch_threads s join public.chat_turns t on t.id = s.turn_id
                 where t.user_id = %s order by s.id"""
    projects = "select to_jsonb(p) - array['updated_at'] as row from public.chat_projects p where user_id = %s"
    ended = "select to_jsonb(t) as row from public.chat_threads t where user_id = %s order by thread_id"
    streams = "select to_jsonb(s) as row from public.chat_turn_streams s where user_id = %s order by turn_id"
    events = """select to_jsonb(e) as row from public.chat_turn_events e join public.chat_turns t on t.id = e.turn_id
                where t.user_id = %s order by e.number"""
    images = "select to_jsonb(i) as row from public.chat_images i where user_id = %s"
    queries = (conversations, turns, lines, calls, agents, threads, projects, ended, streams, events, images)
    return [chat.db.rows(query, chat.user) for query in queries]


def under_way(chat: Chat) -> dict[str, Any]:
    claim = chat.submit(key="first")["claim"]
    chat.submit(owner=None)
    return {"user": chat.user, "conversation": chat.conversation, "turn": claim["turn"]["turn_id"],
            "epoch": claim["epoch"]}  # fmt: skip


def queued(chat: Chat) -> dict[str, Any]:
    return {"user": chat.user, "turn": chat.submit(owner=None)["turn"]["turn_id"]}


def claimable(chat: Chat) -> dict[str, Any]:
    queued(chat)
    return {"user": chat.user, "conversation": chat.conversation, "owner": "o", "lease_ms": 15_000, "op": new_id()}


def step(to: str, **patch: Any) -> Callable[[Chat], dict[str, Any]]:
    run = {"run_id": None, "agent": "a", "status": "s"}
    carried = {"usage": {"input_tokens": 1, "output_tokens": 1}, "conflict": True, "count_failure": True, "run": run}

    def prepare(chat: Chat) -> dict[str, Any]:
        patch_text = json.dumps(carried | patch)
        return under_way(chat) | {"op": new_id(), "to": to, "patch": patch_text, "lease_ms": 15_000}

    return prepare


def new_message(chat: Chat) -> dict[str, Any]:
    return {
        "user": chat.user, "turn": new_id(), "conversation": None, "new_conversation": new_id(), "scope_kind": "topic",
        "scope_key": "x", "text": "hello", "agent": None, "strategy": "reject", "metadata": '{"a": "b"}', "key": "key",
        "hash": "0" * 64, "ttl_ms": 900_000, "open_per_conversation": 1, "open_per_user": 1, "per_minute": 1,
        "owner": "owner", "lease_ms": 15_000,
    }  # fmt: skip


def tool_call(**more: str) -> Callable[[Chat], dict[str, Any]]:
    def prepare(chat: Chat) -> dict[str, Any]:
        lease = under_way(chat)
        if "output" in more:
            chat.db.call("chat_begin_tool_call", **lease, call="call", name="tool", op="op")
        return lease | {"call": "call"} | more

    return prepare


def assistant(chat: Chat) -> dict[str, Any]:
    agent = new_id()
    add = "insert into public.chat_agents (id, owner_id, slug, name, model) values (%s, %s, 'own', 'x', 'm')"
    chat.db.run(add, agent, chat.user)
    return {"agent": agent, "assistant": "asst_1"}


def new_agent(chat: Chat) -> dict[str, Any]:
    return {"user": chat.user, "agent": new_id(), "fields": '{"slug": "own", "name": "Own"}', "most": 1}


def own_agent(chat: Chat) -> dict[str, Any]:
    made = new_agent(chat)
    chat.db.call("chat_create_agent", **made)
    return made


def scratch(chat: Chat) -> dict[str, Any]:
    return under_way(chat) | {"call": "call", "provider": "responses", "thread": new_id(), "run": None}


def image(chat: Chat) -> dict[str, Any]:
    return under_way(chat) | IMAGE


def over(chat: Chat) -> dict[str, Any]:
    """The thread of an asked agent whose turn is over."""
    kept = scratch(chat)
    chat.db.call("chat_keep_scratch", **kept)
    chat.complete(kept["epoch"], kept["turn"])
    return {"limit": 1}


def given_up(chat: Chat) -> dict[str, Any]:
    lease, thread = under_way(chat), new_id()
    named = json.dumps({"thread": {"provider": "responses", "thread_id": thread, "cursor": None}})
    chat.advance(lease["epoch"], lease["turn"], None, named)
    chat.advance(lease["epoch"], lease["turn"], None, '{"forget_thread": true}')
    return {"provider": "responses", "thread": thread}


def project(chat: Chat) -> dict[str, Any]:
    return {name: value for name, value in under_way(chat).items() if name in ("user", "conversation")} | {
        "patch": '{"title": "T", "scenes": ["one"]}'
    }


def without(name: str, prepare: Callable[[Chat], dict[str, Any]]) -> Callable[[Chat], dict[str, Any]]:
    return lambda chat: {key: value for key, value in prepare(chat).items() if key != name}


def asking(chat: Chat) -> dict[str, Any]:
    _, turn = waiting(chat, calls=CALLS[:1])
    return {"user": chat.user, "turn": turn, "call": "a", "approve": True, "reason": None, "output": None,
            "op": new_id()}  # fmt: skip


CASES: list[tuple[str, Callable[[Chat], dict[str, Any]]]] = [
    ("chat_submit_turn", new_message),
    ("chat_claim_turn", claimable),
    *[("chat_advance_turn", step(to)) for to in ("starting", "queued", "running", "requires_action", "cancelled")],
    ("chat_advance_turn", step("completed", reply="answer")),
    ("chat_advance_turn", step("failed", error={"code": "x"})),
    ("chat_advance_turn", step("requires_action", step={"run_id": "r", "agent": "a", "text": "", "calls": []})),
    (
        "chat_advance_turn",
        step("starting", handoff={"from": "a", "to": "b", "reason": "r", "task": "t", "said": "words"}),
    ),
    ("chat_release_lease", without("turn", under_way)),
    ("chat_withdraw_turn", under_way),
    ("chat_begin_tool_call", tool_call(name="tool", op="op")),
    ("chat_finish_tool_call", tool_call(output="output")),
    ("chat_cancel_turn", queued),
    ("chat_edit_turn", lambda chat: queued(chat) | {"text": "other", "op": new_id()}),
    ("chat_answer_call", asking),
    ("chat_remember_assistant", assistant),
    ("chat_create_agent", new_agent),
    ("chat_change_agent", lambda chat: {"user": own_agent(chat)["user"], "slug": "own", "fields": '{"name": "Other"}'}),
    (
        "chat_delete_agent",
        lambda chat: {name: given for name, given in own_agent(chat).items() if name in ("user", "agent")},
    ),
    ("chat_keep_scratch", scratch),
    ("chat_keep_image", image),
    ("chat_list_ended_threads", over),
    ("chat_drop_thread", given_up),
    ("chat_defer_thread", given_up),
    ("chat_note_stream", lambda chat: queued(chat) | {"whole": False}),
    ("chat_note_stream", lambda chat: queued(chat) | {"whole": True}),
    ("chat_write_project", project),
    ("chat_rotate_conversation", without("patch", project)),
    ("chat_delete_conversation", without("turn", lambda chat: queued(chat) | {"conversation": chat.conversation})),
    ("chat_delete_conversations", without("turn", lambda chat: queued(chat) | {"limit": 9})),
    ("chat_change_conversation", lambda chat: project(chat) | {"patch": '{"archived": true}', "op": new_id()}),
]


@pytest.mark.parametrize(("function", "prepare"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_a_repeated_call(chat: Chat, function: str, prepare: Callable[[Chat], dict[str, Any]]) -> None:
    arguments = prepare(chat)
    before = world(chat)
    first: Answer = chat.db.call(function, **arguments)
    after = world(chat)
    chat.db.let_pass(1)
    again = chat.db.call(function, **arguments)
    assert steady(again) == steady(first)
    assert world(chat) == after
    assert after != before, "the first call did something"


def test_all_writers_are_repeated_here(chat: Chat) -> None:
    rows = chat.db.rows("select proname from pg_proc where pronamespace = 'public'::regnamespace and provolatile = 'v'")
    elsewhere = {  # these are repeated in tests of their own
        "chat_tidy_events",
        "chat_take_webhooks",
        "chat_drop_webhook",
        "chat_list_left_runs",
        "chat_drop_left_run",
        "chat_defer_left_run",
        "chat_begin_assistant",
        "chat_drop_object",
        "chat_defer_object",
        "chat_expire_conversations",
    }
    assert {row["proname"] for row in rows} == {name for name, _ in CASES} | elsewhere


def test_withdrawing_the_only_turn_twice(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    arguments = {"turn": claim["turn"]["turn_id"], "epoch": claim["epoch"]}
    assert (
        chat.fenced("chat_withdraw_turn", **arguments)
        == chat.fenced("chat_withdraw_turn", **arguments)
        == {"outcome": "ok"}
    )
    assert not any(world(chat))


def test_an_edit_that_was_lost_and_overtaken_is_still_told(chat: Chat) -> None:
    arguments = queued(chat) | {"text": "other", "op": new_id()}
    chat.db.call("chat_edit_turn", **arguments)
    chat.claim()
    assert chat.db.call("chat_edit_turn", **arguments)["outcome"] == "ok"
    assert chat.db.call("chat_edit_turn", **(arguments | {"op": new_id()}))["outcome"] == "already_started"
