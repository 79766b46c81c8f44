"""Ten times as many requests as an instance takes: what is over is refused at once, what was admitted is served."""

from __future__ import annotations

import asyncio
import uuid

import httpx

from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import bearer

CAP, ROUNDS = 8, 3


async def test_ten_times_the_load_is_refused_without_waiting_for_what_was_admitted(
    make_app: MakeApp, chat: FakeChat
) -> None:
    transport = httpx.ASGITransport(app=make_app(MAX_CONCURRENT_REQUESTS=str(CAP)))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as http:

        def send() -> asyncio.Task[httpx.Response]:
            headers = bearer(str(uuid.uuid4()))
            return asyncio.create_task(http.post("/", json={"message": "x"}, headers=headers))

        tasks = len(asyncio.all_tasks())
        for number in range(ROUNDS):
            gate = asyncio.Event()
            chat.hold = gate.wait
            admitted = [send() for _ in range(CAP)]
            await chat.asked(CAP * (number + 1))
            # none of these waits for the gate, which is opened only when all of them have their answer
            for refused in await asyncio.gather(*[send() for _ in range(10 * CAP)]):
                assert assert_error(refused, 503, "overloaded")["retryable"]
            assert len(chat.asks) == CAP * (number + 1)
            gate.set()
            for response in await asyncio.gather(*admitted):
                assert_answer(response, 200)
            assert len(asyncio.all_tasks()) == tasks, "something is kept of requests that are over"
