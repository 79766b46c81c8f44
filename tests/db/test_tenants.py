"""Two users with the same conversation id: neither can read, change or notice what the other one has.

Each case is prepared twice: for a user who is alone with the id, and for one beside a twin whose rows under the same id
differ in all that a function looks at. The call must give the same answer and leave the same rows in both. The twin's
rows are locked meanwhile, so a call that would so much as lock one of them fails. Then each tenant predicate of each
function is taken out, one at a time: at least one case has to notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.db.database import IMAGE, Chat, Database, Session, new_id

Prepared = tuple[str, dict[str, Any]]  # a function and its arguments
RUN = json.dumps({"run": {"run_id": "r", "agent": "orchestrator", "status": "in_progress"}})
CALLED = json.dumps(
    {"step": {"run_id": "r", "agent": "orchestrator", "text": "x", "thread_id": None, "handoff": None,
              "calls": [{"call_id": "c", "name": "tool", "arguments": "{}", "output": "o"}]}}
)  # fmt: skip
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PREDICATE = re.compile(r"\b(?:\w+\.)?(?:user_id = (?:p_user|\w+\.user_id)|owner_id = p_user)\b")
LOOKED_UP_AGAIN = {"chat_internal.worker_json"}  # each slug that it lists goes through find_agent, which is held
TABLES = ("conversations", "turns", "messages", "tool_calls", "projects")
ROWS = """
select jsonb_build_array(
  (select jsonb_agg(to_jsonb(r) order by r.id) from public.chat_conversations r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.seq) from public.chat_turns r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.seq) from public.chat_messages r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.call_id) from public.chat_tool_calls r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r)) from public.chat_projects r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.id) from public.chat_images r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.thread_id) from public.chat_threads r where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) order by r.turn_id) from public.chat_turn_streams r where r.user_id = %(user)s),
  (select jsonb_agg(jsonb_build_array(e.name, e.agent, e.run_id, e.tool, e.code, e.other_turn_id, e.nth,
     e.ms is not null) order by e.number) from public.chat_turns r join public.chat_turn_events e on e.turn_id = r.id
   where r.user_id = %(user)s),
  (select jsonb_agg(to_jsonb(r) - array['id']) from public.chat_scratch_threads r
   where r.thread_id = %(user)s::text),
  (select jsonb_agg(to_jsonb(r) order by r.slug) from public.chat_agents r where r.owner_id = %(user)s),
  (select jsonb_agg(jsonb_build_array(o.object_id, o.provider) order by o.object_id) from public.chat_remote_objects o
   where o.object_id in ('r', 'twin''s') and not %(user)s::text like '00000000-%%'),  -- they name no user
  (select count(*) from public.chat_deleted_conversations r where r.user_id = %(user)s),
  (select count(*) from public.chat_deleted_keys r where r.user_id = %(user)s)) as rows"""
GONE = "99999999-9999-4999-8999-999999999999"  # a conversation that the twin has deleted


@dataclass
class Case(Chat):
    """`foreign` are a turn and an epoch of the twin; of no user where there is no twin."""

    foreign_turn: str = ""
    foreign_epoch: int = 0

    def fence(self, claim: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.here(turn=claim["turn"]["turn_id"], epoch=claim["epoch"], **more)

    def here(self, **more: Any) -> dict[str, Any]:
        return {"user": self.user, "conversation": self.conversation, **more}

    def message(self, **changes: Any) -> Prepared:
        return "chat_submit_turn", self.submission(**changes)

    def submission(self, **changes: Any) -> dict[str, Any]:
        kept: dict[str, Any] = {}

        class Keep:
            def call(self, function: str, **arguments: Any) -> dict[str, Any]:
                kept.update(arguments)
                return {}

        replace(self, db=Keep()).submit(**changes)  # type: ignore[arg-type]  # the arguments, without the call
        return kept


def running(chat: Case, **changes: Any) -> dict[str, Any]:
    claim: dict[str, Any] = chat.submit(**changes)["claim"]
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "running", RUN)
    return claim


def threaded(chat: Case) -> dict[str, Any]:
    claim = running(chat)
    thread = json.dumps({"thread": {"provider": "responses", "thread_id": new_id(), "cursor": None}})
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], None, thread)
    return claim


def edited_with_thread(chat: Case) -> Prepared:
    claim = threaded(chat)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    return chat.message(replaces=claim["turn"]["turn_id"], text="other")


def answered(chat: Case, **changes: Any) -> dict[str, Any]:
    claim: dict[str, Any] = chat.submit(**changes)["claim"]
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    return claim


def put_back(chat: Case, **changes: Any) -> dict[str, Any]:
    """A head that had an attempt and waits for the next one."""
    claim: dict[str, Any] = chat.submit(**changes)["claim"]
    chat.advance(claim["epoch"], claim["turn"]["turn_id"], "queued", '{"delay_ms": 60000}')
    return claim


def joint(chat: Case) -> dict[str, Any]:
    """Two messages that were joined into one run."""
    chat.submit(strategy="coalesce", owner=None)
    chat.submit(strategy="coalesce", owner=None)
    return chat.claim()


def waiting(chat: Case, **changes: Any) -> str:
    turn: str = chat.submit(owner=None, **changes)["turn"]["turn_id"]
    return turn


def claim(chat: Case) -> Prepared:
    return "chat_claim_turn", chat.here(owner="owner", lease_ms=15_000, op=new_id())


def step(chat: Case, held: dict[str, Any], to: str | None, patch: str = "{}", **changes: Any) -> Prepared:
    return "chat_advance_turn", chat.fence(held, op=new_id(), to=to, patch=patch, lease_ms=15_000) | changes


def then(first: Callable[[Case], Any], second: Callable[[Case], Prepared]) -> Callable[[Case], Prepared]:
    def prepare(chat: Case) -> Prepared:
        first(chat)
        return second(chat)

    return prepare


def last_before_closing(chat: Case) -> str:
    """The only turn left of a conversation that was archived meanwhile: its thread goes with it."""
    claim = threaded(chat)
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    turn = waiting(chat)
    chat.db.call("chat_change_conversation", **chat.here(patch='{"archived": true}'))
    return turn


def agent_of_the_twin(chat: Case) -> str:
    query = """select a.id::text from public.chat_agents a join public.chat_conversations c on c.user_id = a.owner_id
               where a.slug = 'twins' and c.id = %s"""
    found = chat.db.rows(query, chat.conversation)
    return str(found[0]["id"]) if found else new_id()


def withdrawn(chat: Case, *, behind: int) -> Prepared:
    held = chat.submit()["claim"]
    for _ in range(behind):
        waiting(chat)
    return "chat_withdraw_turn", chat.fence(held)


def withdrawn_last(chat: Case) -> Prepared:
    answered(chat)
    return "chat_withdraw_turn", chat.fence(chat.submit()["claim"])


def repeated(chat: Case) -> Prepared:
    message = chat.submission()
    chat.db.call("chat_submit_turn", **message)
    return "chat_submit_turn", message


def displacing(chat: Case) -> Prepared:
    running(chat)
    waiting(chat)
    return chat.message(strategy="interrupt")


def steering(chat: Case) -> Prepared:
    held = running(chat)
    waiting(chat, strategy="steer")
    chat.advance(held["epoch"], held["turn"]["turn_id"], "requires_action", CALLED)
    return step(chat, held, "starting", '{"next_run": "said"}')


def interrupted(chat: Case) -> None:
    held = running(chat)
    waiting(chat, strategy="interrupt")
    chat.advance(held["epoch"], held["turn"]["turn_id"], "cancelled", '{"partial": "said"}', lease_ms=0)


def called_twice(chat: Case) -> None:
    """The user's first turn is answered after two runs that called."""
    held = running(chat)
    for _ in range(2):
        chat.advance(held["epoch"], held["turn"]["turn_id"], "requires_action", CALLED)
    chat.complete(held["epoch"], held["turn"]["turn_id"])


