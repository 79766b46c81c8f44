"""The deletion of a conversation: what is gone with it, what is left of it, and who is told what afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database, Session, new_id
from tests.db.test_waiting import waiting

WORD = "Zirbelkiefer"  # in everything that a person, a model or a tool said
EVERY_TABLE = """
select table_schema || '.' || table_name as name from information_schema.tables
where table_schema in ('public', 'chat_internal') and table_type = 'BASE TABLE'"""


def tables_with(db: Database, text: str) -> set[str]:
    """Every table in which a row has this text anywhere."""
    names = [row["name"] for row in db.rows(EVERY_TABLE)]
    assert len(names) > 10
    return {
        name for name in names if db.rows(f"select 1 as x from {name} t where t::text ilike %s limit 1", f"%{text}%")
    }


def delete(chat: Chat, session: Session | None = None) -> Answer:
    return chat.fenced("chat_delete_conversation", session)


def under_way(chat: Chat, run: str, thread: str | None = None) -> dict[str, Any]:
    """A claim on a turn whose run is under way."""
    claim: dict[str, Any] = chat.submit()["claim"]
    named = "null" if thread is None else f'"{thread}"'
    chat.advance(
        claim["epoch"],
        claim["turn"]["turn_id"],
        "running",
        f'{{"run": {{"run_id": "{run}", "agent": "a", "status": "in_progress"}},'
        f' "thread": {{"provider": "assistants", "thread_id": {named}, "cursor": null}}}}',
    )
    return claim


def left(chat: Chat) -> dict[str, Answer]:
    return {run["run_id"]: run for run in chat.db.call("chat_list_left_runs", limit=1000)["runs"]}


def ended(chat: Chat) -> set[str]:
    return {row["thread_id"] for row in chat.db.call("chat_list_ended_threads", limit=1000)["threads"]}


def say_everything(chat: Chat) -> None:
    """A conversation in which every column that can hold words holds some."""
    said = f'"{WORD}"'
    run = f'{{"run_id": "r", "agent": "a", "status": "completed", "text": {said}}}'
    step = f'{{"run_id": "r", "agent": "a", "text": {said}, "calls": [{{"call_id": "c", "name": "n", "arguments":'
    step += f' {said}, "output": null}}], "thread_id": null, "handoff": null}}'
    handoff = f'{{"from": "project_manager", "to": "script_writer", "reason": {said}, "task": {said}, "said": {said}}}'
    claim = chat.submit(text=WORD, metadata=f'{{"a": {said}}}', key=WORD)["claim"]
    held = (claim["epoch"], claim["turn"]["turn_id"])
    fence = {"epoch": held[0], "turn": held[1]}
    chat.advance(*held, "requires_action", f'{{"run": {run}, "step": {step}}}')
    chat.fenced("chat_begin_tool_call", **fence, call="c", name="n", op=new_id())
    chat.fenced("chat_finish_tool_call", **fence, call="c", output=WORD)
    chat.fenced("chat_keep_scratch", **fence, call="c", provider="responses", thread=new_id(), run=None)
    chat.fenced("chat_write_project", patch=f'{{"title": {said}, "script": {said}, "scenes": [{said}]}}')
    chat.advance(*held, "starting", f'{{"handoff": {handoff}}}')
    chat.complete(*held, WORD)
    for to, patch in (
        ("failed", f'{{"error": {{"code": "run_failed", "partial_text": {said}}}}}'),
        ("cancelled", f'{{"partial": {said}}}'),
    ):
        claim = chat.submit(text=WORD)["claim"]
        chat.advance(claim["epoch"], claim["turn"]["turn_id"], to, patch, lease_ms=0)
    claim = chat.submit(text=WORD)["claim"]
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, f'{{"draft": {said}}}')
    chat.submit(text=WORD, message=WORD)
    chat.fenced("chat_change_conversation", patch=f'{{"title": {said}}}')
    chat.db.run(
        "update public.chat_conversations set scope_kind = 'topic', scope_key = %s where user_id = %s", WORD, chat.user
    )
    rows = "select id, user_id, conversation_id, true, %s from public.chat_turns where user_id = %s"
    chat.db.run(
        f"insert into public.chat_feedback (turn_id, user_id, conversation_id, good, comment) {rows}", WORD, chat.user
    )


TEXTS = """
select c.table_schema || '.' || c.table_name as name, c.column_name as column from information_schema.columns c
join information_schema.tables t using (table_schema, table_name)
where c.table_schema in ('public', 'chat_internal') and t.table_type = 'BASE TABLE'
  and c.data_type in ('text', 'json', 'jsonb', 'ARRAY', 'character varying') and c.table_name <> 'chat_agents'"""
IDS = {"call_id", "change_ops", "claim_op", "key_hash", "last_run_id", "lease_owner", "object_id", "op", "ops",
       "run_id", "run_key", "thread_cursor", "thread_id", "blocked_by", "request_hash"}  # fmt: skip
CODES = {"active_agent", "agent", "choices", "code", "counts", "ended_because", "handoff_to", "held_up_by", "key",
         "kind", "media_type", "model", "name", "provider", "role", "scope_kind", "status", "strategy",
         "superseded_how", "thread_provider", "tool", "what"}  # fmt: skip


def test_every_column_that_may_hold_words_is_filled_here(chat: Chat) -> None:
    """The next test finds nothing left of a column that this one has no words for."""
    say_everything(chat)
    waiting(
        Chat(chat.db, chat.user), calls=[{"call_id": "c", "kind": "approval", "name": "n", "arguments": f'"{WORD}"'}]
    )
    holds = "select 1 as x from {} t where {}::text ilike %s limit 1"
    without = {
        (row["name"], row["column"])
        for row in chat.db.rows(TEXTS)
        if not chat.db.rows(holds.format(row["name"], row["column"]), f"%{WORD}%")
    }
    assert {where for where in without if where[1] not in IDS | CODES} == set()
    for one in chat.db.rows("select id::text from public.chat_conversations where user_id = %s", chat.user):
        delete(Chat(chat.db, chat.user, one["id"]))
    assert tables_with(chat.db, WORD) == set()


def test_no_row_of_any_table_holds_a_word_of_it(chat: Chat) -> None:
    say_everything(chat)
    assert tables_with(chat.db, WORD) >= {
        f"public.chat_{name}" for name in ("conversations", "turns", "messages", "tool_calls", "projects")
    }
    assert delete(chat) == {"outcome": "ok", "runs": []}
    assert tables_with(chat.db, WORD) == set()
    assert tables_with(chat.db, chat.conversation) == {"public.chat_deleted_conversations"}
    assert tables_with(chat.db, chat.user) == {"public.chat_deleted_conversations", "public.chat_deleted_keys"}


def test_a_turn_that_waits_for_a_person_goes_with_what_it_asks(chat: Chat) -> None:
    waiting(chat, calls=[{"call_id": "c", "kind": "approval", "name": "n", "arguments": f'"{WORD}"'}])
    assert "public.chat_person_calls" in tables_with(chat.db, WORD)
    assert delete(chat)["outcome"] == "ok"
    assert tables_with(chat.db, WORD) == set()
    assert chat.submit() == {"outcome": "deleted"}


def test_it_does_not_exist_for_its_user_any_more(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn, behind = claim["turn"]["turn_id"], chat.submit()["turn"]["turn_id"]
    delete(chat)
    gone = {"outcome": "not_found"}
    assert chat.fenced("chat_get_conversation") == gone
    assert chat.fenced("chat_change_conversation", patch='{"title": "x"}') == gone
    assert chat.fenced("chat_list_messages", after_seq=0, limit=1, newest=False) == gone
    assert chat.fenced("chat_write_project", patch="{}") == gone
    assert chat.db.call("chat_list_conversations", user=chat.user, limit=9, before=None)["conversations"] == []
    for one in (turn, behind):
        assert chat.get(one) == gone
        assert chat.db.call("chat_cancel_turn", user=chat.user, turn=one) == gone
        assert chat.db.call("chat_edit_turn", user=chat.user, turn=one, text="x", op=new_id()) == gone
        assert chat.submit(conversation=None, replaces=one) == gone
    assert chat.claim() == gone
    assert chat.complete(claim["epoch"], turn) == gone, "its holder's answer comes too late"


def test_its_id_and_the_keys_of_its_messages_are_known_for_what_they_were(chat: Chat) -> None:
    chat.submit(key="a", owner=None)
    scope: dict[str, Any] = {"conversation": None, "scope_kind": "topic", "scope_key": "owls"}
    scoped = Chat(chat.db, chat.user, chat.submit(key="b", owner=None, **scope)["turn"]["conversation_id"])
    delete(chat)
    delete(scoped)
    told = {"outcome": "deleted"}
    assert chat.submit() == chat.submit(key="c") == chat.submit(key="a", text="another") == told
    assert chat.submit(key="b", **scope) == chat.submit(conversation=None, new_conversation=scoped.conversation) == told
    assert Chat(chat.db, conversation=chat.conversation).submit(key="a")["outcome"] == "created", "another user's"
    assert chat.submit(key="d", **scope)["outcome"] == "created", "the scope goes on in a new one"
    chat.db.let_pass(86_390)
    assert chat.submit(conversation=None, key="a") == told
    chat.db.let_pass(20)
    assert chat.submit(conversation=None, key="a")["outcome"] == "created"
    assert chat.submit() == told
    left(chat)
    assert chat.db.rows("select 1 as x from public.chat_deleted_keys where user_id = %s", chat.user) == []


def test_it_is_deleted_once_and_only_by_its_user(chat: Chat) -> None:
    other = Chat(chat.db, conversation=chat.conversation)
    assert delete(chat) == {"outcome": "not_found"}
    chat.submit()
    assert delete(other) == {"outcome": "not_found"}
    other.submit()
    assert delete(chat)["outcome"] == delete(chat)["outcome"] == "ok"
    assert other.fenced("chat_get_conversation")["outcome"] == "ok"
    for one, deleted in ((chat, True), (other, False)):
        assert one.fenced("chat_was_deleted") == {"outcome": "ok", "deleted": deleted}


@pytest.mark.parametrize("how", ["by its user", "with its user", "as a row"])
def test_the_runs_under_way_are_left_on_record_and_end_before_their_threads(chat: Chat, how: str) -> None:
    run, thread, asked, asked_thread = (new_id() for _ in range(4))
    claim = under_way(chat, run, thread)
    fence = {"turn": claim["turn"]["turn_id"], "epoch": claim["epoch"]}
    chat.fenced("chat_keep_scratch", **fence, call="c", provider="responses", thread=asked_thread, run=asked)
    if how == "by its user":
        named = {one["run_id"] for one in delete(chat)["runs"]}
        assert named == {run, asked}
    elif how == "with its user":
        chat.db.run("insert into auth.users (id, email) values (%s, %s)", chat.user, f"{chat.user}@example.com")
        chat.db.run("delete from auth.users where id = %s", chat.user)
    else:
        chat.db.run("delete from public.chat_conversations where user_id = %s", chat.user)
    found = left(chat)
    assert (found[run]["provider"], found[run]["thread_id"]) == ("assistants", thread)
    assert (found[asked]["provider"], found[asked]["thread_id"]) == ("responses", asked_thread)
    assert not {thread, asked_thread} & ended(chat)
    chat.db.call("chat_drop_left_run", run=found[run]["id"])
    assert {thread, asked_thread} & ended(chat) == {thread}
    chat.db.let_pass(3601)
    assert asked_thread in ended(chat), "a run that never ends keeps its thread for an hour"
    expected = {"public.chat_deleted_conversations"} if how == "by its user" else set()
    assert tables_with(chat.db, chat.user) == expected


def test_a_run_that_does_not_end_comes_again_later_and_later(chat: Chat) -> None:
    run = new_id()
    under_way(chat, run)
    delete(chat)
    record = left(chat)[run]["id"]
    for pause in (60, 120, 240):
        chat.db.call("chat_defer_left_run", run=record)
        chat.db.call("chat_defer_left_run", run=record)
        chat.db.let_pass(pause - 2)
        assert run not in left(chat)
        chat.db.let_pass(3)
        assert run in left(chat)


def test_what_a_late_holder_makes_is_left_to_be_deleted(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    delete(chat)
    thread, asked = new_id(), new_id()
    held = (claim["epoch"], claim["turn"]["turn_id"])
    made = f'{{"thread": {{"provider": "responses", "thread_id": "{thread}", "cursor": null}}}}'
    assert chat.advance(*held, None, made) == {"outcome": "not_found"}
    fence = {"epoch": held[0], "turn": held[1]}
    scratch = chat.fenced("chat_keep_scratch", **fence, call="c", provider="responses", thread=asked, run=None)
    assert scratch == {"outcome": "fenced"}
    assert {thread, asked} <= ended(chat)


def test_everything_of_a_user_is_deleted_some_at_a_time(chat: Chat) -> None:
    others = [Chat(chat.db, chat.user) for _ in range(4)]
    stranger = Chat(chat.db, conversation=chat.conversation)
    under_way(chat, run := new_id())
    for one in (chat, *others, stranger):
        one.submit(text=WORD, key=one.conversation)
    left_now: list[int] = []
    runs: list[str] = []
    while not left_now or left_now[-1]:
        answer = chat.db.call("chat_delete_conversations", user=chat.user, limit=2)
        left_now.append(answer["left"])
        runs += [one["run_id"] for one in answer["runs"]]
    assert (left_now, runs) == ([3, 1, 0], [run])
    assert tables_with(chat.db, chat.user) == {"public.chat_deleted_conversations", "public.chat_deleted_keys"}
    assert chat.submit() == others[0].submit() == {"outcome": "deleted"}
    assert stranger.fenced("chat_get_conversation")["outcome"] == "ok"
    stranger.db.run("delete from public.chat_conversations where user_id = %s", stranger.user)


def test_a_users_agents_go_with_the_user(chat: Chat) -> None:
    chat.db.run("insert into auth.users (id, email) values (%s, %s)", chat.user, f"{chat.user}@example.com")
    agent = "insert into public.chat_agents (owner_id, slug, name, model) values (%s, 'mine', 'Mine', 'm')"
    chat.db.run(agent, chat.user)
    chat.submit(key="k")
    delete(chat)
    chat.db.run("delete from auth.users where id = %s", chat.user)
    assert tables_with(chat.db, chat.user) == set()


def test_senders_race_against_a_deletion(chat: Chat) -> None:
    """Each message is taken before it or refused after it, and none of it is left."""
    chat.submit(owner=None)

    def work(session: Session, number: int) -> str:
        if number == 20:
            return str(delete(chat, session)["outcome"])
        return str(chat.submit(session, owner=None, key=f"k{number}")["outcome"])

    outcomes = chat.db.together(40, work)
    assert outcomes.pop(20) == "ok"
    assert set(outcomes) <= {"created", "deleted"}
    assert tables_with(chat.db, chat.user) <= {"public.chat_deleted_conversations", "public.chat_deleted_keys"}
    keys = chat.db.rows("select 1 as x from public.chat_deleted_keys where user_id = %s", chat.user)
    assert len(keys) == outcomes.count("created")
    assert chat.submit() == {"outcome": "deleted"}
