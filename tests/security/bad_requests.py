"""Requests that must be refused, as bytes: what each is, and the status and code of its refusal.

`python -m tests.security` sends all of them to the function and prints what came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.http.shapes import ORIGIN
from tests.http.tokens import token

HOST = b"Host: function\r\n"
FROM_PAGE = f"Origin: {ORIGIN}\r\n".encode()
AUTH = f"Authorization: Bearer {token()}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n"
HELLO = b'{"message":"x"}'
SECOND = b"GET /agents HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"  # what a smuggler wants to have answered


@dataclass(frozen=True)
class BadRequest:
    name: str
    sent: bytes
    status: int
    code: str
    framing: bool = False  # what follows on the connection cannot be told apart from it: it must be closed


def _head(line: bytes = b"POST / HTTP/1.1", *fields: bytes) -> bytes:
    return line + b"\r\n" + HOST + FROM_PAGE + b"".join(fields) + b"\r\n"


def _post(*fields: bytes, body: bytes = HELLO, length: bool = True) -> bytes:
    announced = (b"Content-Length: %d\r\n" % len(body),) if length else ()
    return _head(b"POST / HTTP/1.1", AUTH, JSON, CLOSE, *announced, *fields) + body


def _token(**changes: Any) -> bytes:
    return f"Authorization: Bearer {token(**changes)}\r\n".encode()


def _get(path: bytes, *fields: bytes) -> bytes:
    return _head(b"GET " + path + b" HTTP/1.1", CLOSE, *fields)


MALFORMED = [
    BadRequest("no HTTP at all", b"nonsense\r\n" + FROM_PAGE + b"\r\n", 400, "malformed_request", True),
    BadRequest("HTTP/0.9", b"GET /agents\r\n" + FROM_PAGE + b"\r\n", 400, "malformed_request", True),
    BadRequest("HTTP/2.0 in words", _head(b"GET /agents HTTP/2.0", AUTH), 400, "malformed_request", True),
    BadRequest("HTTP/2's own preface", _head(b"PRI * HTTP/2.0"), 400, "malformed_request", True),
    BadRequest("HTTP/1.2", _head(b"GET /agents HTTP/1.2", AUTH), 400, "malformed_request", True),
    BadRequest("no Host", b"GET /agents HTTP/1.1\r\n" + FROM_PAGE + b"\r\n", 400, "malformed_request", True),
    BadRequest(
        "lines end in a bare LF", _get(b"/agents", AUTH).replace(b"\r\n", b"\n"), 400, "malformed_request", True
    ),
    BadRequest(
        "one line ends in a bare LF", _get(b"/agents", AUTH, b"x-one: 1\nx-two: 2\r\n"), 400, "malformed_request", True
    ),
    BadRequest("a bare CR in a value", _get(b"/agents", AUTH, b"x: a\rb\r\n"), 400, "malformed_request", True),
    BadRequest("a folded line", _get(b"/agents", AUTH, b"x: a\r\n b\r\n"), 400, "malformed_request", True),
    BadRequest("a blank before the colon", _get(b"/agents", b"x : a\r\n"), 400, "malformed_request", True),
    BadRequest("a NUL in a value", _get(b"/agents", b"x: a\x00b\r\n"), 400, "malformed_request", True),
    BadRequest("two equal lengths", _post(b"Content-Length: 15\r\n"), 400, "duplicate_header", True),
    BadRequest(
        "two equal lengths behind a request that is fine",
        _get(b"/agents", AUTH).replace(CLOSE, b"") + _post(b"Content-Length: 15\r\n"),
        400,
        "duplicate_header",
        True,
    ),
    BadRequest(
        "a list of equal lengths", _post(b"Content-Length: 15, 15\r\n", length=False), 400, "malformed_request", True
    ),
    BadRequest("a negative length", _post(b"Content-Length: -1\r\n", length=False), 400, "malformed_request", True),
    BadRequest(
        "length and chunks",
        _post(b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n").replace(CLOSE, b"") + SECOND,
        400,
        "malformed_request",
        True,
    ),
    BadRequest(
        "chunks and length",
        _head(b"POST / HTTP/1.1", AUTH, JSON, b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")
        + b"0\r\n\r\n"
        + SECOND,
        400,
        "malformed_request",
        True,
    ),
    BadRequest(
        "an encoding of transfer that is none",
        _post(b"Transfer-Encoding: gzip, chunked\r\n", length=False),
        400,
        "malformed_request",
        True,
    ),
    BadRequest(
        "a chunk that is none",
        _post(b"Transfer-Encoding: chunked\r\n", length=False, body=b"zz\r\n"),
        400,
        "malformed_request",
        True,
    ),
    BadRequest("two hosts", _get(b"/agents", b"Host: other\r\n"), 400, "duplicate_header", True),
]

REFUSED = [
    BadRequest("two tokens", _get(b"/agents", AUTH, AUTH), 400, "duplicate_header"),
    BadRequest("two keys", _post(b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n"), 400, "duplicate_header"),
    BadRequest("an address of 9 KB", _get(b"/" + b"a" * 9000), 414, "uri_too_long"),
    BadRequest("40 KB of headers", _get(b"/", b"x: " + b"a" * 40_000 + b"\r\n"), 431, "headers_too_large"),
    BadRequest("101 headers", _get(b"/", b"x: 1\r\n" * 101), 431, "headers_too_large"),
    BadRequest("a path that leads up", _get(b"/turns/../agents", AUTH), 404, "not_found"),
    BadRequest("a NUL in the path", _get(b"/agents%00", AUTH), 404, "not_found"),
    BadRequest("a broken escape", _get(b"/%zz", AUTH), 404, "not_found"),
    BadRequest(
        "another method", _head(b"PUT / HTTP/1.1", AUTH, CLOSE, b"Content-Length: 0\r\n"), 405, "method_not_allowed"
    ),
    BadRequest("TRACE", _head(b"TRACE / HTTP/1.1", AUTH, CLOSE), 405, "method_not_allowed"),
    BadRequest("an image is wanted", _get(b"/agents", AUTH, b"Accept: image/png\r\n"), 406, "not_acceptable"),
    BadRequest("no token", _get(b"/agents"), 401, "missing_token"),
    BadRequest("a token of three words", _get(b"/agents", b"Authorization: Bearer a.b.c\r\n"), 401, "invalid_token"),
    BadRequest(
        "another kind of content", _post().replace(b"application/json", b"text/plain"), 415, "unsupported_media_type"
    ),
    BadRequest("a compressed body", _post(b"Content-Encoding: gzip\r\n"), 415, "unsupported_encoding"),
    BadRequest(
        "ten gigabytes announced", _post(b"Content-Length: 10000000000\r\n", length=False), 413, "body_too_large"
    ),
    BadRequest("no JSON", _post(body=b"{"), 400, "invalid_json"),
    BadRequest("JSON with NaN", _post(body=b'{"message":NaN}'), 400, "invalid_json"),
    BadRequest("the same key twice", _post(body=b'{"message":"x","message":"y"}'), 400, "invalid_json"),
    BadRequest("5,000 lists in each other", _post(body=b"[" * 5000 + b"]" * 5000), 400, "invalid_json"),
    BadRequest("a control character", _post(body=b'{"message":"a\\u0000b"}'), 422, "invalid_request"),
    BadRequest("half a character", _post(body=b'{"message":"\\ud800"}'), 422, "invalid_request"),
    BadRequest("a field that does not exist", _post(body=b'{"message":"x","user_id":"y"}'), 422, "unknown_field"),
    BadRequest(
        "a text of 32,001 characters", _post(body=b'{"message":"%s"}' % (b"x" * 32_001)), 422, "invalid_request"
    ),
    BadRequest("a text that shows nothing", _post(body=b'{"message":"\\u200b"}'), 422, "invalid_request"),
    BadRequest(
        "more in chunks than is taken",
        _post(
            b"Transfer-Encoding: chunked\r\n",
            length=False,
            body=b"%x\r\n%s\r\n0\r\n\r\n" % (1_100_000, b" " * 1_100_000),
        ),
        413,
        "body_too_large",
    ),
    BadRequest("a page of none", _get(b"/conversations?limit=0", AUTH), 422, "invalid_request"),
    BadRequest("a parameter twice", _get(b"/conversations?limit=1&limit=1", AUTH), 422, "invalid_request"),
    BadRequest("an id in capitals", _get(b"/turns/ABCDEF01-1111-4111-8111-111111111111", AUTH), 404, "not_found"),
    BadRequest(
        "an id that does not exist", _get(b"/turns/11111111-1111-4111-8111-111111111111", AUTH), 404, "not_found"
    ),
    BadRequest("an expired token", _get(b"/agents", _token(exp=1)), 401, "token_expired"),
    BadRequest("another project's token", _get(b"/agents", _token(iss="https://other/auth/v1")), 401, "invalid_token"),
    BadRequest("a key in a token's place", _get(b"/agents", _token(role="service_role")), 403, "forbidden"),
    BadRequest("a user without a name", _get(b"/agents", _token(is_anonymous=True)), 403, "forbidden"),
    BadRequest("a user where operators look", _get(b"/stats", AUTH), 403, "operators_only"),
    BadRequest("a webhook where none is set up", _head(b"POST /hooks/openai HTTP/1.1", CLOSE), 404, "not_found"),
    BadRequest("a key with a blank", _post(b"Idempotency-Key: a b\r\n"), 400, "invalid_idempotency_key"),
]

TAKEN = [  # looks odd, and is fine
    ("a whole address as the target", _head(b"GET http://elsewhere/agents HTTP/1.1", AUTH, CLOSE)),
    ("leading zeros in the length", _post(b"Content-Length: 000000000000000000000000000015\r\n", length=False)),
    ("HTTP/1.0", _head(b"GET /agents HTTP/1.0", AUTH)),
]
