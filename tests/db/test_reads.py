"""Withdrawing, the ledger of tool calls, and what is read back."""

from __future__ import annotations

from typing import Any

from tests.db.database import Chat, Session, new_id


def test_a_withdrawn_turn_was_never_sent(chat: Chat) -> None:
    first = chat.submit()["claim"]
    chat.complete(first["epoch"], first["turn"]["turn_id"])
    query = "select next_seq, next_message_seq from public.chat_conversations where id = %s"
    before = chat.db.rows(query, chat.conversation)
    answer = chat.submit(strategy="reject", key="key")
    arguments = {"turn": answer["turn"]["turn_id"], "epoch": answer["claim"]["epoch"]}
    assert chat.fenced("chat_withdraw_turn", **arguments) == {"outcome": "ok"}
    assert chat.db.rows(query, chat.conversation) == before
    assert chat.get(answer["turn"]["turn_id"]) == {"outcome": "not_found"}
    assert len(chat.lines()) == 2
    assert chat.submit(key="key", hash="1" * 64)["outcome"] == "created"


def test_a_turn_with_a_run_is_not_withdrawn(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, "running", '{"run": {"run_id": null, "agent": "a", "status": "queued"}}')
    assert chat.fenced("chat_withdraw_turn", turn=turn, epoch=claim["epoch"]) == {"outcome": "conflict"}
    assert chat.get(turn)["turn"]["status"] == "running"


