"""Bodies, headers, methods and paths that are not what they should be."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from functions.asgi import body as bodies
from functions.asgi import strict_json
from functions.multi_agent_chat.app import build_app
from shared.core.errors import InvalidRequest
from shared.settings import load_settings
from tests.http import virtual
from tests.http.conftest import ENVIRONMENT, MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer, token

JSON = {"content-type": "application/json"}
ID = "33333333-3333-4333-8333-333333333333"


def nested(depth: int, opening: str, closing: str) -> bytes:
    """A body whose innermost value is `depth` levels deep."""
    return f'{{"message":{opening * (depth - 1)}1{closing * (depth - 1)}}}'.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"\n\t",
        b"{",
        b"}",
        b"{]",
        b"nul",
        b"None",
        b"{'message':'x'}",
        b'{"message":"x"',
        b'{"message":"x"}}',
        b'{"message":"x"}{"message":"y"}',
        b'{"message":"x"} trailing',
        b'{"message":"x"},',
        b'{"message":"x",}',
        b'{"message":"x" "agent":"y"}',
        b'{message:"x"}',
        b'{"message":"x"}\x00',
        b'\x00{"message":"x"}',
        b'{"message":"x"}//comment',
        b'/**/{"message":"x"}',
        b'{"message":"a\nb"}',
        b'{"message":"a\tb"}',
        b'{"message":"a\x01b"}',
        b'{"message":"\\x41"}',
        b'{"message":"\\u12"}',
        b'{"message":"\\ud83d\\u12"}',
        b'{"message":"x","wait_seconds":NaN}',
        b'{"message":"x","wait_seconds":Infinity}',
        b'{"message":"x","wait_seconds":-Infinity}',
        b'{"message":"x","wait_seconds":nan}',
        b'{"message":"x","wait_seconds":01}',
        b'{"message":"x","wait_seconds":+1}',
        b'{"message":"x","wait_seconds":.5}',
        b'{"message":"x","wait_seconds":5.}',
        b'{"message":"x","wait_seconds":0x10}',
        b'{"message":"x","wait_seconds":' + b"1" * 5000 + b"}",
        b'{"message":"x","message":"y"}',
        b'{"message":"x","message":"x"}',
        b'{"message":"x","\\u006dessage":"y"}',
        b'{"message":"x","metadata":{"a":"1","a":"2"}}',
        b'{"message":{"parts":[{"type":"text","type":"text","text":"x"}]}}',
        b'\xef\xbb\xbf{"message":"x"}',
        '{"message":"x"}'.encode("utf-16"),
        '{"message":"x"}'.encode("utf-16-le"),
        '{"message":"x"}'.encode("utf-32"),
        '{"message":"\u00e9"}'.encode("latin-1"),
        b'{"message":"\xff"}',
        b'{"message":"\xc0\x80"}',
        b'{"message":"\xed\xa0\x80"}',
        b'{"message":"\xf4\x90\x80\x80"}',
        b'{"message":"\xe2\x82"}',
        b"\x80",
        nested(33, "[", "]"),
        nested(33, '{"a":', "}"),
        b"[" + b"0," * 50_001 + b"0]",
        b"[" + b"[]," * 50_001 + b"0]",
        nested(5000, "[", "]"),
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b"[{" * 30_000,
        b'{"message":"' + b'\\"' * 32_000,
        b'{"message":"' + b"\\" * 50_001,
        b'"' * 60_000,
    ],
)
async def test_what_is_not_one_strict_document(http: httpx.AsyncClient, chat: FakeChat, content: bytes) -> None:
    assert_error(await http.post("/", content=content, headers=bearer() | JSON), 400, "invalid_json")
    assert chat.asks == []


@pytest.mark.parametrize(
    "content",
    [
        nested(32, "[", "]"),
        nested(32, '{"a":', "}"),
        b'{"message": 1, "x": "' + b"[" * 40 + b"," * 60_000 + b'"}',
        b'{"message": 1, "x": "\\"[[[[[[[[[[[["}',
    ],
)
async def test_depth_is_of_the_structure_not_of_its_texts(http: httpx.AsyncClient, content: bytes) -> None:
    response = await http.post("/", content=content, headers=bearer() | JSON)
    assert response.status_code == 422


async def test_white_space_around_the_document_is_fine(http: httpx.AsyncClient) -> None:
    content = b' \r\n\t{ "message" : "x" }\n'
    assert_answer(await http.post("/", content=content, headers=bearer() | JSON), 200)


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            "json",
        ),
        *("application/ld+json", "application/json+x", "application/jsonp", "application/json, text/plain", "*/*"),
        *("application/json; charset=latin1", "application/json; charset=utf-16", 'application/json; charset="utf-7"'),
        *("application/json; charset=utf-8; charset=utf-16", "application/json; charset", "application/json; =utf-8"),
        "application/json charset=utf-8",
    ],
)
async def test_only_json_in_utf8(http: httpx.AsyncClient, content_type: str) -> None:
    headers = bearer() | ({"content-type": content_type} if content_type else {})
    response = await http.post("/", content=b'{"message":"x"}', headers=headers)
    assert_error(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "Application/JSON", "application/json;charset=utf-8", "application/json; charset=UTF-8"),
        *('application/json ; charset="utf-8"', "application/json;", "application/json; charset=utf8; x=y"),
    ],
)
async def test_json_by_its_other_spellings(http: httpx.AsyncClient, content_type: str) -> None:
    headers = bearer() | {"content-type": content_type}
    assert_answer(await http.post("/", content=b'{"message":"x"}', headers=headers), 200)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "zstd", "identity, gzip", "compress", "x"])
async def test_nothing_is_inflated(http: httpx.AsyncClient, encoding: str) -> None:
    content = gzip.compress(b'{"message":"x"}')
    response = await http.post("/", content=content, headers=bearer() | JSON | {"content-encoding": encoding})
    assert_error(response, 415, "unsupported_encoding")


async def test_identity_is_no_compression(http: httpx.AsyncClient) -> None:
    headers = bearer() | JSON | {"content-encoding": "identity"}
    assert_answer(await http.post("/", content=b'{"message":"x"}', headers=headers), 200)


async def _call(
    app: ASGIApp, receive: Any, *headers: tuple[bytes, bytes], path: str = "/", method: str = "POST"
) -> Any:
    """One ASGI call with a body of the test's own making; the answer as the client would see it."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"origin", ORIGIN.encode()), *headers],
    }
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return None
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    request = httpx.Request(method, "http://f/", headers={"origin": ORIGIN})
    return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=sent[1]["body"], request=request)