def joined_elsewhere(chat: Case) -> Prepared:
    """A row as it must never be: joined to a turn that is not the user's."""
    waiting(chat)
    turn = waiting(chat, strategy="coalesce")
    chat.db.run("update public.chat_turns set joined_to = %s where id = %s", chat.foreign_turn, turn)
    return "chat_get_turn", {"user": chat.user, "turn": turn}


def replaced_elsewhere(chat: Case) -> Prepared:
    """A row as it must never be, in whose place a message is sent."""
    joined_elsewhere(chat)
    query = "select id::text from public.chat_turns where user_id = %s and seq = 2"
    return chat.message(text=None, replaces=str(chat.db.rows(query, chat.user)[0]["id"]))


def second_replaced(chat: Case) -> Prepared:
    answered(chat, agent="script_writer")
    return chat.message(replaces=answered(chat)["turn"]["turn_id"], owner=None)


def first_replaced(chat: Case) -> Prepared:
    """It was the only one in view, and becomes the conversation's first message."""
    return chat.message(replaces=answered(chat)["turn"]["turn_id"], text="edited", owner=None)


def twin_joined_to_mine(chat: Case) -> Prepared:
    """Named is a row as it must never be: a turn of the twin's that says that it is joined to the user's."""
    answered(chat)
    query = "select id::text from public.chat_turns where conversation_id = %s and user_id <> %s and seq = 4"
    found = chat.db.rows(query, chat.conversation, chat.user)
    return chat.message(replaces=found[0]["id"] if found else new_id())


