"""SIGTERM in mid-answer, as every deployment sends it: real processes, and clients that go on at another instance."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from functions.asgi.startup import SHUTDOWN_SECONDS
from tests.e2e.stack import Stack, stack
from tests.http.test_deployed import Deployed, deployed

pytestmark = pytest.mark.timeout(300)

KILL_SECONDS = 10.0  # the platform's, after SIGTERM
RUN_SECONDS = 12  # longer than an instance has, however early the signal comes
ADDED_SECONDS = 2.0
SLACK_SECONDS = 1.5  # of a machine with other things to do
TEXT = "one two three four five six"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("shutdown")) as running:
        yield running


@pytest.fixture
def pair(started: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployed, Deployed]]:
    """Two instances on one database: the one that is told to end, and the one that goes on."""
    settings = {
        "SUPABASE_URL": started.supabase,
        "SUPABASE_SECRET_KEY": started.secret_key,
        "SUPABASE_JWT_SECRET": started.jwt_secret,
        "OPENAI_BASE_URL": started.openai,
        "OPENAI_API_KEY": "sk-none",
    }
    with ExitStack() as open_ones:
        first, other = (
            open_ones.enter_context(deployed(tmp_path_factory.mktemp("instance"), "main.py", **settings))
            for _ in range(2)
        )
        yield first, other


def client(stack: Stack, at: Deployed, user_id: str) -> httpx.AsyncClient:
    person = stack.person(user_id=user_id)
    person.base_url = httpx.URL(f"http://127.0.0.1:{at.port}")
    return person


async def running(http: httpx.AsyncClient, conversations: list[str]) -> None:
    """Return once each of these conversations has a run under way."""
    for conversation in conversations:
        while True:
            found = await http.get(f"/conversations/{conversation}")
            if found.status_code == 200 and any(t["status"] == "running" for t in found.json()["open_turns"]):
                break
            await asyncio.sleep(0.05)


def parts(text: str) -> list[dict[str, Any]]:
    """The AI SDK's parts of a whole stream, which says itself that it is whole."""
    *events, last = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert last == "[DONE]"
    return [json.loads(event) for event in events]


def said(stream: list[dict[str, Any]]) -> str:
    return "".join(part["delta"] for part in stream if part["type"] == "text-delta")


async def test_an_instance_that_is_told_to_end_hands_its_turns_over(
    started: Stack, pair: tuple[Deployed, Deployed]
) -> None:
    first, other = pair
    user = str(uuid.uuid4())
    waited, watched, short = (str(uuid.uuid4()) for _ in range(3))
    async with client(started, first, user) as here, client(started, other, user) as there:

        async def post(conversation: str, seconds: int, accept: str = "application/json") -> httpx.Response:
            body = {"message": f"[[slow {seconds}]] {TEXT}", "conversation_id": conversation}
            return await here.post("/", json=body, headers={"accept": accept})

        sent_at = time.monotonic()
        requests = [
            asyncio.ensure_future(post(waited, RUN_SECONDS)),
            asyncio.ensure_future(post(watched, RUN_SECONDS, "text/event-stream")),
            asyncio.ensure_future(post(short, 4)),
        ]
        await running(there, [waited, watched, short])
        started_at = time.monotonic()
        first.process.send_signal(signal.SIGTERM)
        answer, stream, ended = await asyncio.gather(*requests)

        assert time.monotonic() - started_at <= SHUTDOWN_SECONDS + SLACK_SECONDS
        # what ends in time is answered as ever
        assert (ended.status_code, ended.json()["reply"]["text"]) == (200, f"Emulated reply 1 to: {TEXT}")
        # what does not is handed over: to a client that waits with a handle, to one that watches with a word
        assert answer.status_code == 202
        assert answer.json()["status"] in ("starting", "running")  # as last known, where there is no time for a look
        assert answer.headers["retry-after"] == "1"
        told = parts(stream.text)
        assert [part["data"]["state"] for part in told if part["type"] == "data-turn"][-1] == "open"
        assert not any(part["type"] == "error" for part in told)

        # and goes on at once elsewhere, with the run that it has
        done, attached = await asyncio.gather(
            there.get(answer.headers["location"], params={"wait_seconds": 60}),
            there.get(f"/conversations/{watched}/stream", headers={"accept": "text/event-stream"}),
        )
        assert time.monotonic() - sent_at <= RUN_SECONDS + ADDED_SECONDS + SLACK_SECONDS
        assert (done.json()["status"], done.json()["reply"]["text"]) == ("completed", f"Emulated reply 1 to: {TEXT}")
        assert len(done.json()["runs"]) == 1
        assert said(parts(attached.text)) == f"Emulated reply 1 to: {TEXT}"

    assert await asyncio.to_thread(first.process.wait, KILL_SECONDS) == 0
    assert time.monotonic() - started_at <= KILL_SECONDS + RUN_SECONDS
    begun = [line for line in first.lines() if line["message"] == "instance.shutdown_begun"]
    assert len(begun) == 1
    assert (await started.emulator_state())["violations"] == []
