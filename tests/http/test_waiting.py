"""A turn that waits for a person, as callers see it: its calls, what they may say to them, and the AI SDK's way."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from functions.multi_agent_chat.chat_body import known_of
from functions.multi_agent_chat.stream.ui_messages import Known
from shared.core.error_codes import ErrorCode
from shared.core.errors import Conflict, InvalidRequest
from shared.core.person_calls import PersonAnswer, PersonCall, PersonCallKind
from shared.core.turns import TurnStatus
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.test_bad_fields import CONTROLS
from tests.http.tokens import ALICE, bearer

CALL = PersonCall("call_1", PersonCallKind.APPROVAL, "send", '{"to": "Bo"}', "2026-11-29T12:00:00Z")
WAITS: dict[str, Any] = {"status": TurnStatus.WAITING, "reply": None, "finished_at": None, "calls": (CALL,)}
SHOWN = {
    "call_id": "call_1",
    "kind": "approval",
    "name": "send",
    "arguments": {"to": "Bo"},
    "expires_at": "2026-11-29T12:00:00Z",
}


async def test_the_answer_says_what_is_waited_for(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.taken = WAITS
    answer = await http.post("/", json={"message": "x"}, headers=bearer())
    handle = assert_answer(answer, 202)
    assert (handle["status"], handle["calls"]) == ("waiting", [SHOWN])
    state = assert_answer(await http.get(f"/turns/{handle['turn_id']}", headers=bearer()), 200)
    assert state["calls"] == [SHOWN]
    assert answer.headers["retry-after"] == str(state["retry_after"])


SAID: list[tuple[dict[str, Any], PersonAnswer]] = [
    ({"approve": True}, PersonAnswer("call_1", approve=True)),
    ({"approve": False, "reason": "no"}, PersonAnswer("call_1", approve=False, reason="no")),
    ({"output": "Bonn"}, PersonAnswer("call_1", output="Bonn")),
    ({"output": {"city": ["\u00e4", 1, None]}}, PersonAnswer("call_1", output='{"city": ["\u00e4", 1, null]}')),
    ({"output": None}, PersonAnswer("call_1", output="null")),
]


@pytest.mark.parametrize(("said", "answer"), SAID)
async def test_what_a_person_says(
    http: httpx.AsyncClient, chat: FakeChat, said: dict[str, Any], answer: PersonAnswer
) -> None:
    turn = chat.add(ALICE, **WAITS)
    path = f"/turns/{turn.turn_id}/answers"
    answered = await http.post(path, json={"call_id": "call_1"} | said, headers=bearer())
    assert assert_answer(answered, 202)["turn_id"] == turn.turn_id
    assert answered.headers["location"] == f"/turns/{turn.turn_id}"
    assert chat.calls[0][:3] == ("answer", turn.turn_id, answer)
    chat.error = Conflict(code=ErrorCode.ALREADY_ANSWERED)
    assert_error(await http.post(path, json={"call_id": "c"} | said, headers=bearer()), 409, "already_answered")
    chat.error = InvalidRequest()
    wrong = assert_error(await http.post(path, json={"call_id": "c"} | said, headers=bearer()), 422, "invalid_request")
    assert "answered with approve" in wrong["message"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"approve": True}, "invalid_request", "call_id"),
    *(
        ({"call_id": value, "approve": True}, "invalid_request", "call_id")
        for value in ("", 1, "a" * 256, *CONTROLS[1:4])
    ),
    ({"call_id": "c"}, "invalid_request", "approve"),
    ({"call_id": "c", "approve": True, "output": "x"}, "invalid_request", "approve"),
    *(({"call_id": "c", "approve": value}, "invalid_request", "approve") for value in (None, 1, "true")),
    ({"call_id": "c", "approve": False, "reason": 1}, "invalid_request", "reason"),
    ({"call_id": "c", "approve": False, "reason": "x" * 2001}, "invalid_request", "reason"),
    ({"call_id": "c", "output": "x", "reason": "y"}, "invalid_request", "reason"),
    ({"call_id": "c", "output": "x" * 32_001}, "invalid_request", "output"),
    ({"call_id": "c", "output": ["x" * 32_001]}, "invalid_request", "output"),
    ({"call_id": "c", "approve": True, "user_id": ALICE}, "unknown_field", "user_id"),
]


@pytest.mark.parametrize(("document", "code", "field"), BAD)
async def test_what_cannot_be_said(
    http: httpx.AsyncClient, chat: FakeChat, document: dict[str, Any], code: str, field: str
) -> None:
    turn = chat.add(ALICE, **WAITS)
    assert_error(await http.post(f"/turns/{turn.turn_id}/answers", json=document, headers=bearer()), 422, code, field)
    assert chat.calls == []


def tool(state: str, **more: Any) -> dict[str, Any]:
    return {"type": "dynamic-tool", "toolName": "send", "toolCallId": "call_1", "state": state, "input": {}} | more


def chat_of(message_id: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """What `useChat` sends once its user has answered: the agent's message, last."""
    message = {"id": message_id, "role": "assistant", "parts": [{"type": "text", "text": "I will."}, *parts]}
    return {"id": "any chat", "messages": [message], "trigger": "submit-message", "messageId": message_id}


