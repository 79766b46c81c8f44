"""Who asks how an instance is needs no token, is answered by a full one, and costs a look in five seconds at most."""

from __future__ import annotations

import asyncio

import httpx

from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer

ASKED = 500


async def test_a_full_instance_says_how_it_is_and_looks_once_for_all_who_ask(make_app: MakeApp, chat: FakeChat) -> None:
    gate = asyncio.Event()
    chat.hold = gate.wait
    transport = httpx.ASGITransport(app=make_app(MAX_CONCURRENT_REQUESTS="1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as http:
        held = asyncio.create_task(http.post("/", json={"message": "x"}, headers=bearer(ALICE)))
        await chat.asked(1)
        assert_error(await http.post("/", json={"message": "x"}, headers=bearer(BOB)), 503, "overloaded")
        for answer in await asyncio.gather(*(http.get("/health") for _ in range(ASKED))):
            assert assert_answer(answer, 200)["status"] == "ok"
        assert chat.pings == 2  # of the store and of the provider, once
        assert not held.done()
        gate.set()
        assert_answer(await held, 200)
