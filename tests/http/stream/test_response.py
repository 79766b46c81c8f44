"""A turn as an event stream: who gets one, what it holds, and what it is when something goes wrong on the way."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from typing import Any

import httpx
import pytest

from shared import logs
from shared.core.chat_events import HandoffMade, MessageDelta, RunStarted, ToolAnswered, ToolCalled, TurnQueued
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, Conflict, InvalidRequest, StoreUnavailable, TooMany
from shared.core.runs import Handoff
from shared.core.turns import MultitaskStrategy, RunRecord, TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import REPLY, FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.stream.frames import of_type, read, states_of, texts_of
from tests.http.tokens import ALICE, BOB, bearer

CANARY = "canary-90fe"
STREAM = {"accept": "text/event-stream"}
OPEN: dict[str, Any] = {"status": TurnStatus.QUEUED, "reply": None, "finished_at": None}
RUN = RunStarted("resp_1", "project_manager")


def assert_stream(response: httpx.Response) -> list[dict[str, Any]]:
    """The parts of a stream that has every header that streams and answers have."""
    assert response.status_code == 200, response.text
    assert response.headers.get_list("content-type") == ["text/event-stream"]
    assert response.headers.get_list("x-vercel-ai-ui-message-stream") == ["v1"]
    assert response.headers.get_list("x-accel-buffering") == ["no"]
    assert response.headers.get_list("cache-control") == ["no-store, no-transform"]
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert len(response.headers.get_list("x-request-id")) == 1
    assert "content-length" not in response.headers
    assert "Origin" in response.headers["vary"]
    if response.request.headers.get("origin") == ORIGIN:
        assert response.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert "x-vercel-ai-ui-message-stream" in response.headers["access-control-expose-headers"]
    return read(response.content)


async def ask(http: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await http.post("/", json={"message": "x"}, headers=bearer() | STREAM | headers)


async def test_a_turn_as_it_happens(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.begins = OPEN
    chat.stream.script = (
        TurnQueued(1),
        RUN,
        ToolCalled("c1", "clock", '{"zone": "CET"}', "project_manager"),
        ToolAnswered("c1", "clock", "noon", failed=False),
        HandoffMade("project_manager", "script_writer", "a script is wanted", "write it"),
        MessageDelta("resp_2", "script_writer", REPLY),
    )
    parts = assert_stream(await ask(http))
    turn = next(iter(chat.turns.values()))
    assert parts[0]["messageId"] == turn.turn_id
    assert states_of(parts) == ["accepted", "queued", "running", "running", "completed"]
    assert texts_of(parts) == [REPLY]
    kinds = [part["type"] for part in parts]
    assert kinds.index("tool-output-available") < kinds.index("data-handoff") < kinds.index("text-start")
    assert parts[-1]["messageMetadata"]["status"] == "completed"
    assert chat.stream.closed == 1


async def test_a_replay_says_all_at_once(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.replayed = True
    parts = assert_stream(await ask(http))
    assert parts[0]["messageMetadata"]["replayed"] is True
    assert [part["delta"] for part in of_type(parts, "text-delta")] == [REPLY]


async def test_everything_that_can_be_asked_reaches_the_service(http: httpx.AsyncClient, chat: FakeChat) -> None:
    document = {"message": "x", "multitask_strategy": "reject", "wait_seconds": 5, "agent": "script_writer"}
    assert_stream(await http.post("/", json=document, headers=bearer() | STREAM | {"idempotency-key": "k1"}))
    user, asked, _ = chat.asks[0]
    assert (user.id, asked.idempotency_key, asked.strategy) == (ALICE, "k1", MultitaskStrategy.REJECT)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        *((value, "json") for value in ("", "*/*", "application/json", "application/*", "text/html, */*")),
        *((value, "json") for value in ("application/json, text/event-stream", "text/event-stream, application/json")),
        *((value, "json") for value in ("text/event-stream;q=0.5, */*", "text/event-stream;q=0.9, application/json")),
        *((value, "json") for value in ("text/event-stream;q=0, */*", "text/*;q=0.1, application/*;q=0.2")),
        *((value, "json") for value in ("text/event-stream;q=oops, application/json;q=0.1", "*/*;q=0.1")),
        *(
            (value, "stream")
            for value in ("text/event-stream", "TEXT/Event-Stream", "text/*", " text/event-stream ; q=1")
        ),
        *((value, "stream") for value in ("text/event-stream, */*", "text/event-stream, application/json;q=0.9")),
        *(
            (value, "stream")
            for value in ("*/*;q=0.8, text/event-stream", "application/json;q=0, */*", "text/*, */*;q=0.1")
        ),
        *(
            (value, "stream")
            for value in ("text/event-stream;charset=utf-8", "application/*;q=0.2, text/event-stream;q=0.3")
        ),
        *((value, "none") for value in ("text/html", "image/*", "*/*;q=0", "text/event-stream;q=0", "event-stream")),
        *((value, "none") for value in ("text/event-stream;q=0.000", "text/*;q=0, application/xml")),
    ],
)
async def test_who_gets_a_stream(http: httpx.AsyncClient, chat: FakeChat, accept: str, kind: str) -> None:
    response = await http.post("/", json={"message": "x"}, headers=bearer() | {"accept": accept})
    if kind == "json":
        assert_answer(response, 200)
    elif kind == "stream":
        assert_stream(response)
    else:
        assert_error(response, 406, "not_acceptable")
        assert chat.asks == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("busy", code=ErrorCode.RUN_IN_PROGRESS, retryable=True), 409),
        (InvalidRequest("other message", code=ErrorCode.IDEMPOTENCY_KEY_REUSED), 422),
        (TooMany("full", code=ErrorCode.QUEUE_FULL, retry_after=2.2), 429),
        (StoreUnavailable(CANARY), 503),
        (RuntimeError(CANARY), 500),
    ],
)
async def test_what_is_wrong_before_it_begins_is_a_plain_answer(
    http: httpx.AsyncClient, chat: FakeChat, error: Exception, status: int
) -> None:
    chat.error = error
    response = await ask(http)
    assert_error(response, status, error.code if isinstance(error, ChatError) else "internal_error")
    assert CANARY not in response.text


async def test_who_must_not_is_told_in_json(http: httpx.AsyncClient) -> None:
    assert_error(await http.post("/", json={"message": ""}, headers=STREAM | bearer()), 422, "invalid_request")
    assert_error(await http.post("/", json={"message": "x"}, headers=STREAM), 401, "missing_token")


NEWER = "44444444-4444-4444-8444-444444444444"
ENDINGS = [
    ({"status": TurnStatus.FAILED, "error": {"code": "run_timeout", "message": CANARY}}, 504, "run_timeout"),
    ({"status": TurnStatus.FAILED, "error": {"code": CANARY, "partial_text": CANARY}}, 502, "run_failed"),
    ({"status": TurnStatus.CANCELLED, "error": {"code": "cancelled", "partial_text": CANARY}}, 409, "cancelled"),
    ({"status": TurnStatus.CANCELLED, "superseded_by": NEWER, "error": {"code": "superseded"}}, 409, "superseded"),
]
QUOTING: dict[str, Any] = {
    "reply": None,
    "text": CANARY,
    "runs": (RunRecord("resp_1", "project_manager", "failed", CANARY),),
    "handoffs": (Handoff("project_manager", "script_writer", CANARY, CANARY),),
}


@pytest.mark.parametrize(("end", "status", "code"), ENDINGS)
async def test_a_turn_that_has_ended_without_a_reply_is_a_plain_error(
    http: httpx.AsyncClient, chat: FakeChat, end: dict[str, Any], status: int, code: str
) -> None:
    chat.taken, chat.replayed = QUOTING | end, True
    response = await ask(http)
    body = assert_error(response, status, code)
    assert CANARY not in response.text
    assert chat.stream.closed == 1
    plain = assert_error(await http.post("/", json={"message": "x"}, headers=bearer()), status, code)
    assert (body["message"], body["retryable"]) == (plain["message"], plain["retryable"])
    assert body["details"].keys() == plain["details"].keys()


@pytest.mark.parametrize(("end", "status", "code"), ENDINGS)
async def test_a_turn_that_ends_so_on_the_way_is_an_error_part(
    make_app: MakeApp, chat: FakeChat, end: dict[str, Any], status: int, code: str
) -> None:
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    chat.taken, chat.begins = QUOTING | end, OPEN
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", "Once"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app()), base_url="http://f") as http:
        response = await ask(http)
    parts = assert_stream(response)
    assert states_of(parts)[-1] == end["status"].value
    error = of_type(parts, "data-error")[0]["data"]
    assert set(error) == {"code", "message", "request_id", "retryable", "details"}
    assert (error["code"], error["request_id"]) == (code, response.headers["x-request-id"])
    assert of_type(parts, "error")[0]["errorText"] == error["message"]
    if code == "superseded":
        assert error["details"]["superseded_by"] == NEWER
    assert CANARY not in response.text
    assert CANARY not in stream.getvalue()
    answered = [json.loads(line) for line in stream.getvalue().splitlines() if '"request.answered"' in line]
    assert [(line["status"], line["code"]) for line in answered] == [(200, code)]


@pytest.mark.parametrize("error", [RuntimeError(CANARY), KeyError(CANARY), StoreUnavailable(CANARY), TimeoutError()])
async def test_a_failure_on_the_way_is_told_once_and_logged_once(
    make_app: MakeApp, chat: FakeChat, error: Exception
) -> None:
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    chat.begins = OPEN
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", "Once"), error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app()), base_url="http://f") as http:
        response = await ask(http)
    parts = assert_stream(response)
    assert texts_of(parts) == ["Once"]
    code = error.code if isinstance(error, ChatError) else "internal_error"
    assert [part["type"] for part in parts[-3:]] == ["data-error", "error", "finish"]
    assert parts[-3]["data"]["code"] == code
    assert parts[-3]["data"]["request_id"] == response.headers["x-request-id"]
    assert CANARY not in response.text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["code"] for line in lines if line["message"] == "request.failed"] == [code]
    assert CANARY not in stream.getvalue()
    assert chat.stream.closed == 1


async def test_a_failure_of_the_writing_itself_is_an_end_as_well(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.begins, chat.taken = OPEN, {"usage": None}  # nothing that can be rendered
    parts = assert_stream(await ask(http))
    assert [part["type"] for part in parts[-3:]] == ["data-error", "error", "finish"]


async def test_the_active_turn_of_a_conversation_is_followed(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, **OPEN)
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", REPLY))
    path = f"/conversations/{turn.conversation_id}/stream"
    for headers in (
        {},
        STREAM,
        {"accept": "*/*"},
        {"accept": "text/*"},
        {"accept": "application/json, text/event-stream"},
    ):
        parts = assert_stream(await http.get(path, headers=bearer() | headers))
        assert parts[0]["messageId"] == turn.turn_id
        assert texts_of(parts) == [REPLY]
    assert chat.stream.closed == 5


async def test_nobody_follows_what_is_idle(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}/stream"
    for method in ("GET", "HEAD"):
        response = await http.request(method, path, headers=bearer() | STREAM)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "content-type" not in response.headers
    assert chat.stream.closed == 0


async def test_following_is_for_those_who_take_streams(http: httpx.AsyncClient, chat: FakeChat) -> None:
    path = f"/conversations/{chat.add(ALICE, **OPEN).conversation_id}/stream"
    for accept in ("application/json", "text/html", "text/event-stream;q=0"):
        assert_error(await http.get(path, headers=bearer() | {"accept": accept}), 406, "not_acceptable")
    assert_error(await http.get(path, headers=STREAM), 401, "missing_token")
    assert_error(await http.post(path, headers=bearer() | STREAM), 405, "method_not_allowed")
    assert chat.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_following_others_turns_is_following_nothing(
    http: httpx.AsyncClient, chat: FakeChat, method: str
) -> None:
    theirs, mine = chat.add(BOB, **OPEN), chat.add(ALICE, **OPEN)
    bodies = set()
    for conversation in (theirs.conversation_id, str(uuid.uuid4()), "x", mine.turn_id, mine.conversation_id.upper()):
        answer = await http.request(method, f"/conversations/{conversation}/stream", headers=bearer() | STREAM)
        assert_error(answer, 404, "not_found")
        bodies.add(answer.text.replace(answer.headers["x-request-id"], ""))
    assert len(bodies) == 1


async def test_a_head_request_is_no_reader(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, **OPEN)
    response = await http.head(f"/conversations/{turn.conversation_id}/stream", headers=bearer() | STREAM)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/event-stream"
    assert chat.calls == [], "nothing was worked on for it"


async def test_the_first_words_arrive_while_the_last_are_not_yet_said(port: int, chat: FakeChat) -> None:
    gate = asyncio.Event()
    chat.begins = OPEN
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", "Once"), gate.wait)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        http.stream("POST", "/", json={"message": "x"}, headers=bearer() | STREAM) as response,
    ):
        assert response.headers["transfer-encoding"] == "chunked"
        received = b""
        async for chunk in response.aiter_raw():
            received += chunk
            if b"Once" in received:
                gate.set()
    assert texts_of(read(received)) == [REPLY]


async def test_a_reader_that_leaves_ends_nothing_but_the_sending(port: int, chat: FakeChat) -> None:
    finished, gate = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        finished.set()

    chat.begins, chat.stream.work = OPEN, work
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", "Once"), 3600.0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        async with http.stream("POST", "/", json={"message": "x"}, headers=bearer() | STREAM) as response:
            async for chunk in response.aiter_raw():
                if b"Once" in chunk:
                    break
        async with asyncio.timeout(5):
            while not chat.stream.closed:  # noqa: ASYNC110 (the fake counts and wakes no waiter)
                await asyncio.sleep(0.01)
        assert not finished.is_set()
        assert (await http.get("/health")).status_code == 200
        gate.set()
        await asyncio.wait_for(finished.wait(), 5)
    assert chat.stream.closed == 1