def test_a_tool_call_runs_once(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    lease = {"turn": claim["turn"]["turn_id"], "epoch": claim["epoch"]}
    call = lease | {"call": "".join(new_id() for _ in range(200))}  # longer than an index takes

    def begin(session: Session | None = None, op: str = "") -> dict[str, Any]:
        return chat.fenced("chat_begin_tool_call", session, **call, name="tool", op=op or new_id())

    answers = chat.db.together(10, lambda session, _: begin(session))
    assert sorted(answer["outcome"] for answer in answers) == ["in_doubt"] * 9 + ["run"]
    assert chat.fenced("chat_finish_tool_call", **call, output="first") == {"outcome": "done", "output": "first"}
    assert chat.fenced("chat_finish_tool_call", **call, output="second") == {"outcome": "done", "output": "first"}
    assert begin() == {"outcome": "done", "output": "first"}
    unknown = lease | {"call": "another"}
    assert chat.fenced("chat_finish_tool_call", **unknown, output="x")["outcome"] == "fenced", "it was never begun"
    chat.complete(claim["epoch"], lease["turn"])
    assert begin()["outcome"] == "fenced", "the turn is over"


def test_conversations_come_newest_first_in_pages(chat: Chat) -> None:
    chats = [Chat(chat.db, user=chat.user) for _ in range(5)]
    for one in chats:
        one.submit()
        chat.db.let_pass(1)
    chats[0].submit()
    newest = [one.conversation for one in (chats[0], *reversed(chats[1:]))]

    def page(limit: int, before: str | None) -> list[str]:
        rows = chat.db.call("chat_list_conversations", user=chat.user, limit=limit, before=before)["conversations"]
        return [row["conversation_id"] for row in rows]

    assert page(10, None) == newest
    assert page(2, None) + page(2, newest[1]) + page(2, newest[3]) == newest
    assert page(10, new_id()) == []


def test_a_conversation_says_what_is_open_and_what_was(chat: Chat) -> None:
    first = chat.submit(conversation=None, new_conversation=chat.conversation, scope_kind="session", scope_key="s")
    waiting = chat.submit()
    busy = chat.db.call("chat_get_conversation", user=chat.user, conversation=chat.conversation)["conversation"]
    assert (busy["status"], busy["turns"], busy["scope"]) == ("busy", 2, {"kind": "session", "key": "s"})
    assert [turn["turn_id"] for turn in busy["open_turns"]] == [a["turn"]["turn_id"] for a in (first, waiting)]
    assert [turn["position"] for turn in busy["open_turns"]] == [0, 1]
    epoch, turn = first["claim"]["epoch"], first["turn"]["turn_id"]
    chat.advance(epoch, turn, "running", '{"conflict": true, "run": {"run_id": "r", "agent": "a", "status": "s"}}')
    chat.db.let_pass(2)
    chat.complete(epoch, turn)
    chat.db.call("chat_cancel_turn", user=chat.user, turn=waiting["turn"]["turn_id"])
    idle = chat.db.call("chat_get_conversation", user=chat.user, conversation=chat.conversation)["conversation"]
    stats = idle["stats"]
    assert (idle["status"], idle["open_turns"], idle["active_run"]) == ("idle", [], None)
    assert (stats["messages"], stats["turns"], stats["runs"], stats["conflicts"]) == (2, 2, 1, 1)
    assert 1000 <= stats["average_wait_ms"] < 1500, "one waited two seconds, the other one not at all"
    assert stats["created_at"] < stats["last_message_at"]


def test_messages_from_either_end(chat: Chat) -> None:
    for number in range(3):
        claim = chat.submit(text=f"question {number}")["claim"]
        chat.complete(claim["epoch"], claim["turn"]["turn_id"], f"answer {number}")

    def seqs(**arguments: Any) -> list[int]:
        page = {"after_seq": 0, "limit": 10, "newest": False} | arguments
        return [line["seq"] for line in chat.fenced("chat_list_messages", **page)["messages"]]

    assert seqs() == [1, 2, 3, 4, 5, 6]
    assert seqs(after_seq=2, limit=3) == [3, 4, 5]
    assert seqs(limit=2, newest=True) == [5, 6]
    assert seqs(after_seq=5, limit=2, newest=True) == [6]
    assert seqs(before_seq=5, limit=2, newest=True) == [3, 4]
    assert seqs(before_seq=3, after_seq=1) == [2]
    lines = chat.fenced("chat_list_messages", after_seq=0, limit=2, newest=False)["messages"]
    assert [(line["role"], line["agent"], line["turn_seq"]) for line in lines] == [
        ("user", None, 1),
        ("assistant", "orchestrator", 1),
    ]


def test_two_users_with_one_conversation_id_read_their_own(chat: Chat) -> None:
    chats = [chat, Chat(chat.db, conversation=chat.conversation)]
    for one in chats:
        claim = one.submit(text=one.user)["claim"]
        one.complete(claim["epoch"], claim["turn"]["turn_id"], one.user)
        one.submit(text="waiting", owner=None)
    for one in chats:
        lines = one.fenced("chat_list_messages", after_seq=0, limit=10, newest=False)["messages"]
        assert [(line["seq"], line["text"]) for line in lines] == [(1, one.user), (2, one.user)]
        shown = one.fenced("chat_get_conversation")["conversation"]
        assert (shown["turns"], len(shown["open_turns"])) == (2, 1)
        assert (shown["stats"]["messages"], shown["preview"], shown["status"]) == (2, one.user, "busy")
        assert one.claim()["message_count"] == 2


def test_a_message_that_went_back_into_the_queue_keeps_its_text(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn = claim["turn"]["turn_id"]
    chat.advance(claim["epoch"], turn, "queued", '{"delay_ms": 1000}')
    answer = chat.db.call("chat_edit_turn", user=chat.user, turn=turn, text="other", op=new_id())
    assert (answer["outcome"], answer["turn"]["text"]) == ("already_started", "hello")


def test_agents_are_the_global_ones_and_ones_own(chat: Chat) -> None:
    add = "insert into public.chat_agents (owner_id, slug, name, model) values (%s, %s, %s, 'm')"
    chat.db.run(add, chat.user, "script_writer", "mine")
    chat.db.run(add, new_id(), "theirs", "theirs")
    agents = chat.db.call("chat_list_agents", user=chat.user)["agents"]
    assert [agent["slug"] for agent in agents] == [
        "orchestrator",
        "image_prompt_writer",
        "scene_describer",
        "script_writer",
    ]
    assert agents[3]["name"] == "mine"
    slugs = {agent["slug"] for agent in agents}
    assert all(set(agent["handoffs"]) <= slugs for agent in agents), "handoffs lead to agents that exist"
    assert len({agent["model"] for agent in agents[:3]}) == 1


def test_the_first_assistant_of_an_agent_is_remembered(chat: Chat) -> None:
    add = "insert into public.chat_agents (id, owner_id, slug, name, model) values (%s, %s, 'alike', 'x', 'm')"
    agents = [new_id(), new_id()]
    for agent in agents:
        chat.db.run(add, agent, new_id())

    def remember(session: Session, number: int) -> str:
        answer = session.call("chat_remember_assistant", agent=agents[0], assistant=f"asst_{number}")
        return str(answer["assistant_id"])

    assert len(set(chat.db.together(10, remember))) == 1
    kept = chat.db.rows("select assistant_id from public.chat_agents where id = %s", agents[0])[0]["assistant_id"]

    def replace(session: Session, number: int) -> str:
        answer = session.call("chat_remember_assistant", agent=agents[0], assistant=f"new_{number}", instead_of=kept)
        return str(answer["assistant_id"])

    assert len(replaced := set(chat.db.together(10, replace))) == 1, "one of those who found it deleted wins"
    assert replaced.pop().startswith("new_")
    other = chat.db.call("chat_remember_assistant", agent=agents[1], assistant="other")
    assert other["assistant_id"] == "other", "of two agents with one slug each has its own"
    assert chat.db.call("chat_remember_assistant", agent=new_id(), assistant="x") == {"outcome": "not_found"}