def _authorized() -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token()}".encode()), (b"content-type", b"application/json")]


async def test_an_announced_size_is_refused_before_a_byte_is_read(app: ASGIApp) -> None:
    async def receive() -> Message:
        raise AssertionError("the body was read")

    for length in (b"1048577", b"99999999999999999999999999"):
        response = await _call(app, receive, *_authorized(), (b"content-length", length))
        assert_error(response, 413, "body_too_large")


async def test_an_unannounced_size_is_refused_while_it_comes(app: ASGIApp) -> None:
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 1024, "more_body": True}

    assert_error(await _call(app, receive, *_authorized()), 413, "body_too_large")
    assert taken == bodies.MAX_BODY_BYTES // 1024 + 1


async def test_a_body_of_just_the_limit_is_read(http: httpx.AsyncClient) -> None:
    start = b'{"message":"x"}'
    content = start + b" " * (bodies.MAX_BODY_BYTES - len(start))
    assert_answer(await http.post("/", content=content, headers=bearer() | JSON), 200)

    async def chunks() -> AsyncIterator[bytes]:
        for index in range(0, len(content), 1000):
            yield content[index : index + 1000]

    assert_answer(await http.post("/", content=chunks(), headers=bearer() | JSON), 200)
    response = await http.post("/", content=content + b" ", headers=bearer() | JSON)
    assert_error(response, 413, "body_too_large")


@pytest.mark.parametrize(("pause", "expected"), [(60.0, bodies.STALL_SECONDS), (4.0, bodies.BODY_SECONDS)])
def test_a_body_that_stops_coming_or_drips(pause: float, expected: float) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        chat: Any = FakeChat()
        app = build_app(load_settings(ENVIRONMENT), service=chat, store=chat, ping_provider=chat.ping)

        async def receive() -> Message:
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": b" ", "more_body": True}

        began = loop.time()
        response = await _call(app, receive, *_authorized())
        assert_error(response, 408, "request_timeout")
        assert response.headers["connection"] == "close"
        assert loop.time() - began == pytest.approx(expected, abs=0.01)

    virtual.run(scenario)


async def test_who_leaves_while_sending_is_not_answered(app: ASGIApp, chat: FakeChat) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await _call(app, receive, *_authorized()) is None
    assert chat.asks == []


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "content-type", "idempotency-key", "origin", "host", "content-length", "content-encoding"),
        *("user-agent", "traceparent", "x-cloud-trace-context", "apikey", "last-event-id"),
    ],
)
@pytest.mark.parametrize("same", [True, False])
async def test_headers_that_must_be_single(app: ASGIApp, chat: FakeChat, name: str, same: bool) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"message":"x"}', "more_body": False}

    others = [header for header in _authorized() if header[0] != name.encode()]
    first = dict(_authorized()).get(name.encode(), b"15")
    response = await _call(app, receive, *others, (name.encode(), first), (name.encode(), first if same else b"16"))
    if name == "origin":  # which of them to believe? none
        assert "access-control-allow-origin" not in response.headers
        assert response.json()["code"] == "duplicate_header"
        return
    assert_error(response, 400, "duplicate_header", name)
    assert chat.asks == []