def handed_over(chat: Case) -> Prepared:
    held = running(chat)
    waiting(chat)
    return step(chat, held, "completed", '{"reply": "answer"}', next_owner="owner", lease_ms=0, next_lease_ms=1000)


def archived(chat: Case) -> None:
    answered(chat)
    chat.db.call("chat_change_conversation", **chat.here(patch='{"archived": true}'))


def begun(chat: Case) -> dict[str, Any]:
    call = chat.fence(running(chat), call="call")
    chat.db.call("chat_begin_tool_call", **call, name="tool", op="op")
    return call


def broken_off(chat: Case) -> None:
    """The user's last turn is over, and its stream broke off."""
    turn: str = answered(chat)["turn"]["turn_id"]
    chat.db.call("chat_note_stream", user=chat.user, turn=turn, whole=False)


def scratch(chat: Case) -> dict[str, Any]:
    return {"call": "call", "provider": "assistants", "thread": chat.user, "run": None}


def reopened(chat: Case) -> Prepared:
    """Archived, and of the scope that the twin has as well."""
    chat.submit(conversation=None, new_conversation=chat.conversation, scope_kind="topic", scope_key="same scope")
    chat.db.call("chat_change_conversation", **chat.here(patch='{"archived": true}'))
    return "chat_change_conversation", chat.here(patch='{"archived": false}')


def first(chat: Case) -> str:
    query = "select id::text from public.chat_turns where user_id = %s and seq = 1"
    return str(chat.db.rows(query, chat.user)[0]["id"])


def expired(chat: Case) -> None:
    answered(chat)
    older = "update public.chat_conversations set last_message_at = last_message_at - interval '1 day'"
    chat.db.run(f"{older} where user_id = %s", chat.user)


def project(chat: Case) -> None:
    running(chat)
    chat.db.call("chat_write_project", **chat.here(patch='{"title": "mine"}'))


def judge(db: Database, chat: Chat, claim: dict[str, Any]) -> None:
    columns = "turn_id, user_id, conversation_id, good, created_at"
    values = (claim["turn"]["turn_id"], chat.user, chat.conversation)
    db.run(f"insert into public.chat_feedback ({columns}) values (%s, %s, %s, false, '2026-01-01')", *values)


def judged(chat: Case) -> None:
    judge(chat.db, chat, answered(chat))


def drawn(chat: Case) -> Prepared:
    chat.db.call("chat_keep_image", **chat.fence(running(chat)), **IMAGE)
    return "chat_read_image", {"user": chat.user, "image": IMAGE["image"], "start": 0}


def image_of_the_twin(chat: Case) -> str:
    return str(chat.db.rows("select id::text from public.chat_images where user_id <> %s", chat.user)[0]["id"])


def of(function: str, **more: Any) -> Callable[[Case], Prepared]:
    return lambda chat: (function, chat.here(**more))


def of_turn(function: str, prepare: Callable[[Case], str], **more: Any) -> Callable[[Case], Prepared]:
    return lambda chat: (function, {"user": chat.user, "turn": prepare(chat), **more})


def foreign(chat: Case) -> str:
    """The user has a head under way, and names a turn that is not theirs."""
    running(chat)
    return chat.foreign_turn


def stranger(function: str, more: dict[str, Any], *, epoch: bool = False) -> Callable[[Case], Prepared]:
    """The user's own lease, or also the epoch of the twin's, with the twin's turn."""

    def prepare(chat: Case) -> Prepared:
        held = running(chat)
        fence = chat.fence(held) | {"turn": chat.foreign_turn}
        return function, fence | ({"epoch": chat.foreign_epoch} if epoch else {}) | more

    return prepare


TOOL = {"call": "call", "name": "tool", "op": "op"}
STEP = {"op": "op", "to": "completed", "patch": '{"reply": "not mine"}', "lease_ms": 15_000}
PAGE = {"after_seq": 0, "limit": 10}