PARTS: list[tuple[dict[str, Any], tuple[PersonAnswer, ...]]] = [
    (
        tool("approval-responded", approval={"id": "call_1", "approved": True}),
        (PersonAnswer("call_1", approve=True),),
    ),
    (
        tool("approval-responded", approval={"id": "call_1", "approved": False, "reason": "no"}),
        (PersonAnswer("call_1", approve=False, reason="no"),),
    ),
    (tool("output-available", output={"a": 1}), (PersonAnswer("call_1", output='{"a": 1}'),)),
    (tool("output-error", errorText="broken"), (PersonAnswer("call_1", approve=False, reason="broken"),)),
    (tool("output-available", output="ours", providerExecuted=True), ()),
    (tool("approval-requested", approval={"id": "call_1"}), ()),
    (tool("output-available", output="x") | {"type": "tool-send"}, (PersonAnswer("call_1", output="x"),)),
    ({"type": "data-call", "data": {}, "state": "output-available"}, ()),
]


@pytest.mark.parametrize(("part", "answers"), PARTS)
async def test_an_agents_message_carries_answers_and_makes_no_turn(
    http: httpx.AsyncClient, chat: FakeChat, part: dict[str, Any], answers: tuple[PersonAnswer, ...]
) -> None:
    turn = chat.add(ALICE, **WAITS)
    streamed = await http.post("/", json=chat_of(turn.turn_id, part), headers=bearer())
    assert (streamed.status_code, streamed.headers["content-type"]) == (200, "text/event-stream")
    assert chat.asks == []
    assert chat.calls[0][:3] == ("answers", turn.turn_id, answers)


async def test_only_the_last_step_of_the_message_is_read_for_answers(http: httpx.AsyncClient, chat: FakeChat) -> None:
    """What was answered before is the page's memory, and may be longer than an answer may be."""
    turn = chat.add(ALICE, **WAITS)
    before = tool("output-available", output="x" * 40_000) | {"toolCallId": "call_0"}
    parts = (before, {"type": "step-start"}, tool("output-available", output="x"))
    assert (await http.post("/", json=chat_of(turn.turn_id, *parts), headers=bearer())).status_code == 200
    assert chat.calls[0][:3] == ("answers", turn.turn_id, (PersonAnswer("call_1", output="x"),))
    assert known_of(chat_of(turn.turn_id, *parts, {"type": "data-handoff", "data": {}})) == Known(runs=2, handoffs=1)


async def test_it_may_be_answered_in_json_and_needs_a_turn_of_ones_own(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, **WAITS)
    accept = {"accept": "application/json"}
    state = assert_answer(await http.post("/", json=chat_of(turn.turn_id), headers=bearer() | accept), 202)
    assert state["calls"] == [SHOWN]
    for strange in ("no-id", "33333333-3333-4333-8333-333333333333"):
        assert_error(await http.post("/", json=chat_of(strange), headers=bearer()), 404, "not_found")
    broken = chat_of(turn.turn_id, tool("approval-responded", approval={"id": "call_1", "approved": "yes"}))
    assert_error(await http.post("/", json=broken, headers=bearer()), 422, "invalid_request", "approve")