async def test_two_headers_that_frame_the_body(app: ASGIApp) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"message":"x"}', "more_body": False}

    framing = ((b"content-length", b"15"), (b"transfer-encoding", b"chunked"))
    assert_error(await _call(app, receive, *_authorized(), *framing), 400, "malformed_request")


async def test_lists_may_come_in_several_headers(http: httpx.AsyncClient) -> None:
    headers = [
        ("accept", "text/html"),
        ("accept", "application/json"),
        ("x-forwarded-for", "1"),
        ("x-forwarded-for", "2"),
    ]
    assert_answer(await http.get("/health", headers=headers), 200)


async def test_headers_in_bulk(http: httpx.AsyncClient) -> None:
    assert_error(await http.get("/agents", headers={"x-big": "a" * 33_000}), 431, "headers_too_large")
    many = [(f"x-{number}", "a") for number in range(101)]
    assert_error(await http.get("/agents", headers=many), 431, "headers_too_large")
    assert_error(await http.get("/agents", headers={"x-big": "a" * 30_000}), 401, "missing_token")


async def test_addresses_in_bulk(http: httpx.AsyncClient) -> None:
    assert_error(await http.get("/" + "a" * 8192), 414, "uri_too_long")
    assert_error(await http.get("/agents?" + "a" * 8192), 414, "uri_too_long")
    assert_error(await http.get("/" + "a" * 8000), 404, "not_found")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "QUERY", "BREW", "get", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/", "OPTIONS, POST"),
        (f"/turns/{ID}", "GET, HEAD, OPTIONS, PATCH"),
        (f"/turns/{ID}/cancel", "OPTIONS, POST"),
        ("/conversations", "GET, HEAD, OPTIONS"),
        ("/agents", "GET, HEAD, OPTIONS, POST"),
        ("/health", "GET, HEAD, OPTIONS"),
    ],
)
async def test_methods(http: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    app: Any = http._transport
    response = await _call(app.app, receive, path=path, method=method)
    assert_error(response, 405, "method_not_allowed")
    assert response.headers.get_list("allow") == [allow]
    options = await http.request("OPTIONS", path)
    assert options.status_code == 204
    assert options.headers["allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/x",
            "/turns",
            "/turns/",
            "/agents/",
            "/Agents",
            "/agents/x/y",
            "/health/",
            "/conversations/",
            "/index.html",
        ),
        *("/.", "/..", "/../agents", "/./agents", "/agents/../y", "/turns/../agents", "/agents/./y", "/%2e%2e/agents"),
        *(
            "/%00",
            "/agents%00",
            "/agents%0a",
            "/agents%",
            "/agents%2",
            "/agents%zz",
            "/%61gents",
            "/agents%20",
            "/agents;x",
        ),
        *("/functions/v1x", "/functions/v2/agents", "/functions", "/multi-agent-chatx", "/multi_agent_chat/agents"),
        *(
            "/multi-agent-chat/multi-agent-chat/agents",
            "/multi-agent-chat/functions/v1/agents",
            "\\agents",
            "/agents\\",
        ),
        *(f"/turns/{ID}/cancel/", f"/turns/{ID}/retry", f"/turns/{ID}%2fcancel", f"/conversations/{ID}/stream"),
        *(
            "/robots.txt",
            "/favicon.ico",
            "/statistics",
            "*",
            "agents",
            "/agents#x",
            "/\u00e9",
        ),
    ],
)
async def test_paths_that_do_not_exist(app: ASGIApp, path: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    response = await _call(app, receive, *_authorized(), path=path, method="GET")
    assert_error(response, 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        *("/agents", "//agents", "///agents", "/functions/v1/agents", "/multi-agent-chat/agents"),
        *("/functions/v1/multi-agent-chat/agents", "//functions//v1///multi-agent-chat//agents"),
    ],
)
async def test_paths_and_their_prefixes(app: ASGIApp, path: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    assert_answer(await _call(app, receive, *_authorized(), path=path, method="GET"), 200)


@pytest.mark.parametrize(
    ("accept", "fine"),
    [
        *(
            (value, True)
            for value in ("", "*/*", "application/json", "APPLICATION/JSON", "application/*", "text/html, */*")
        ),
        *((value, True) for value in ("application/json;q=0.1, text/html", "text/event-stream, application/json")),
        *((value, True) for value in ("*/*;q=0, application/json", "application/json; charset=utf-8")),
        *(
            (value, False)
            for value in ("text/event-stream", "text/html", "image/*", "text/*, image/png", "application/xml")
        ),
        *(
            (value, False)
            for value in ("application/json;q=0", "*/*;q=0", "application/json;q=0, */*", "json", "*/json")
        ),
        *((value, False) for value in ("application/json;q=x", "application/json;q=0.000")),
    ],
)
async def test_accept(http: httpx.AsyncClient, accept: str, fine: bool) -> None:
    response = await http.get("/agents", headers=bearer() | {"accept": accept})
    if fine:
        assert_answer(response, 200)
    else:
        assert_error(response, 406, "not_acceptable")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_token"),
        ({"authorization": ""}, "missing_token"),
        ({"authorization": "Bearer"}, "missing_token"),
        ({"authorization": "Bearer nonsense"}, "invalid_token"),
        ({"authorization": "Bearer " + "a" * 9000 + ".b.c"}, "invalid_token"),
        ({"authorization": "Bearer sb_publishable_x"}, "invalid_token"),
        ({"authorization": f"Basic {token()}"}, "invalid_token"),
        (bearer(exp=1), "token_expired"),
        (bearer(aud="other"), "invalid_token"),
        (bearer(secret="another-secret-of-at-least-32-bytes-in-length"), "invalid_token"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", f"/turns/{ID}"),
        ("PATCH", f"/turns/{ID}"),
        ("POST", f"/turns/{ID}/cancel"),
        ("GET", "/conversations"),
        ("GET", f"/conversations/{ID}"),
        ("GET", f"/conversations/{ID}/messages"),
        ("GET", "/agents"),
    ],
)
async def test_tokens(
    http: httpx.AsyncClient, chat: FakeChat, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    response = await http.request(method, path, headers=headers, json={"message": "x"} if method != "GET" else None)
    assert_error(response, 401, code)
    assert not chat.asks
    assert not chat.calls


@pytest.mark.parametrize("changes", [{"is_anonymous": True}, {"role": "anon"}, {"role": "service_role"}])
async def test_tokens_of_nobody(http: httpx.AsyncClient, chat: FakeChat, changes: dict[str, Any]) -> None:
    assert_error(await http.post("/", json={"message": "x"}, headers=bearer(**changes)), 403, "forbidden")
    assert chat.asks == []


async def test_tokens_that_a_setting_lets_in(make_app: MakeApp) -> None:
    """A stack of one's own: another issuer than its address, and people without a name."""
    public = "https://supabase.example.org/auth/v1"
    app = make_app(SUPABASE_URL="http://kong:8000", SUPABASE_JWT_ISSUER=public, ALLOW_ANONYMOUS_USERS="true")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://f") as http:
        headers = {"origin": ORIGIN} | bearer(iss=public, is_anonymous=True)
        assert_answer(await http.get("/agents", headers=headers), 200)
        wrong = {"origin": ORIGIN} | bearer(iss="http://kong:8000/auth/v1")
        assert_error(await http.get("/agents", headers=wrong), 401, "invalid_token")


async def test_more_requests_than_allowed(make_app: MakeApp, chat: FakeChat) -> None:
    gate = asyncio.Event()
    chat.hold = gate.wait
    transport = httpx.ASGITransport(app=make_app(MAX_CONCURRENT_REQUESTS="2"))
    async with httpx.AsyncClient(transport=transport, base_url="http://f", headers={"origin": ORIGIN}) as http:
        users = (bearer(ALICE), bearer(BOB))  # one of them alone may not take all
        first = [asyncio.create_task(http.post("/", json={"message": "x"}, headers=user)) for user in users]
        await chat.asked(2)
        body = assert_error(await http.post("/", json={"message": "x"}, headers=bearer()), 503, "overloaded")
        assert body["retryable"]
        assert_answer(await http.get("/health"), 200)
        preflight = {"access-control-request-method": "POST"}
        assert (await http.options("/", headers=preflight)).status_code == 204
        gate.set()
        for response in await asyncio.gather(*first):
            assert_answer(response, 200)
        chat.error = RuntimeError("x")
        for _ in range(5):  # a failure gives its place back
            assert_error(await http.post("/", json={"message": "x"}, headers=bearer()), 500, "internal_error")


async def test_an_answer_that_has_begun_is_not_followed_by_another(app: ASGIApp) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("x")

    outer: Any = app
    outer._app = half
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/agents",
        "raw_path": b"/agents",
        "headers": [],
        "query_string": b"",
    }
    await outer(scope, None, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_bodies_of_this_size_are_read_in_linear_time() -> None:
    began = time.perf_counter()
    for body in (b'{"message":"' + b'\\"' * 500_000, b"\\" * 1_000_000, b'"' * 1_000_000, b'"[' * 500_000):
        with pytest.raises(InvalidRequest):
            strict_json.parse(body)
    assert time.perf_counter() - began < 5