CASES: dict[str, Callable[[Case], Prepared]] = {
    "a first message": lambda chat: chat.message(per_minute=1, open_per_user=1, open_per_conversation=1),
    "a first message, reject": lambda chat: chat.message(strategy="reject"),
    "a first message with the twin's key": lambda chat: chat.message(key="same key"),
    "a first message to the twin's scope": lambda chat: chat.message(
        conversation=None, new_conversation=chat.conversation, scope_kind="topic", scope_key="same scope"
    ),
    "a message behind another": then(running, lambda chat: chat.message()),
    "a message after an answer": then(answered, lambda chat: chat.message()),
    "a message after an answer, reject": then(answered, lambda chat: chat.message(strategy="reject")),
    "a message that interrupts": displacing,
    "a message that rolls back a head that waits": then(put_back, lambda chat: chat.message(strategy="rollback")),
    "a message in an answer's place": lambda chat: chat.message(replaces=answered(chat)["turn"]["turn_id"]),
    "a message in place of one that follows another": second_replaced,
    "a message in place of the first one": first_replaced,
    "a message in the place of the twin's that is joined to the user's": twin_joined_to_mine,
    "a message in the twin's place, the user's being archived": then(
        archived, lambda chat: chat.message(replaces=chat.foreign_turn, conversation=None)
    ),
    "a regeneration of one under way": lambda chat: chat.message(
        text=None, replaces=running(chat)["turn"]["turn_id"], conversation=None
    ),
    "a message in the twin's place": lambda chat: chat.message(replaces=foreign(chat)),
    "a message in the twin's place, wherever it is": lambda chat: chat.message(
        replaces=foreign(chat), conversation=None
    ),
    "a regeneration of one that is joined to the twin's": replaced_elsewhere,
    "a message that is steered into a turn": steering,
    "a claim behind an interrupted turn": then(interrupted, claim),
    "lines among calls read": then(called_twice, of("chat_list_messages", newest=False, **PAGE)),
    "a chat's message by the id of the twin's": then(
        waiting,
        lambda chat: chat.message(trigger="submit-message", names="same message", message="mine", owner=None),
    ),
    "a chat's message in the twin's words": then(
        waiting,
        lambda chat: chat.message(trigger="regenerate-message", message="mine", text="twin's", owner=None),
    ),
    "a regeneration while the twin regenerates": then(
        answered, lambda chat: chat.message(trigger="regenerate-message", message="mine", owner=None)
    ),
    "a chat's message with the twin's key": then(
        waiting,
        lambda chat: chat.message(trigger="submit-message", names="?", message="mine", key="same key", owner=None),
    ),
    "a message that gathers": lambda chat: chat.message(strategy="coalesce", gather_ms=1000),
    "a repeated message": repeated,
    "a claim": then(waiting, claim),
    "a claim without a conversation": claim,
    "a claim after an answer": then(answered, claim),
    "a claim that joins": then(lambda chat: waiting(chat, strategy="coalesce"), claim),
    "a lease given up": lambda chat: ("chat_release_lease", chat.here(epoch=running(chat)["epoch"])),
    "the twin's lease given up": lambda chat: ("chat_release_lease", chat.here(epoch=chat.foreign_epoch)),
    "a heartbeat": lambda chat: step(chat, running(chat), None),
    "a thread": lambda chat: step(
        chat, running(chat), None, '{"thread": {"provider": "assistants", "thread_id": "t", "cursor": null}}'
    ),
    "an answer": lambda chat: step(chat, running(chat), "completed", '{"reply": "answer"}'),
    "an answer that hands the next turn over": handed_over,
    "an answer to joined messages": lambda chat: step(chat, joint(chat), "completed", '{"reply": "answer"}'),
    "another attempt": lambda chat: step(chat, running(chat), "starting"),
    "a step of the twin's turn": stranger("chat_advance_turn", STEP),
    "a step without a conversation": lambda chat: (
        "chat_advance_turn", chat.here(turn=chat.foreign_turn, epoch=chat.foreign_epoch, **STEP)
    ),
    "the only turn withdrawn": lambda chat: withdrawn(chat, behind=0),
    "a turn withdrawn before others": lambda chat: withdrawn(chat, behind=1),
    "the last turn withdrawn": withdrawn_last,
    "joined turns withdrawn": lambda chat: ("chat_withdraw_turn", chat.fence(joint(chat))),
    "the twin's turn withdrawn": stranger("chat_withdraw_turn", {}),
    "a tool call": lambda chat: ("chat_begin_tool_call", chat.fence(running(chat)) | TOOL),
    "a tool call of the twin's turn": stranger("chat_begin_tool_call", TOOL),
    "a tool call under the twin's lease": stranger("chat_begin_tool_call", TOOL, epoch=True),
    "an output": lambda chat: ("chat_finish_tool_call", begun(chat) | {"output": "output"}),
    "what came of the twin's call": of("chat_get_tool_output", call="twin's, done"),
    "an output for the twin's turn": stranger("chat_finish_tool_call", {"call": "call", "output": "output"}),
    "a scratch thread": lambda chat: ("chat_keep_scratch", chat.fence(running(chat)) | scratch(chat)),
    "a scratch thread of the twin's turn": lambda chat: (
        "chat_keep_scratch", chat.fence(running(chat)) | {"turn": chat.foreign_turn} | scratch(chat)
    ),
    "a waiting turn cancelled": of_turn("chat_cancel_turn", waiting),
    "the last turn of an archived conversation cancelled": of_turn("chat_cancel_turn", last_before_closing),
    "a turn under way cancelled": of_turn("chat_cancel_turn", lambda chat: str(running(chat)["turn"]["turn_id"])),
    "a joint head cancelled": lambda chat: step(chat, joint(chat), "cancelled"),
    "a joint head that went back cancelled": of_turn(
        "chat_cancel_turn", lambda chat: str(put_back(chat, strategy="coalesce")["turn"]["turn_id"])
    ),
    "the twin's turn cancelled": of_turn("chat_cancel_turn", foreign),
    "a waiting turn edited": of_turn("chat_edit_turn", waiting, text="other", op="op"),
    "the twin's turn edited": of_turn("chat_edit_turn", foreign, text="other", op="op"),
    "a turn read": of_turn("chat_get_turn", waiting),
    "the twin's turn read": of_turn("chat_get_turn", foreign),
    "joint messages read": lambda chat: ("chat_get_turn", {"user": chat.user, "turn": joint(chat)["turn"]["turn_id"]}),
    "a turn that is joined to the twin's read": joined_elsewhere,
    "a conversation read": then(answered, of("chat_get_conversation")),
    "a busy conversation read": then(running, of("chat_get_conversation")),
    "no conversation read": of("chat_get_conversation"),
    "a conversation followed": then(running, of("chat_follow_conversation")),
    "an idle conversation followed": then(answered, of("chat_follow_conversation")),
    "a conversation followed whose last stream broke off": then(broken_off, of("chat_follow_conversation")),
    "no conversation followed": of("chat_follow_conversation"),
    "a stream noted": of_turn("chat_note_stream", lambda chat: str(answered(chat)["turn"]["turn_id"]), whole=False),
    "a stream of the twin's turn noted": of_turn("chat_note_stream", foreign, whole=True),
    "the list read": then(answered, lambda chat: ("chat_list_conversations", list_of(chat, None))),
    "the list read on": then(answered, lambda chat: ("chat_list_conversations", list_of(chat, chat.conversation))),
    "the oldest lines read": then(answered, of("chat_list_messages", newest=False, **PAGE)),
    "the newest lines read": then(answered, of("chat_list_messages", newest=True, **PAGE)),
    "lines of no conversation read": of("chat_list_messages", newest=False, **PAGE),
    "lines before one read": then(answered, of("chat_list_messages", newest=True, before_seq=2, **PAGE)),
    "a search": then(answered, lambda chat: ("chat_list_conversations", list_of(chat, None) | {"q": "hel"})),
    "a search for the twin's words": then(
        answered, lambda chat: ("chat_list_conversations", list_of(chat, None) | {"q": "twin's"})
    ),
    "a conversation renamed": then(answered, of("chat_change_conversation", patch='{"title": "mine"}')),
    "a conversation read to a line": then(answered, of("chat_change_conversation", patch='{"read_seq": 1}')),
    "a conversation of no one changed": of("chat_change_conversation", patch='{"title": "mine"}'),
    "a conversation with the twin's scope opened again": reopened,
    "a first message edited": then(
        waiting, lambda chat: ("chat_edit_turn", {"user": chat.user, "turn": first(chat), "text": "other", "op": "op"})
    ),
    "a project read": then(project, of("chat_read_project")),
    "no project read": of("chat_read_project"),
    "feedback read": then(judged, of("chat_read_feedback")),
    "an image kept": lambda chat: ("chat_keep_image", chat.fence(running(chat)) | IMAGE),
    "an image of the twin's turn kept": stranger("chat_keep_image", IMAGE),
    "an image under the twin's lease kept": stranger("chat_keep_image", IMAGE, epoch=True),
    "an image read": drawn,
    "the twin's image read": lambda chat: (
        "chat_read_image", {"user": chat.user, "image": image_of_the_twin(chat), "start": 0}
    ),
    "a project written": then(running, of("chat_write_project", patch='{"script": "mine"}')),
    "a project of no conversation written": of("chat_write_project", patch='{"script": "mine"}'),
    "a message to what the twin deleted": lambda chat: chat.message(conversation=GONE),
    "a first message with a key of what the twin deleted": lambda chat: chat.message(key="gone key"),
    "a message to one that has expired": then(expired, lambda chat: chat.message(idle_ttl_ms=1000)),
    "a conversation deleted": then(running, of("chat_delete_conversation")),
    "what the twin deleted deleted": lambda chat: (
        "chat_delete_conversation", {"user": chat.user, "conversation": GONE}
    ),
    "whether what the twin deleted is": lambda chat: ("chat_was_deleted", {"user": chat.user, "conversation": GONE}),
    "everything deleted": then(running, lambda chat: ("chat_delete_conversations", {"user": chat.user, "limit": 9})),
    "an idle conversation rotated": then(answered, of("chat_rotate_conversation")),
    "a busy conversation rotated": then(running, of("chat_rotate_conversation")),
    "no conversation rotated": of("chat_rotate_conversation"),
    "a thread given up": lambda chat: step(chat, threaded(chat), "queued", '{"forget_thread": true}'),
    "a thread given up for an edit": edited_with_thread,
    "a timeline read": lambda chat: ("chat_get_timeline", {"turn": waiting(chat)}),
    "a call of the twin's answered": of_turn(
        "chat_answer_call", foreign, call="twin's", approve=True, reason=None, output=None, op="op"
    ),
    "the agents listed": lambda chat: ("chat_list_agents", {"user": chat.user}),
    "an agent of the twin's slug read": lambda chat: (
        "chat_get_agent", {"user": chat.user, "slug": "orchestrator"}
    ),
    "an agent of the twin's read": lambda chat: ("chat_get_agent", {"user": chat.user, "slug": "twins"}),
    "an agent of the twin's slug made": lambda chat: (
        "chat_create_agent",
        {"user": chat.user, "agent": new_id(), "fields": '{"slug": "twins", "name": "mine"}', "most": 1},
    ),
    "an agent of the twin's changed": lambda chat: (
        "chat_change_agent", {"user": chat.user, "slug": "twins", "fields": '{"name": "mine"}'}
    ),
    "an agent of the twin's removed": lambda chat: (
        "chat_delete_agent", {"user": chat.user, "agent": agent_of_the_twin(chat)}
    ),
    "what is left to the sweep": then(waiting, lambda _: ("chat_list_orphans", {"limit": 1000})),
}  # fmt: skip


