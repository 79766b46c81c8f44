from __future__ import annotations

import pytest

from tests.http.fakes import FakeChat
from tests.http.serving import exchange
from tests.http.shapes import assert_error
from tests.http.test_sockets import parsed
from tests.security.bad_requests import MALFORMED, REFUSED, TAKEN, BadRequest


@pytest.mark.parametrize("bad", [*MALFORMED, *REFUSED], ids=lambda bad: bad.name)
async def test_it_is_refused_and_nothing_after_it_is_served(port: int, chat: FakeChat, bad: BadRequest) -> None:
    raw = await exchange(port, bad.sent)  # reads until the server closes
    first, *others = raw.split(b"HTTP/1.1 ")[1:]
    response = parsed(b"HTTP/1.1 " + (others[-1] if others else first))
    if b"access-control-allow-origin" not in raw:
        response.request.headers.pop("origin")
    assert_error(response, bad.status, bad.code)
    assert ("close" in response.headers.get("connection", "")) or not bad.framing
    assert len(others) == ("behind" in bad.name)
    assert chat.asks == []


@pytest.mark.parametrize("bad", MALFORMED, ids=lambda bad: bad.name)
async def test_however_it_is_cut_into_segments(port: int, chat: FakeChat, bad: BadRequest) -> None:
    middle = len(bad.sent) // 2
    raw = await exchange(port, bad.sent[:1], bad.sent[1:middle], bad.sent[middle:])
    assert f'"code":"{bad.code}"'.encode() in raw
    assert raw.count(b"HTTP/1.1 ") == 1 + ("behind" in bad.name)
    assert chat.asks == []


@pytest.mark.parametrize(("name", "sent"), TAKEN, ids=[name for name, _ in TAKEN])
async def test_it_is_taken(port: int, name: str, sent: bytes) -> None:
    assert (await exchange(port, sent)).startswith(b"HTTP/1.1 200 ")
