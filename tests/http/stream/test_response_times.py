"""When a stream's frames leave, and what its reader may do meanwhile. On virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.multi_agent_chat.app import build_app
from shared.core.chat_events import MessageDelta, RunStarted
from shared.core.turns import TurnStatus
from shared.settings import load_settings
from tests.http import virtual
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import REPLY, FakeChat
from tests.http.stream.frames import of_type, read, states_of, texts_of
from tests.http.tokens import bearer

RUN = RunStarted("resp_1", "project_manager")
ONCE = MessageDelta("resp_1", "project_manager", "Once")
OPEN: dict[str, Any] = {"status": TurnStatus.QUEUED, "reply": None, "finished_at": None}


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


@dataclass
class Reader:
    """The server below the app, and behind it a reader who may leave, or stop reading."""

    leaves_after: float | None = None
    takes: int | None = None  # messages; the next is not taken any more
    breaks: bool = False  # and raises instead
    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    asked: bool = False

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        if self.leaves_after is None:
            await for_ever()
        await asyncio.sleep(self.leaves_after or 0)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self.takes is not None and len(self.messages) >= self.takes:
            if self.breaks:
                raise OSError("gone")
            await for_ever()
        self.messages.append((asyncio.get_running_loop().time() - self.began, message))

    def read(self, chat: FakeChat, body: bytes = b'{"message":"x"}', stops_after: float = 3600) -> float:
        """Ask for a stream and read it, from a server that may stop; how many seconds the app took for it."""
        self.body = body

        async def play() -> float:
            service: Any = chat
            app: Any = build_app(load_settings(ENVIRONMENT), service=service, store=service, ping_provider=chat.ping)
            headers = bearer() | {"content-type": "application/json", "accept": "text/event-stream"}
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/",
                "raw_path": b"/",
                "query_string": b"",
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
            self.began = asyncio.get_running_loop().time()
            answer = asyncio.ensure_future(app(scope, self.receive, self.send))
            await asyncio.wait({answer}, timeout=stops_after)
            if answer.cancel():
                await asyncio.wait({answer})
                assert answer.cancelled()
            else:
                answer.result()
            return asyncio.get_running_loop().time() - self.began

        return virtual.run(play)

    @property
    def content(self) -> bytes:
        starts = [message for _, message in self.messages if message["type"] == "http.response.start"]
        assert len(starts) == 1
        return b"".join(message.get("body", b"") for _, message in self.messages)

    @property
    def ended_after(self) -> float:
        (moment,) = [at for at, message in self.messages if message.get("more_body") is False]
        return moment


@pytest.fixture
def chat() -> FakeChat:
    fake = FakeChat()
    fake.begins = OPEN
    return fake


def test_a_silent_turn_is_kept_alive(chat: FakeChat) -> None:
    chat.stream.script = (RUN, 100.0, ONCE)
    reader = Reader()
    assert reader.read(chat) == pytest.approx(100, abs=0.1)
    comments = [at for at, message in reader.messages if message.get("body", b"").startswith(b":")]
    assert comments == pytest.approx([15, 30, 45, 60, 75, 90], abs=0.1)
    assert texts_of(read(reader.content)) == [REPLY]


def test_one_that_speaks_is_not(chat: FakeChat) -> None:
    chat.stream.script = (RUN, *(step for _ in range(10) for step in (10.0, ONCE)))
    reader = Reader()
    reader.read(chat)
    assert b"\n:" not in reader.content


@pytest.mark.parametrize(("body", "deadline"), [(b'{"message":"x","wait_seconds":20}', 20), (b'{"message":"x"}', 150)])
def test_the_end_leaves_in_time_whatever_hangs_below(chat: FakeChat, body: bytes, deadline: float) -> None:
    chat.stream.script = (RUN, ONCE, for_ever)
    reader = Reader()
    reader.read(chat, body)
    assert deadline <= reader.ended_after <= deadline + 0.5
    parts = read(reader.content)
    assert states_of(parts)[-1] == "open"
    assert of_type(parts, "error") == []
    assert parts[-1]["messageMetadata"]["status"] == "queued"
    assert chat.stream.closed == 1


def test_a_deadline_that_has_passed_still_gets_the_whole_answer(chat: FakeChat) -> None:
    chat.begins = {}
    reader = Reader()
    reader.read(chat, b'{"message":"x","wait_seconds":0}')
    assert texts_of(read(reader.content)) == [REPLY]


def test_work_that_never_ends_does_not_hold_the_request(chat: FakeChat) -> None:
    chat.stream.script, chat.stream.work = (RUN, for_ever), for_ever
    reader = Reader()
    assert reader.read(chat, b'{"message":"x","wait_seconds":20}') < 26
    assert reader.ended_after <= 20.5
    left = Reader(leaves_after=3)
    assert left.read(chat, b'{"message":"x","wait_seconds":20}') < 26


@pytest.mark.parametrize("error", [None, RuntimeError("x")])
def test_work_goes_on_when_the_reader_leaves(chat: FakeChat, error: Exception | None) -> None:
    done: list[float] = []

    async def work() -> None:
        await asyncio.sleep(30)
        done.append(1)
        if error:
            raise error

    chat.stream.script, chat.stream.work = (RUN, ONCE, 10.0, ONCE, for_ever), work
    reader = Reader(leaves_after=5)
    assert reader.read(chat) == pytest.approx(35, abs=0.1)
    assert done == [1]
    assert chat.stream.told == 2, "what is said afterwards has no listener"
    assert all(at <= 5 for at, _ in reader.messages)


def test_a_server_that_stops_stops_the_work(chat: FakeChat) -> None:
    stopped: list[float] = []

    async def work() -> None:
        try:
            await for_ever()
        finally:
            stopped.append(asyncio.get_running_loop().time())

    chat.stream.script, chat.stream.work = (RUN, for_ever), work
    reader = Reader()
    assert reader.read(chat, stops_after=5) == pytest.approx(5, abs=0.1)
    assert chat.stream.closed == 1
    assert len(stopped) == 1


def test_a_reader_that_takes_nothing_is_given_up(chat: FakeChat) -> None:
    chat.stream.script = (RUN, *[ONCE] * 1000, 60.0)
    reader = Reader(takes=3)
    assert reader.read(chat) == pytest.approx(30, abs=0.1)
    assert chat.stream.closed == 1
    assert chat.stream.told <= 3, "what waits for it waits in the turn's own log"


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_a_line_that_breaks_is_a_reader_that_leaves(chat: FakeChat, takes: int) -> None:
    chat.stream.script = (RUN, ONCE, 5.0)
    reader = Reader(takes=takes, breaks=True)
    reader.read(chat)
    assert chat.stream.closed == 1


def test_the_service_is_told_until_when(chat: FakeChat) -> None:
    reader = Reader()
    reader.read(chat, b'{"message":"x","wait_seconds":7}')
    assert chat.asks[0][2] - reader.began == pytest.approx(7, abs=0.01)
