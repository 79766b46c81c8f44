"""Raw bytes over real sockets: what is no HTTP, or only just, and how it is refused."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.http.fakes import FakeChat
from tests.http.serving import exchange
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import bearer, token

HOST = b"Host: function\r\n"
FROM_PAGE = f"Origin: {ORIGIN}\r\n".encode()
CLOSE = b"Connection: close\r\n"
AUTH = f"Authorization: Bearer {token()}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"


def parsed(raw: bytes) -> httpx.Response:
    """The one answer in these bytes, as a page of an allowed origin would get it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    version, status, _ = first.split(b" ", 2)
    assert version == b"HTTP/1.1"
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    request = httpx.Request("GET", "http://function/", headers={"origin": ORIGIN})
    response = httpx.Response(int(status), headers=headers, content=body, request=request)
    assert int(response.headers["content-length"]) == len(body), "a second answer follows the first"
    return response


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n" + FROM_PAGE + b"\r\n",
        b"GET\r\n" + FROM_PAGE + b"\r\n",
        b"GET /agents\r\n" + FROM_PAGE + b"\r\n",
        b"GET /agents HTTP/1.1 x\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"GET /agents FTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"GET /age nts HTTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"GET /agents\x00 HTTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"G@T / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n",
        b"GET /agents HTTP/1.1\r\n" + FROM_PAGE + b"\r\n",
        b"GET /agents HTTP/1.1\r\n" + HOST + FROM_PAGE + b"bad header\r\n\r\n",
        b"GET /agents HTTP/1.1\r\n" + HOST + FROM_PAGE + b"bad : header\r\n\r\n",
        b"GET /agents HTTP/1.1\r\n" + HOST + FROM_PAGE + b"x: a\x00b\r\n\r\n",
        b"GET /agents HTTP/1.1\r\n" + HOST + FROM_PAGE + b": x\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Content-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Content-Length: +5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Content-Length: five\r\n\r\nhello",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Content-Length: 5, 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nhello",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + b"Transfer-Encoding: identity\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + FROM_PAGE + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_our_shape(port: int, request_bytes: bytes) -> None:
    response = parsed(await exchange(port, request_bytes))
    if b"\r\n" + FROM_PAGE not in request_bytes:  # no header line that could be read
        response.request.headers.pop("origin")
    assert_error(response, 400, "malformed_request")


async def test_a_chunk_that_is_none(port: int, chat: FakeChat) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + AUTH + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunk in (b"zz\r\n{}\r\n", b"-2\r\n{}\r\n", b"2;" + b"x" * 70_000):
        response = parsed(await exchange(port, head + chunk))
        assert_error(response, 400, "malformed_request")
    assert chat.asks == []


@pytest.mark.parametrize(
    "lines",
    [
        b"Host: function\r\nHost: function\r\n",
        b"Host: function\r\nhost: other\r\n",
        HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n",
        HOST + b"Content-Length: 2\r\ncontent-length: 3\r\n",
        HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        HOST + AUTH + AUTH,
        HOST + b"Content-Type: application/json\r\ncontent-type: application/json\r\n",
        HOST + b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 3])
async def test_headers_that_must_be_single(port: int, chat: FakeChat, lines: bytes, pieces: int) -> None:
    whole = b"POST / HTTP/1.1\r\n" + FROM_PAGE + lines + CLOSE + b"\r\n"
    step = -(-len(whole) // pieces)
    raw = await exchange(port, *(whole[at : at + step] for at in range(0, len(whole), step)))
    assert_error(parsed(raw), 400, "duplicate_header")
    assert chat.asks == []


@pytest.mark.parametrize("piece", [100_000, 9000, 1000])
@pytest.mark.parametrize("size", [33_000, 60_000, 100_000])
async def test_headers_in_bulk_however_they_come(port: int, piece: int, size: int) -> None:
    whole = b"GET /agents HTTP/1.1\r\n" + HOST + FROM_PAGE + CLOSE + b"X-Big: " + b"a" * size + b"\r\n\r\n"
    raw = await exchange(port, *(whole[at : at + piece] for at in range(0, len(whole), piece)))
    assert_error(parsed(raw), 431, "headers_too_large")


@pytest.mark.parametrize("piece", [100_000, 5000])
@pytest.mark.parametrize("size", [8200, 20_000])
async def test_addresses_in_bulk_however_they_come(port: int, piece: int, size: int) -> None:
    whole = b"GET /" + b"a" * size + b" HTTP/1.1\r\n" + HOST + FROM_PAGE + CLOSE + b"\r\n"
    raw = await exchange(port, *(whole[at : at + piece] for at in range(0, len(whole), piece)))
    assert_error(parsed(raw), 414, "uri_too_long")


async def test_an_address_without_end(port: int) -> None:
    raw = await exchange(port, *(b"GET /" + b"a" * 30_000, b"a" * 30_000, b"a" * 30_000))
    response = parsed(raw)
    response.request.headers.pop("origin")
    assert_error(response, 414, "uri_too_long")


async def test_too_much_is_refused_and_its_sender_gets_to_read_why(port: int, chat: FakeChat) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + AUTH + JSON + CLOSE
    announced = await exchange(port, head + b"Content-Length: 1100000\r\n\r\n")
    assert_error(parsed(announced), 413, "body_too_large")
    expecting = await exchange(port, head + b"Expect: 100-continue\r\nContent-Length: 1100000\r\n\r\n")
    assert_error(parsed(expecting), 413, "body_too_large")  # and not 100 first
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"origin": ORIGIN}) as http:
        response = await http.post(
            "/", content=b" " * 5_000_000, headers=bearer() | {"content-type": "application/json"}
        )
        assert_error(response, 413, "body_too_large")
    assert chat.asks == []


async def test_a_body_without_length_comes_in_chunks(port: int, chat: FakeChat) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + FROM_PAGE + AUTH + JSON + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    raw = await exchange(port, head, b'f\r\n{"message":"x"}\r\n', b"0\r\n\r\n")
    response = parsed(raw)
    assert_answer(response, 200)
    big = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    raw = await exchange(port, head, big, big, big, big, b"1\r\n \r\n", b"0\r\n\r\n")
    assert_error(parsed(raw), 413, "body_too_large")


async def test_a_body_that_ends_too_early_is_nobodys_message(port: int, chat: FakeChat) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + AUTH + JSON + b"Content-Length: 100\r\n\r\n"
    await exchange(port, head + b'{"message":"x"}', end=True)
    assert chat.asks == []


async def test_a_connection_serves_one_request_after_the_other(port: int) -> None:
    one = b"GET /health HTTP/1.1\r\n" + HOST + FROM_PAGE + b"\r\n"
    last = b"GET /health HTTP/1.1\r\n" + HOST + FROM_PAGE + CLOSE + b"\r\n"
    raw = await exchange(port, one + one + last)
    assert raw.count(b"HTTP/1.1 200 ") == 3
    doubled = last.replace(b"\r\n\r\n", b"\r\nHost: x\r\n\r\n")
    raw = await exchange(port, one, doubled)
    assert raw.count(b"HTTP/1.1 ") == 2
    assert b"duplicate_header" in raw


async def test_a_client_that_leaves_does_not_end_its_turn(port: int, chat: FakeChat) -> None:
    gate = asyncio.Event()
    chat.hold = gate.wait
    body = json.dumps({"message": "x"}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\n" + HOST + AUTH + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await chat.asked(1)
    writer.transport.abort()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/x")).status_code == 404  # the server has seen the end of the connection by now
    gate.set()
    await asyncio.wait_for(chat.finished.wait(), 5)
