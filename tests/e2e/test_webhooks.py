"""Webhooks between processes: one that the function sends until it is taken, and one that carries a turn on."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from openai import AsyncOpenAI

from dev.emulator.testing import local_client
from shared.webhooks import signed_headers
from tests.e2e.stack import Stack, ask, stack

pytestmark = pytest.mark.timeout(300)

KEY = b"a key that both of us know of, 1"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATIENCE_SECONDS = 60


class Receiver:
    """Another service: refuses what it sees for the first time, and keeps everything in order."""

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[int, dict[str, str], bytes]] = queue.Queue()
        seen: set[str] = set()
        sent = self.sent

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                webhook_id = self.headers["webhook-id"]
                status = 204 if webhook_id in seen else 500
                seen.add(webhook_id)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                sent.put((status, {name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    async def next(self) -> tuple[int, dict[str, str], bytes]:
        return await asyncio.to_thread(self.sent.get, timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("webhooks")
    with stack(directory, WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=SECRET, OPENAI_WEBHOOK_SECRET=SECRET) as started:
        yield started


async def make_due(running: Stack, turn_id: str) -> None:
    """As half a minute would."""
    headers = {"apikey": running.secret_key, "Authorization": f"Bearer {running.secret_key}"}
    async with local_client(running.supabase, **headers) as rows:
        path = "/rest/v1/chat_webhooks"
        answer = await rows.patch(
            path, params={"turn_id": f"eq.{turn_id}"}, json={"not_before": "2000-01-01T00:00:00Z"}
        )
        answer.raise_for_status()


async def test_what_was_refused_is_told_again_under_the_same_id(running: Stack, receiver: Receiver) -> None:
    conversation = str(uuid.uuid4())
    async with running.person() as person:
        turn = (await ask(person, "a secret of mine", conversation)).json()["turn_id"]
        status, first, body = await receiver.next()
        assert status == 500
        await make_due(running, turn)
        await ask(person, "another", conversation)
        told = [await receiver.next() for _ in range(2)]
    (again,) = [one for one in told if one[1]["webhook-id"] == first["webhook-id"]]
    assert again[0] == 204
    assert again[2] == body
    event = json.loads(body)
    assert (event["type"], event["data"]) == ("turn.completed", {"turn_id": turn, "conversation_id": conversation})
    for _, headers, sent in told:
        # another implementation of Standard Webhooks agrees
        AsyncOpenAI(api_key="x").webhooks.verify_signature(sent, headers, secret=SECRET)


async def ended_run(running: Stack, person: httpx.AsyncClient, turn_id: str) -> str:
    """The id of the turn's run, once it has ended. Starts it where the request that sent the message had no time to."""
    run_id, seconds = None, 0.0
    while run_id is None:
        runs = (await person.get(f"/turns/{turn_id}", params={"wait_seconds": seconds})).json()["runs"]
        run_id, seconds = runs[-1]["run_id"] if runs else None, 1.0
    while True:
        statuses = {one["id"]: one["status"] for one in (await running.emulator_state())["responses"]}
        if statuses[run_id] == "completed":
            return str(run_id)
        await asyncio.sleep(0.05)


async def told(running: Stack, run_id: str, key: bytes = KEY) -> httpx.Response:
    event = {"id": "evt_1", "object": "event", "type": "response.completed", "data": {"id": run_id}}
    body = json.dumps(event).encode()
    async with local_client(running.functions[0]) as provider:
        provider.timeout = httpx.Timeout(PATIENCE_SECONDS)
        headers = signed_headers(key, "wh_1", int(time.time()), body)
        return await provider.post("/hooks/openai", content=body, headers=headers)


async def test_a_turn_that_its_client_has_left_ends_with_the_providers_word(running: Stack) -> None:
    async with running.person() as person:
        accepted = await ask(person, "[[slow 1]] hello", str(uuid.uuid4()), wait_seconds=0.3)
        assert accepted.status_code == 202
        turn = accepted.json()["turn_id"]
        run = await ended_run(running, person, turn)
        assert (await told(running, run, b"of someone else, who knows no key")).status_code == 400
        assert (await told(running, run)).status_code == 204
        ended = (await person.get(f"/turns/{turn}")).json()
    assert (ended["status"], ended["reply"]["text"]) == ("completed", "Emulated reply 1 to: hello")
