"""One user takes nothing from another: a share of an instance's requests, and a rate of reads."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid

import httpx
import pytest

from shared.core.turns import TurnStatus
from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.serving import served
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer
from tests.security.bad_requests import AUTH, HOST


def client(make_app: MakeApp, **environment: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(**environment))
    return httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN})


async def test_a_user_has_at_most_a_quarter_of_an_instance(make_app: MakeApp, chat: FakeChat) -> None:
    gate = asyncio.Event()
    chat.hold = gate.wait
    async with client(make_app, MAX_CONCURRENT_REQUESTS="8") as http:
        held = [asyncio.create_task(http.post("/", json={"message": "x"}, headers=bearer(ALICE))) for _ in range(2)]
        await chat.asked(2)
        for method, path in (("POST", "/"), ("GET", "/agents"), ("GET", f"/turns/{uuid.uuid4()}")):
            body = {"message": "x"} if method == "POST" else None
            error = assert_error(
                await http.request(method, path, json=body, headers=bearer(ALICE)), 429, "too_many_open"
            )
            assert error["retryable"]
        other = asyncio.create_task(http.post("/", json={"message": "x"}, headers=bearer(BOB)))
        await chat.asked(3)
        gate.set()
        for response in await asyncio.gather(*held, other):
            assert_answer(response, 200)
        for _ in range(10):  # the share is given back, by failures as well
            chat.error = RuntimeError("x")
            assert_error(await http.get("/agents", headers=bearer(ALICE)), 500, "internal_error")
            chat.error = None
            assert_answer(await http.get("/agents", headers=bearer(ALICE)), 200)
            assert_error(await http.get("/turns/x", headers=bearer(ALICE)), 404, "not_found")


async def test_a_share_is_given_back_by_a_request_whose_client_leaves(make_app: MakeApp, chat: FakeChat) -> None:
    turn = chat.add(ALICE, status=TurnStatus.QUEUED, reply=None)
    chat.hold = asyncio.Event().wait  # as long as the budget
    waiting = f"GET /turns/{turn.turn_id}?wait_seconds=100 HTTP/1.1\r\n".encode() + HOST + AUTH + b"\r\n"
    async with served(make_app(MAX_CONCURRENT_REQUESTS="8")) as port:
        loop = asyncio.get_running_loop()
        for reset in (False, True):
            for number in range(6):
                with socket.socket() as held:
                    held.setblocking(False)
                    await loop.sock_connect(held, ("127.0.0.1", port))
                    await loop.sock_sendall(held, waiting)
                    # it would be refused, and never get there, if the ones before it still had their places
                    await asyncio.wait_for(chat.waited_for(1 + number + 6 * reset), 5)
                    if reset:
                        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_a_waiting_read_that_is_half_closed_is_told_how_far_its_turn_is(port: int, chat: FakeChat) -> None:
    turn = chat.add(ALICE, status=TurnStatus.QUEUED, reply=None)
    chat.hold = asyncio.Event().wait
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /turns/{turn.turn_id}?wait_seconds=100 HTTP/1.1\r\n".encode() + HOST + AUTH + b"\r\n")
    await chat.waited_for(1)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"status":"queued"' in answer


async def test_reads_have_a_rate_of_their_own(make_app: MakeApp, chat: FakeChat) -> None:
    turn = chat.add(ALICE)
    reads = [
        ("GET", "/agents", None),
        ("GET", "/conversations", None),
        ("POST", f"/turns/{turn.turn_id}/cancel", None),
        ("PATCH", f"/turns/{turn.turn_id}", {"message": "x"}),
    ]
    async with client(make_app, READS_PER_MINUTE="4") as http:
        for method, path, body in reads:
            response = await http.request(method, path, json=body, headers=bearer(ALICE))
            assert response.status_code in (200, 409)
        for method, path, body in reads:
            response = await http.request(method, path, json=body, headers=bearer(ALICE))
            error = assert_error(response, 429, "rate_limited")
            assert 1 <= int(response.headers["retry-after"]) <= 15
            assert error["retryable"]
        assert_answer(await http.get("/agents", headers=bearer(BOB)), 200)
        assert_answer(await http.post("/", json={"message": "x"}, headers=bearer(ALICE)), 200)


@pytest.mark.parametrize("per_minute", [1, 4, 600])
def test_a_minutes_reads_come_back_evenly(per_minute: int) -> None:
    from functions.multi_agent_chat.user_shares import UserShares
    from shared.core.errors import TooMany

    class Hands:
        seconds = 100.0

        def now(self) -> float:
            return self.seconds

        async def sleep(self, seconds: float) -> None:
            raise AssertionError

    clock = Hands()
    shares = UserShares(clock, max_concurrent=8, reads_per_minute=per_minute)
    for _ in range(per_minute):
        shares.count_read("a")
    with pytest.raises(TooMany) as refused:
        shares.count_read("a")
    assert refused.value.retry_after is not None
    clock.seconds += refused.value.retry_after + 0.001
    shares.count_read("a")
    with pytest.raises(TooMany):
        shares.count_read("a")
    clock.seconds += 60
    for _ in range(per_minute):
        shares.count_read("a")
