"""Ten times as many requests as an instance takes: what is over is refused at once, what was admitted is served.

How long that takes in milliseconds `python -m bench --only overload` says.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from functions.multi_agent_chat.app import build_app
from shared.settings import load_settings
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import bearer, claims

CAP, ROUNDS = 8, 8
WARM_ROUNDS = 2  # what is made once is made in them
GROWTH = 1.1  # of resident memory at the most; the bodies of what is refused are 17 MB, an eighth of it
_KEY = ec.generate_private_key(ec.SECP256R1())
UNKNOWN_KEY = {"authorization": f"Bearer {jwt.encode(claims(), _KEY, 'ES256', headers={'kid': 'never seen'})}"}


@pytest.fixture
def _no_lines() -> Iterator[None]:
    """Pytest keeps what is logged, and with it the requests that it is about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def resident() -> int:
    """Memory of this process that is in RAM, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.usefixtures("_no_lines")
async def test_ten_times_the_load_costs_nothing_and_what_was_admitted_is_served(chat: FakeChat) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"keys": []})

    service: Any = chat
    settings = load_settings(ENVIRONMENT | {"MAX_CONCURRENT_REQUESTS": str(CAP)})
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    app = build_app(settings, service=service, store=service, ping_provider=chat.ping, client=client)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as http:

        def send(headers: dict[str, str]) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(http.post("/", json={"message": "x" * 30_000}, headers=headers))

        assert_error(await send(UNKNOWN_KEY), 401, "invalid_token")
        assert len(asked) == 1, "a token with such a key is worth a look at the keys, where there is a place for it"
        tasks, kept = len(asyncio.all_tasks()), list[int]()
        for number in range(ROUNDS):
            gate = asyncio.Event()
            chat.hold = gate.wait
            admitted = [send(bearer(str(uuid.uuid4()))) for _ in range(CAP)]
            await chat.asked(CAP * (number + 1))
            # none of these waits for the gate, which is opened only when all of them have their answer
            over = [send(UNKNOWN_KEY if one % 2 else bearer(str(uuid.uuid4()))) for one in range(10 * CAP)]
            for refused in await asyncio.gather(*over):
                assert assert_error(refused, 503, "overloaded")["retryable"]
            assert (len(chat.asks), chat.calls, len(asked)) == (CAP * (number + 1), [], 1), "something was done for it"
            gate.set()
            for response in await asyncio.gather(*admitted):
                assert_answer(response, 200)
            assert len(asyncio.all_tasks()) == tasks, "something is kept of requests that are over"
            kept.append(resident())
    assert max(kept[WARM_ROUNDS:]) / kept[WARM_ROUNDS - 1] < GROWTH
