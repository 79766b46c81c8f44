"""A stream that breaks off is noted, and its turn can be followed from its start when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from shared.core.chat_events import MessageDelta, RunStarted
from shared.core.errors import StoreUnavailable
from shared.core.turns import TurnStatus
from tests.http.fakes import REPLY, FakeChat
from tests.http.stream.frames import of_type, read, states_of, texts_of
from tests.http.stream.test_response_times import Reader, for_ever
from tests.http.tokens import ALICE, bearer

STREAM = {"accept": "text/event-stream"}
OPEN: dict[str, Any] = {"status": TurnStatus.QUEUED, "reply": None, "finished_at": None}
RUN, ONCE = RunStarted("resp_1", "project_manager"), MessageDelta("resp_1", "project_manager", "Once")
HEAD = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of its own on which a stream has said its first word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"message":"x"}'
    token = bearer()["authorization"]
    writer.write(f"{HEAD}authorization: {token}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"Once")
    return reader, writer


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_connection_that_ends_is_noted_at_once(port: int, chat: FakeChat, way: str) -> None:
    gate = asyncio.Event()
    chat.begins, chat.stream.script, chat.stream.work = OPEN, (RUN, ONCE, for_ever), gate.wait
    _, writer = await connected(port)
    writer.transport.abort() if way == "reset" else writer.close()
    await asyncio.wait_for(chat.stream.noted.wait(), 10)
    gate.set()  # the work was still under way
    assert chat.stream.notes == [False]


async def test_a_client_that_sends_no_more_may_be_gone(port: int, chat: FakeChat) -> None:
    """It reads on, and gets the end; that it did is not known here, so it is not taken for a whole copy."""
    gate = asyncio.Event()
    chat.begins, chat.stream.script = OPEN, (RUN, ONCE, gate.wait)
    reader, writer = await connected(port)
    writer.write_eof()
    await asyncio.wait_for(chat.stream.noted.wait(), 10)
    gate.set()
    assert REPLY.encode()[4:] in await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert chat.stream.notes == [False]


async def test_a_stream_that_is_read_to_its_end_is_whole_before_its_reader_knows(port: int, chat: FakeChat) -> None:
    chat.begins, chat.stream.script = OPEN, (RUN, ONCE)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        response = await http.post("/", json={"message": "x"}, headers=bearer() | STREAM)
        assert chat.stream.notes == [True]
    assert texts_of(read(response.content)) == [REPLY]


@pytest.mark.parametrize(
    ("end", "whole"),
    [({}, True), ({"status": TurnStatus.FAILED, "reply": None, "error": {"code": "run_failed"}}, True), (OPEN, False)],
)
async def test_the_end_of_a_stream_is_the_end_of_its_turn(
    http: httpx.AsyncClient, chat: FakeChat, end: dict[str, Any], whole: bool
) -> None:
    chat.begins, chat.taken, chat.stream.script = OPEN, end, (RUN, ONCE)
    await http.post("/", json={"message": "x"}, headers=bearer() | STREAM)
    assert chat.stream.notes == [whole]


async def test_work_that_fails_leaves_the_stream_broken(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.begins, chat.stream.script = OPEN, (RUN, ONCE, StoreUnavailable())
    await http.post("/", json={"message": "x"}, headers=bearer() | STREAM)
    assert chat.stream.notes == [False]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_end_waits_for_no_note(whole: bool, fails: bool) -> None:
    """The database is away, or does not answer."""
    chat = FakeChat()

    async def away() -> None:
        if fails:
            raise StoreUnavailable
        await for_ever()

    chat.begins, chat.stream.script, chat.stream.note = OPEN, (RUN, ONCE), away
    chat.taken = {} if whole else OPEN
    reader = Reader()
    assert reader.read(chat) <= 2.1
    assert chat.stream.notes == [whole]
    assert read(reader.content)[-1]["type"] == "finish"


async def test_an_ended_turn_whose_stream_broke_is_told_from_its_start(http: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE, stream_broken=True)
    chat.stream.script = (RUN, MessageDelta("resp_1", "project_manager", REPLY))
    path = f"/conversations/{turn.conversation_id}/stream"
    head = await http.head(path, headers=bearer() | STREAM)
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")
    assert chat.stream.notes == [], "a request for the head is no copy"
    parts = read((await http.get(path, headers=bearer() | STREAM)).content)
    assert parts[0]["messageId"] == turn.turn_id
    assert texts_of(parts) == [REPLY]
    assert states_of(parts)[-1] == "completed"
    assert chat.stream.notes == [True]


@pytest.mark.parametrize("status", [TurnStatus.FAILED, TurnStatus.CANCELLED])
async def test_one_that_failed_is_a_stream_all_the_same(
    http: httpx.AsyncClient, chat: FakeChat, status: TurnStatus
) -> None:
    error = {"code": "run_failed"} if status is TurnStatus.FAILED else None
    turn = chat.add(ALICE, status=status, reply=None, error=error, stream_broken=True)
    chat.stream.script = (RUN, ONCE)
    answer = await http.get(f"/conversations/{turn.conversation_id}/stream", headers=bearer() | STREAM)
    parts = read(answer.content)
    assert (answer.status_code, texts_of(parts)) == (200, ["Once"])
    assert of_type(parts, "data-error")[0]["data"]["code"] == ("run_failed" if error else "cancelled")
