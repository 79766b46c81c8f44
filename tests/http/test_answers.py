"""What each route says when all goes well, or ends in one of the ways a turn can end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from functions.multi_agent_chat.own_data_routes import LISTED as OWN_LISTED
from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ChatError,
    Conflict,
    ConversationDeleted,
    InvalidRequest,
    NoAgents,
    RequestError,
    StoreFault,
    StoreUnavailable,
    TooMany,
)
from shared.core.model import Scope, ScopeKind
from shared.core.runs import Handoff
from shared.core.turns import MultitaskStrategy, RunRecord, TurnStatus
from shared.ports import SCHEMA_VERSION
from tests.http.conftest import MakeApp
from tests.http.fakes import REPLY, FakeChat
from tests.http.serving import exchange, served
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer, token

CONVERSATION = "33333333-3333-4333-8333-333333333333"

SEVERAL: dict[str, Any] = {
    "runs": (
        RunRecord("r1", "project_manager", "completed", "Over to you."),
        RunRecord(None, "scene_describer", "completed", "A lake.", "script_writer"),
        RunRecord("r3", "script_writer", "completed"),
    ),
    "handoffs": (Handoff("project_manager", "script_writer", "a script", "write it"),),
}


async def test_an_answered_message(http: httpx.AsyncClient, chat: FakeChat) -> None:
    body = assert_answer(await http.post("/", json={"message": "hello"}, headers=bearer()), 200)
    turn = next(iter(chat.turns.values()))
    assert body == {
        "turn_id": turn.turn_id,
        "conversation_id": turn.conversation_id,
        "seq": 1,
        "status": "completed",
        "agent": "project_manager",
        "reply": {"text": REPLY},
        "runs": [{"run_id": "resp_1", "agent": "project_manager", "status": "completed"}],
        "handoffs": [],
        "waited_ms": 1200,
        "conflicts": 2,
        "usage": {"input_tokens": 10, "output_tokens": 20},
        "replayed": False,
    }


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ('{"title": "Owls"}', {"json": {"title": "Owls"}}),
        ("[1]", None),
        ("Sorry, I cannot.", None),
        ('{"title": "Owls"', None),
        ('{"n": NaN}', None),
        ('{"__proto__": {}}', None),
    ],
)
async def test_a_reply_under_a_schema(
    http: httpx.AsyncClient, chat: FakeChat, reply: str, shown: dict[str, Any] | None
) -> None:
    chat.taken = {"reply": reply, "structured_at": 0}
    body = assert_answer(await http.post("/", json={"message": "hello"}, headers=bearer()), 200)
    said = {"code": "reply_not_json", "message": "The agent was to answer in JSON, and its answer is none."}
    assert body["reply"] == {"text": reply} | (shown or {"json_error": said})


async def test_everything_that_can_be_asked_reaches_the_service(http: httpx.AsyncClient, chat: FakeChat) -> None:
    parts = [{"type": "text", "text": "tell"}, {"type": "text", "text": "me"}]
    asked = {
        "message": {"id": "m1", "role": "user", "parts": parts},
        "scope": {"kind": "topic", "key": "stories"},
        "agent": "script_writer",
        "multitask_strategy": "reject",
        "wait_seconds": 5,
        "metadata": {"tab": "2"},
    }
    assert_answer(await http.post("/", json=asked, headers=bearer() | {"idempotency-key": "k1"}), 200)
    user, message, _ = chat.asks[0]
    assert (user.id, user.role) == (ALICE, "authenticated")
    assert message.text == "tell\nme"
    assert message.scope == Scope(ScopeKind.TOPIC, "stories")
    assert (message.agent, message.strategy, message.idempotency_key) == (
        "script_writer",
        MultitaskStrategy.REJECT,
        "k1",
    )
    assert message.metadata == {"tab": "2"}
    assert_answer(await http.post("/", json={"message": "x", "conversation_id": CONVERSATION}, headers=bearer()), 200)
    assert chat.asks[1][1].conversation_id == CONVERSATION
    assert chat.asks[1][1].idempotency_key is None


async def test_a_user_scope_needs_no_key(http: httpx.AsyncClient, chat: FakeChat) -> None:
    assert_answer(await http.post("/", json={"message": "x", "scope": {"kind": "user"}}, headers=bearer()), 200)
    assert chat.asks[0][1].scope == Scope(ScopeKind.USER, "default")


async def test_a_replay_says_so(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.replayed = True
    assert assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)["replayed"] is True


async def test_the_strategy_of_the_settings_is_the_default(make_app: MakeApp, chat: FakeChat) -> None:
    transport = httpx.ASGITransport(app=make_app(MULTITASK_STRATEGY="reject"))
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        await http.post("/", json={"message": "x"}, headers=bearer())
    assert chat.asks[0][1].strategy is MultitaskStrategy.REJECT


@pytest.mark.parametrize("position", [0, 3])
async def test_an_open_turn_is_a_handle(http: httpx.AsyncClient, chat: FakeChat, position: int) -> None:
    chat.taken = {"status": TurnStatus.QUEUED, "position": position, "reply": None}
    response = await http.post("/", json={"message": "x", "wait_seconds": 0}, headers=bearer())
    body = assert_answer(response, 202)
    assert body["status"] == "queued"
    assert body["position"] == position
    assert str(body["retry_after"]) == response.headers["retry-after"]
    assert response.headers["location"] == f"/turns/{body['turn_id']}"
    assert "reply" not in body
    state = assert_answer(await http.get(response.headers["location"], headers=bearer()), 200)
    assert (state["turn_id"], state["position"], state["retry_after"]) == (
        body["turn_id"],
        position,
        body["retry_after"],
    )


@pytest.mark.parametrize(
    ("path", "host", "base"),
    [
        ("/", "function", ""),
        ("//", "function", ""),
        ("/multi-agent-chat", "function", "/multi-agent-chat"),
        ("//multi-agent-chat/", "function", "/multi-agent-chat"),
        ("/functions/v1/multi-agent-chat", "function", "/functions/v1/multi-agent-chat"),
        ("/functions//v1//multi-agent-chat//", "function", "/functions/v1/multi-agent-chat"),
        ("/functions/v1", "function", "/functions/v1"),
        ("/", "europe-west1-p.cloudfunctions.net", "/multi-agent-chat"),
    ],
)
async def test_location_leads_back_through_the_prefix(
    app: ASGIApp, chat: FakeChat, path: str, host: str, base: str
) -> None:
    chat.taken = {"status": TurnStatus.RUNNING, "reply": None}
    body = b'{"message":"x"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token()}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with served(app) as port:
        answer = (await exchange(port, head.encode() + body)).decode()
    assert answer.startswith("HTTP/1.1 202 ")
    turn_id = next(iter(chat.turns))[1]
    assert f"\r\nlocation: {base}/turns/{turn_id}\r\n" in answer


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("run_failed", 502),
        ("provider_unavailable", 503),
        ("turn_expired", 504),
        ("context_too_long", 422),
        ("never heard of", 502),
    ],
)
async def test_a_failed_turn_is_its_error(http: httpx.AsyncClient, chat: FakeChat, code: str, status: int) -> None:
    quoted = "Incorrect API key provided: sk-canary"
    error = {"code": code, "message": quoted, "provider_code": quoted, "partial_text": "Once upon"}
    chat.taken = {"status": TurnStatus.FAILED, "reply": None, "error": error, "text": "my secret"}
    response = await http.post("/", json={"message": "my secret"}, headers=bearer())
    code = ErrorCode.RUN_FAILED if code == "never heard of" else code
    body = assert_error(response, status, code)
    turn = body["details"]["turn"]
    assert turn["status"] == "failed"
    for hidden in ("sk-canary", "my secret", "Once upon"):
        assert hidden not in response.text
    state = assert_answer(await http.get(f"/turns/{turn['turn_id']}", headers=bearer()), 200)
    assert state["status"] == "failed"
    assert state["error"]["code"] == code
    assert "sk-canary" not in str(state)


async def test_a_model_that_is_gone_names_the_row_that_names_it(http: httpx.AsyncClient, chat: FakeChat) -> None:
    error = {"code": "provider_model", "agent": "script_writer"}
    chat.taken = {"status": TurnStatus.FAILED, "reply": None, "error": error}
    body = assert_error(await http.post("/", json={"message": "x"}, headers=bearer()), 502, "provider_model")
    assert body["details"]["agent"] == "script_writer"
    turn_id = body["details"]["turn"]["turn_id"]
    state = assert_answer(await http.get(f"/turns/{turn_id}", headers=bearer()), 200)
    assert state["error"]["details"] == {"agent": "script_writer"}


async def test_a_turn_of_several_agents_shows_who_said_what(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = SEVERAL
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert body["runs"] == [
        {"run_id": "r1", "agent": "project_manager", "status": "completed", "text": "Over to you."},
        {
            "run_id": None,
            "agent": "scene_describer",
            "status": "completed",
            "text": "A lake.",
            "asked_by": "script_writer",
        },
        {"run_id": "r3", "agent": "script_writer", "status": "completed"},
    ]
    assert body["handoffs"] == [
        {"from": "project_manager", "to": "script_writer", "reason": "a script", "task": "write it"}
    ]
    state = assert_answer(await http.get(f"/turns/{body['turn_id']}", headers=bearer()), 200)
    assert (state["runs"], state["handoffs"]) == (body["runs"], body["handoffs"])


async def test_an_error_of_several_agents_quotes_none_of_them(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = SEVERAL | {"status": TurnStatus.FAILED, "reply": None, "error": {"code": "run_failed"}}
    response = await http.post("/", json={"message": "x"}, headers=bearer())
    turn = assert_error(response, 502, "run_failed")["details"]["turn"]
    assert turn["runs"] == [
        {"run_id": "r1", "agent": "project_manager", "status": "completed"},
        {"run_id": None, "agent": "scene_describer", "status": "completed", "asked_by": "script_writer"},
        {"run_id": "r3", "agent": "script_writer", "status": "completed"},
    ]
    assert turn["handoffs"] == [{"from": "project_manager", "to": "script_writer"}]
    for quoted in ("Over to you", "A lake", "a script", "write it"):
        assert quoted not in response.text


async def test_a_cancelled_turn_is_a_conflict(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = {"status": TurnStatus.CANCELLED, "reply": None}
    body = assert_error(await http.post("/", json={"message": "x"}, headers=bearer()), 409, "cancelled")
    assert body["details"]["turn"]["status"] == "cancelled"


async def test_a_turn_is_read_as_it_stands(http: httpx.AsyncClient, chat: FakeChat) -> None:
    done = chat.add(ALICE)
    state = assert_answer(await http.get(f"/turns/{done.turn_id}", headers=bearer()), 200)
    assert state["reply"] == {"text": REPLY}
    assert state["message"] == "tell me a story"
    assert (state["error"], state["position"]) == (None, 0)
    assert "retry_after" not in state
    open_turn = chat.add(ALICE, status=TurnStatus.RUNNING, reply=None, finished_at=None)
    response = await http.get(f"/turns/{open_turn.turn_id}?wait_seconds=2.5", headers=bearer())
    assert assert_answer(response, 200)["status"] == "running"
    assert response.headers["retry-after"] == "1"


async def test_a_turn_is_cancelled(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, status=TurnStatus.RUNNING, reply=None)
    documents: tuple[dict[str, str] | None, ...] = (None, {})
    for document in documents:
        response = await http.post(f"/turns/{turn.turn_id}/cancel", headers=bearer(), json=document)
        assert assert_answer(response, 200)["status"] == "cancelled"
    response = await http.post(f"/turns/{turn.turn_id}/cancel", headers=bearer(), json={"force": True})
    assert_error(response, 422, "unknown_field")


async def test_a_queued_message_is_changed_and_a_started_one_is_not(http: httpx.AsyncClient, chat: FakeChat) -> None:
    queued = chat.add(ALICE, status=TurnStatus.QUEUED, reply=None)
    response = await http.patch(f"/turns/{queued.turn_id}", json={"message": "new words"}, headers=bearer())
    assert assert_answer(response, 200)["message"] == "new words"
    started = chat.add(ALICE, status=TurnStatus.RUNNING, reply=None)
    response = await http.patch(f"/turns/{started.turn_id}", json={"message": "new words"}, headers=bearer())
    assert_error(response, 409, "already_started")
    response = await http.patch(f"/turns/{queued.turn_id}", json={"message": "x", "agent": "a"}, headers=bearer())
    assert_error(response, 422, "unknown_field", "agent")


async def test_conversations_are_listed_and_read(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, status=TurnStatus.QUEUED, reply=None)
    listed = assert_answer(await http.get("/conversations", headers=bearer()), 200)
    assert [entry["conversation_id"] for entry in listed["conversations"]] == [turn.conversation_id]
    assert listed["next_before"] is None
    assert chat.calls == [("list_conversations", ALICE, 20, None, False, None)]
    second = chat.add(ALICE)
    query = f"?limit=1&before={turn.conversation_id}&utm_source=mail"
    listed = assert_answer(await http.get(f"/conversations{query}", headers=bearer()), 200)
    assert listed["next_before"] == second.conversation_id
    assert chat.calls[1:] == [("list_conversations", ALICE, 1, turn.conversation_id, False, None)]
    await http.get("/conversations?archived=true&q=two%20words", headers=bearer())
    assert chat.calls[-1][-2:] == (True, "two words")
    await http.get("/conversations?archived=false&q=%20", headers=bearer())
    assert chat.calls[-1][-2:] == (False, None)
    one = assert_answer(await http.get(f"/conversations/{turn.conversation_id}", headers=bearer()), 200)
    assert (one["status"], one["scope"]) == ("busy", {"kind": "topic", "key": "stories"})
    assert [open_turn["turn_id"] for open_turn in one["open_turns"]] == [turn.turn_id]
    assert one["stats"] == {"conflicts": 2}
    assert {name: one[name] for name in ("title", "preview", "messages", "read_seq", "unread", "archived")} == {
        "title": "tell me a story",
        "preview": "hello",
        "messages": 4,
        "read_seq": 2,
        "unread": 1,
        "archived": False,
    }


async def test_the_transcript_is_read_in_pages(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}/messages"
    page = assert_answer(await http.get(path, headers=bearer()), 200)
    assert [message["seq"] for message in page["messages"]] == [1, 2, 3, 4]
    assert [message["handoff_to"] for message in page["messages"]] == [None, "script_writer", None, "script_writer"]
    assert page["next_after_seq"] is None
    assert chat.calls[-1][2:] == (0, 50, None)
    page = assert_answer(await http.get(f"{path}?after_seq=1&limit=2", headers=bearer()), 200)
    assert [message["seq"] for message in page["messages"]] == [2, 3]
    assert (page["next_after_seq"], page["next_before_seq"]) == (3, None)


async def test_the_transcript_is_read_backwards(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}/messages"
    page = assert_answer(await http.get(f"{path}?before_seq=9007199254740991&limit=2", headers=bearer()), 200)
    assert [message["seq"] for message in page["messages"]] == [3, 4]
    assert (page["next_after_seq"], page["next_before_seq"]) == (None, 3)
    page = assert_answer(await http.get(f"{path}?before_seq=3&limit=2", headers=bearer()), 200)
    assert [message["seq"] for message in page["messages"]] == [1, 2]
    assert page["next_before_seq"] is None


async def test_the_transcript_as_markdown(
    http: httpx.AsyncClient, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.multi_agent_chat.conversation_routes.EXPORTED", 2)
    path = f"/conversations/{chat.add(ALICE).conversation_id}/messages"
    headers = bearer() | {"accept": "text/markdown"}
    answer = await http.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith(
        "# tell me a story\n\n**You** (2026-11-20 12:00 UTC)\n\nhello\n\n"
        "**project_manager** (2026-11-20 12:00 UTC, handed over to script_writer)\n\nhello\n"
    )
    assert answer.text.count("hello") == 4, "all pages, each line once"
    assert_error(await http.get("/conversations/x/messages", headers=headers), 404, "not_found")


async def test_a_conversation_is_changed(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}"
    change = {"title": "Owls", "archived": True, "read_seq": 4}
    changed = assert_answer(await http.patch(path, json=change, headers=bearer()), 200)
    assert {name: changed[name] for name in change} == change
    for wrong, field in (
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": None}, "title"),
        ({"archived": 1}, "archived"),
        ({"read_seq": -1}, "read_seq"),
        ({"read_seq": True}, "read_seq"),
        ({"read_seq": 1.5}, "read_seq"),
    ):
        assert_error(await http.patch(path, json=wrong, headers=bearer()), 422, "invalid_request", field)
    assert_error(await http.patch(path, json={"scope": "x"}, headers=bearer()), 422, "unknown_field", "scope")
    assert_error(await http.patch(path, json={}, headers=bearer()), 422, "invalid_request")
    assert len([call for call in chat.calls if call[0] == "change_conversation"]) == 1


async def test_a_conversation_is_deleted(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}"
    assert_error(await http.request("DELETE", path, json={"really": True}, headers=bearer()), 422, "unknown_field")
    response = await http.delete(path, headers=bearer())
    assert (response.status_code, response.content) == (204, b"")
    assert_error(await http.get(path, headers=bearer()), 404, "not_found")
    assert [call[0] for call in chat.calls] == ["delete"]


async def test_everything_of_a_user_as_one_file(http: httpx.AsyncClient, chat: FakeChat) -> None:
    own = [chat.add(ALICE).conversation_id for _ in range(OWN_LISTED + 5)]
    chat.add(BOB)
    response = await http.get("/me/export", headers=bearer())
    body = assert_answer(response, 200)
    assert response.headers["content-disposition"] == 'attachment; filename="conversations.json"'
    assert body["user_id"] == ALICE
    assert [one["conversation_id"] for one in body["conversations"]] == own
    assert [line["seq"] for line in body["conversations"][0]["lines"]] == [1, 2, 3, 4]
    assert body["conversations"][0]["feedback"][0]["comment"] == "too long"
    assert_error(await http.request("DELETE", "/me", json={"sure": True}, headers=bearer()), 422, "unknown_field")
    assert (await http.delete("/me", headers=bearer())).status_code == 204
    assert assert_answer(await http.get("/me/export", headers=bearer()), 200)["conversations"] == []
    assert len(assert_answer(await http.get("/conversations", headers=bearer(BOB)), 200)["conversations"]) == 1


async def test_a_message_to_a_deleted_conversation(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.error = ConversationDeleted()
    body = {"message": "hello", "conversation_id": CONVERSATION}
    error = assert_error(await http.post("/", json=body, headers=bearer()), 410, "conversation_deleted")
    assert (error["message"], error["retryable"]) == ("The conversation was deleted.", False)


async def test_agents_are_shown_without_what_they_are_told(http: httpx.AsyncClient) -> None:
    response = await http.get("/agents", headers=bearer())
    (agent,) = assert_answer(response, 200)["agents"]
    assert agent == {
        "slug": "project_manager",
        "name": "Project manager",
        "description": "Plans.",
        "model": "gpt-x",
        "handoffs": ["script_writer"],
        "as_tool": True,
        "owned": False,
    }
    assert "SECRET" not in response.text


async def test_health_needs_no_token_and_is_not_asked_for_each_time(http: httpx.AsyncClient, chat: FakeChat) -> None:
    for _ in range(20):
        body = assert_answer(await http.get("/health"), 200)
    assert body["version"]
    assert (body["status"], body["store"], body["provider"]) == ("ok", "ok", "ok")
    assert chat.pings == 2  # one of the store, one of the provider


async def test_health_has_an_alias(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == (await http.get("/health")).json()


async def test_health_names_the_part_that_is_not_there(make_app: MakeApp, chat: FakeChat) -> None:
    """Each is told apart: who reads it has to know what to do."""

    async def report() -> dict[str, Any]:
        transport = httpx.ASGITransport(app=make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://f", headers={"origin": ORIGIN}) as fresh:
            body: dict[str, Any] = assert_answer(await fresh.get("/health"), 503)
            return body

    chat.healthy = False
    assert (await report())["provider"] == "unavailable"
    chat.healthy, chat.has_agents = True, False
    assert (await report())["agents"] == "none"
    chat.has_agents, chat.schema = True, "20250101000000"
    assert {"schema": "20250101000000", "schema_needed": SCHEMA_VERSION}.items() <= (await report()).items()
    chat.schema = StoreUnavailable(fault=StoreFault.FUNCTION_MISSING)
    assert (await report())["schema"] == "missing"
    for fault in (StoreFault.DATABASE_AWAY, StoreFault.KEY_REFUSED):
        chat.fault = fault
        found = await report()
        assert (found["store"], found["agents"]) == (fault.value, "unknown")


async def test_a_schema_younger_than_the_code_is_well(http: httpx.AsyncClient, chat: FakeChat) -> None:
    """The database is upgraded before the function."""
    chat.schema = "29990101000000"
    body = assert_answer(await http.get("/health"), 200)
    assert (body["schema"], "schema_needed" in body) == ("29990101000000", False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("busy", code=ErrorCode.RUN_IN_PROGRESS, retryable=True), 409),
        (Conflict("closed", code=ErrorCode.CONVERSATION_ARCHIVED), 409),
        (InvalidRequest("other message", code=ErrorCode.IDEMPOTENCY_KEY_REUSED), 422),
        (InvalidRequest("who?", code=ErrorCode.UNKNOWN_AGENT), 422),
        (NoAgents("canary"), 503),
        (TooMany("full", code=ErrorCode.QUEUE_FULL, retry_after=2.2), 429),
        (TooMany("full", code=ErrorCode.TOO_MANY_OPEN), 429),
        (TooMany("slow down", code=ErrorCode.RATE_LIMITED, retry_after=31), 429),
        (ChatError("relation turns does not exist: canary", code=ErrorCode.STORE_UNAVAILABLE, retryable=True), 503),
        (RuntimeError("canary"), 500),
        (KeyError("canary"), 500),
        (TimeoutError("canary"), 500),
        (RecursionError("canary"), 500),
    ],
)
async def test_errors_of_the_service(http: httpx.AsyncClient, chat: FakeChat, error: Exception, status: int) -> None:
    chat.error = error
    response = await http.post("/", json={"message": "x"}, headers=bearer())
    code = error.code if isinstance(error, ChatError) else "internal_error"
    body = assert_error(response, status, code)
    assert "canary" not in response.text
    if isinstance(error, RequestError):
        assert body["message"] == error.message
        assert body["retryable"] is error.retryable
    if isinstance(error, ChatError) and error.retry_after:
        assert response.headers["retry-after"] == str(-(-error.retry_after // 1)).removesuffix(".0")
        assert str(body["details"]["retry_after"]) == response.headers["retry-after"]


async def test_half_characters_from_a_model_do_not_break_the_answer(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = {"reply": "smile \ud83d and \U0001f600 \u2028 <b>"}
    body = assert_answer(await http.post("/", json={"message": "x"}, headers=bearer()), 200)
    assert body["reply"]["text"] == "smile ? and \U0001f600 \u2028 <b>"


async def test_head_is_get_without_its_body(http: httpx.AsyncClient) -> None:
    assert_answer(await http.head("/health"), 200)
    assert_error(await http.head("/agents"), 401, "missing_token")


@pytest.mark.parametrize(
    ("given", "kept"), [("abcdef12-request", True), ("short", False), ("x" * 65, False), ("has blank!", False)]
)
async def test_request_ids(http: httpx.AsyncClient, given: str, kept: bool) -> None:
    response = await http.get("/health", headers={"x-request-id": given, "origin": ORIGIN})
    assert (response.headers["x-request-id"] == given) is kept
    two = await http.get("/health", headers=[("x-request-id", "abcdef12-a"), ("x-request-id", "abcdef12-b")])
    assert two.headers["x-request-id"] not in ("abcdef12-a", "abcdef12-b")