def list_of(chat: Case, before: str | None) -> dict[str, Any]:
    return {"user": chat.user, "limit": 10, "before": before}


def make_twin(db: Database, conversation: str) -> tuple[Chat, str, int]:
    """A user before all others in every index: interrupted, under way, waiting, with a scope, a key and a project."""
    twin = Chat(db, f"00000000-{new_id()[9:]}", conversation)
    scope: dict[str, Any] = {
        "conversation": None,
        "new_conversation": conversation,
        "scope_kind": "topic",
        "scope_key": "same scope",
    }
    first = twin.submit(key="same key", text="twin's", **scope)["claim"]
    twin.advance(first["epoch"], first["turn"]["turn_id"], "running", RUN)
    twin.submit(strategy="interrupt", text="twin's")
    twin.advance(first["epoch"], first["turn"]["turn_id"], "cancelled", '{"partial": "twin\'s"}', lease_ms=0)
    db.call("chat_note_stream", user=twin.user, turn=first["turn"]["turn_id"], whole=False)
    judge(db, twin, first)
    head = twin.claim(lease_ms=3_600_000)
    fence = {"turn": head["turn"]["turn_id"], "epoch": head["epoch"]}
    thread = json.dumps(
        {"thread": {"provider": "assistants", "thread_id": twin.user, "cursor": None}}
        | {"run": {"run_id": "twin's", "agent": "orchestrator", "status": "in_progress"}}
    )
    before = json.dumps({"thread": {"provider": "responses", "thread_id": new_id(), "cursor": None}})
    for patch in (before, '{"forget_thread": true}', thread):
        twin.advance(head["epoch"], head["turn"]["turn_id"], "running", patch, lease_ms=3_600_000)
    twin.fenced("chat_begin_tool_call", **fence, call="twin's", name="tool", op="op")
    twin.fenced("chat_keep_image", **fence, **IMAGE | {"image": new_id()})
    done: dict[str, Any] = {"call": "twin's, done"}
    twin.fenced("chat_begin_tool_call", **fence, **done, name="tool", op="op")
    twin.fenced("chat_finish_tool_call", **fence, **done, output="twin's")
    twin.fenced("chat_keep_scratch", **fence, call="twin's", provider="responses", thread=twin.user, run=twin.user)
    gone = Chat(db, twin.user, GONE)
    gone.submit(key="gone key", owner=None)
    gone.fenced("chat_delete_conversation")
    twin.fenced("chat_write_project", patch='{"title": "twin\'s"}')
    for _ in range(2):
        twin.submit(strategy="coalesce", text="twin's", message="same message")
    twin.submit(strategy="steer", text="twin's")
    for slug in ("orchestrator", "twins"):  # one that hides a global one from the twin, and one of a name of its own
        db.run(
            "insert into public.chat_agents (owner_id, slug, name, model, as_tool, tools, handoffs)"
            " values (%s, %s, 'the twin''s', 'm', true, '{write_project}', '{script_writer}')",
            twin.user,
            slug,
        )
    return twin, head["turn"]["turn_id"], head["epoch"]


