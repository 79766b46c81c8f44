"""What a provider tells by a webhook is believed where it is signed, and not a word of it before."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.webhooks import signed_headers
from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_error

KEY = b"a key of our own that is long enough"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
EVENT = {"id": "evt_1", "object": "event", "type": "response.completed", "data": {"id": "resp_1"}}


@pytest.fixture
async def hooked(make_app: MakeApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(OPENAI_WEBHOOK_SECRET=SECRET))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers={"origin": ORIGIN}) as client:
        yield client


def signed(event: object, *, key: bytes = KEY, seconds: float = 0.0) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(event).encode()
    return body, signed_headers(key, "wh_1", int(time.time() + seconds), body)


async def post(client: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return await client.post("/hooks/openai", content=body, headers=headers)


@pytest.mark.parametrize("kind", ["completed", "failed", "cancelled", "incomplete"])
async def test_the_turn_of_a_run_that_has_ended_goes_on(hooked: httpx.AsyncClient, chat: FakeChat, kind: str) -> None:
    response = await post(hooked, *signed(EVENT | {"type": f"response.{kind}"}))
    assert (response.status_code, response.content) == (204, b"")
    assert [call[:2] for call in chat.calls] == [("carry_on", "resp_1")]


@pytest.mark.parametrize(
    "event",
    [
        EVENT | {"type": "response.in_progress"},
        EVENT | {"type": "batch.completed"},
        EVENT | {"data": {}},
        EVENT | {"data": {"id": 7}},
        EVENT | {"data": None},
        {},
        [],
        "response.completed",
    ],
    ids=str,
)
async def test_what_is_of_something_else_is_taken_and_does_nothing(
    hooked: httpx.AsyncClient, chat: FakeChat, event: object
) -> None:
    assert (await post(hooked, *signed(event))).status_code == 204
    assert chat.calls == []


async def test_what_is_not_signed_by_the_provider_is_refused(hooked: httpx.AsyncClient, chat: FakeChat) -> None:
    body, headers = signed(EVENT)
    forged = [
        (body + b" ", headers),
        (body, {}),
        *(
            (body, {name: value for name, value in headers.items() if name != left_out})
            for left_out in headers
            if left_out.startswith("webhook")
        ),
        (body, headers | {"webhook-id": "wh_2"}),
        (body, headers | {"webhook-signature": "v1,"}),
        (body, headers | {"webhook-signature": "v1,\xff"}),
        (body, headers | {"webhook-timestamp": "soon"}),
        (b"\xff", signed_headers(KEY, "wh_1", int(time.time()), b"\xff")),
        signed(EVENT, key=b"another key of the same length......"),
        signed(EVENT, seconds=-400),
        signed(EVENT, seconds=400),
    ]
    for content, given in forged:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
        response = await hooked.post("/hooks/openai", content=content, headers=sent)
        assert_error(response, 400, "invalid_signature")
    assert chat.calls == []


async def test_without_a_secret_there_is_no_hook(http: httpx.AsyncClient, chat: FakeChat) -> None:
    assert_error(await post(http, *signed(EVENT)), 404, "not_found")
    assert chat.calls == []


async def test_a_body_that_is_signed_is_strict_json_too(hooked: httpx.AsyncClient) -> None:
    body = b'{"type": "response.completed", "type": "x"}'
    assert_error(await post(hooked, body, signed_headers(KEY, "wh_1", int(time.time()), body)), 400, "invalid_json")