def entangle(db: Database, twin: Chat, user: str) -> None:
    """Places between those of the user's own turns, and two turns that say that they are joined to the user's first.

    One of them was steered there and cut off, though it is over; the other one says that it was sent in another's
    place, which is told by no column that may change.
    """
    db.run("set session_replication_role = replica")
    db.run(
        "update public.chat_turns t set strategy = 'steer', steered_step = 1, steered_runs = 0, steered_handoffs = 0,"
        ' place = 1.5, joined_to = mine.id, error = t.error || \'{"code": "run_incomplete"}\''
        " from public.chat_turns mine where mine.user_id = %s and mine.seq = 1"
        " and t.user_id = %s and t.conversation_id = %s and t.seq = 1",
        user,
        twin.user,
        twin.conversation,
    )
    db.run("update public.chat_turns set replaced = id where user_id = %s and seq = 4", twin.user)
    db.run("set session_replication_role = origin")
    place = "update public.chat_turns set place = case seq when 2 then 0.25 when 3 then 1.25 else 90 end"
    place += " where user_id = %s and finished_at is null"
    db.run(place, twin.user)
    db.run(
        "update public.chat_turns set joined_to = (select id from public.chat_turns where user_id = %s and seq = 1)"
        " where user_id = %s and seq = 4",
        user,
        twin.user,
    )
    db.run(
        "update public.chat_conversations set answered_at = chat_internal.now() + interval '1 day' where user_id = %s",
        twin.user,
    )
    db.run(
        "insert into public.chat_messages (user_id, conversation_id, seq, turn_id, turn_seq, role, text, created_at)"
        " select user_id, conversation_id, 90, id, seq, 'user', text, now() from public.chat_turns"
        " where user_id = %s and seq = 4",
        twin.user,
    )
    db.run(
        "insert into public.chat_messages"
        " (user_id, conversation_id, seq, turn_id, turn_seq, role, agent, part, text, created_at)"
        " select user_id, conversation_id, 91, id, seq, 'assistant', 'orchestrator', 9, text, now()"
        " from public.chat_turns where user_id = %s and seq = 4",
        twin.user,
    )


@dataclass(frozen=True)
class Trial:
    """A prepared call, and what it gives a user who is alone."""

    name: str
    user: str
    call: Prepared
    alone: str
    twin: str
    twin_rows: Any
    functions: frozenset[str]  # that the call comes through


class Trials:
    def __init__(self, db: Database, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self.all: list[Trial] = []
        self.users: list[str] = []
        for name, prepare in CASES.items():
            chat = Case(db, foreign_turn=new_id(), foreign_epoch=2**40)
            alone = self._outcome(chat.user, prepare(chat))
            twin, turn, epoch = make_twin(db, new_id())
            beside = Case(db, f"ffffffff-{new_id()[9:]}", twin.conversation, foreign_turn=turn, foreign_epoch=epoch)
            call = prepare(beside)
            entangle(db, twin, beside.user)
            rows, functions = self._rows(twin.user), self._functions(call)
            self.all.append(Trial(name, beside.user, call, alone, twin.user, rows, functions))
            self.users += (chat.user, beside.user, twin.user)
        self._likely = [*self.all]

    def notice(self, function: str, changed: str) -> bool:
        """Whether any trial notices that the function has been changed to this text."""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(changed.encode())
            # those that come through it first; a function that the planner writes into a query is not counted
            for trial in sorted(self._likely, key=lambda trial: function not in trial.functions):
                if self.difference(trial):
                    self._likely.remove(trial)
                    self._likely.insert(0, trial)  # the next predicate is often of the same function
                    return True
        return False

    def difference(self, trial: Trial) -> str:
        """What the twin changes in the call; empty where that is nothing."""
        try:
            beside = self._outcome(trial.user, trial.call, trial)
        except psycopg.Error as error:
            return str(error)
        return "" if beside == trial.alone else f"{beside}\ninstead of\n{trial.alone}"

    def _outcome(self, user: str, call: Prepared, trial: Trial | None = None) -> str:
        function, arguments = call
        with self._connection.transaction(force_rollback=True):
            self._connection.execute("set local role service_role")
            answer = Session(self._connection).call(function, **arguments)
            self._connection.execute("set local role none")
            rows = self._rows(user)
            if trial is not None and self._rows(trial.twin) != trial.twin_rows:
                return "the twin's rows have changed"
        if "orphans" in answer:
            answer["orphans"] = [orphan for orphan in answer["orphans"] if orphan["user_id"] == user]
        return _steady([answer, rows])

    def _functions(self, call: Prepared) -> frozenset[str]:
        function, arguments = call
        before = self._counted()
        with self._connection.transaction(force_rollback=True):
            self._connection.execute("set local role service_role")
            Session(self._connection).call(function, **arguments)
            self._connection.execute("set local role none")
            after = self._counted()
        return frozenset(name for name, calls in after.items() if calls != before.get(name))

    def _counted(self) -> dict[str, int]:
        query = "select funcid::regproc::text as name, calls from pg_stat_xact_user_functions"
        return {row["name"]: row["calls"] for row in self._connection.execute(query)}

    def _rows(self, user: str) -> Any:
        row = self._connection.execute(ROWS.encode(), {"user": user}).fetchone()
        assert row is not None
        return row["rows"]


def _steady(value: Any) -> str:
    """As text, with ids and epochs by the order in which they first appear, and of times only whether there is one."""
    ids: dict[Any, str] = {}

    def known(key: Any) -> str:
        return ids.setdefault(key, f"no. {len(ids)}")

    def walk(part: Any, name: str = "") -> Any:
        if name.endswith(("_at", "_ms", "_until", "not_before")):
            return part is not None
        if name in ("epoch", "lease_epoch"):
            return known(part)
        if isinstance(part, dict):
            return {key: walk(part[key], key) for key in sorted(part)}
        if isinstance(part, list):
            return [walk(one) for one in part]
        return UUID.sub(lambda found: known(found[0]), part) if isinstance(part, str) else part

    return json.dumps(walk(value), indent=1)


@pytest.fixture(scope="module")
def trials(server: Database) -> Iterator[Trials]:
    with stopped_clock(server), psycopg.connect(server.dsn, autocommit=True, row_factory=dict_row) as connection:
        # one path to every row: the twin's comes first, where a predicate lets it
        connection.execute(
            "set enable_seqscan = off; set enable_bitmapscan = off; set lock_timeout = '100ms';"
            " set track_functions = 'all'"
        )
        made = Trials(server, connection)
        with psycopg.connect(server.dsn) as other:
            for table in TABLES:
                query = f"select 1 from public.chat_{table} where user_id = any (%s) for update"
                other.execute(query.encode(), ([trial.twin for trial in made.all],))
            yield made
        server.run("delete from public.chat_conversations where user_id = any (%s)", made.users)
        server.run("delete from public.chat_agents where owner_id = any (%s)", made.users)


@contextmanager
def stopped_clock(server: Database) -> Iterator[None]:
    """What a call gives must not hang on when it is made."""
    running = server.rows("select pg_get_functiondef('chat_internal.now'::regproc) as text")[0]["text"]
    server.run(
        "create or replace function chat_internal.now() returns timestamptz language sql volatile set search_path = ''"
        " as $$ select timestamptz '2030-01-01' $$"
    )
    try:
        yield
    finally:
        server.run(running)


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_a_twin_makes_no_difference(trials: Trials, number: int) -> None:
    assert trials.difference(trials.all[number]) == ""


def test_an_agent_of_ones_own_is_told_from_a_global_one_of_its_slug(server: Database) -> None:
    user = new_id()
    query = "insert into public.chat_agents (owner_id, slug, name, model) values (%s, 'orchestrator', 'mine', 'm')"
    server.run(query, user)
    owned = {
        who: server.call("chat_get_agent", user=who, slug="orchestrator")["agent"]["owned"] for who in (user, new_id())
    }
    server.run("delete from public.chat_agents where owner_id = %s", user)
    assert list(owned.values()) == [True, False]


def test_every_function_for_a_user_has_its_case(trials: Trials, server: Database) -> None:
    functions = server.rows("""select p.proname::text as name from pg_proc p
        where p.pronamespace = 'public'::regnamespace and 'p_user' = any (p.proargnames)""")
    assert {function["name"] for function in functions} <= {trial.call[0] for trial in trials.all}


@pytest.mark.timeout(600)  # it asks again for each of the predicates
def test_every_tenant_predicate_is_needed(trials: Trials, server: Database) -> None:
    assert not trials.notice("none", "select 1"), "where nothing is changed nothing may be noticed"
    functions = server.rows("""select p.oid::regproc::text as name, pg_get_functiondef(p.oid) as text from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace) order by 1""")
    unnoticed, tried = [], 0
    for function in functions:
        for found in PREDICATE.finditer(function["text"]):
            tried += 1
            changed = function["text"][: found.start()] + "true" + function["text"][found.end() :]
            if not trials.notice(function["name"], changed) and function["name"] not in LOOKED_UP_AGAIN:
                near = " ".join(function["text"][found.start() - 60 : found.end() + 40].split())
                unnoticed.append(f"{function['name']}: {near}")
    assert unnoticed == []
    assert tried > 50
