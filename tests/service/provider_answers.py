"""The table: what a provider answers to a create or to a look at a run, and what must come of the turn.

A create's answer comes once, unless `always`; a look's comes twice. `runs` is how many runs the provider may have of
the turn: one and no more wherever the outcome of the create was in doubt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.service.scripted import Answer, error, http, http_date

WIRES = ("responses", "assistants")
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
BIG = b"[" + b" " * (10 * 1024 * 1024) + b"]"
LOCKED = "Another process is currently operating on this conversation. Please retry in a few seconds."


@dataclass(frozen=True)
class Row:
    name: str
    answer: Answer
    status: str = "completed"  # "open" is any that is not final
    code: str | None = None
    runs: int = 1
    at: str = "create"
    always: bool = False
    wires: tuple[str, ...] = WIRES
    wait: float = 25.0
    attempts: int | None = None  # creates sent at most


def html(status: int) -> Answer:
    return http(status, HTML, content_type="text/html")


def changed(**fields: Any) -> Answer:
    """What the emulator says, with fields replaced; it has taken effect."""
    return Answer(rewrite=lambda body: {**body, **fields})


def without(*names: str) -> Answer:
    return Answer(rewrite=lambda body: {name: value for name, value in body.items() if name not in names})


def only(*names: str) -> Answer:
    return Answer(rewrite=lambda body: {name: body[name] for name in names if name in body})


WHOLE = json.dumps({"id": "r_1", "object": "response", "status": "queued", "background": True})
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n"

# A definite no: nothing was started, nothing is tried again.
NEVER = [
    Row("400 always", error(400), "failed", "provider_refused", 0, always=True, attempts=2),
    Row("400 without a body, always", http(400), "failed", "provider_refused", 0, always=True, attempts=2),
    Row("401", error(401, "invalid_api_key"), "failed", "provider_auth", 0),
    Row("402", error(402), "failed", "provider_quota", 0),
    Row("403 HTML", html(403), "failed", "provider_auth", 0),
    Row("404 model", error(404, "model_not_found", "The model `x` does not exist"), "failed", "provider_model", 0),
    Row("404 no such route", html(404), "failed", "provider_api_absent", 0, wires=("assistants",)),
    Row("405", html(405), "failed", "provider_api_absent", 0, wires=("assistants",)),
    Row("418", http(418, "short and stout", content_type="text/plain"), "failed", "provider_refused", 0),
    Row("429 insufficient_quota", error(429, "insufficient_quota"), "failed", "provider_quota", 0),
    Row("301", http(301, location="https://elsewhere.invalid/v1/x"), "failed", "provider_refused", 0),
    Row("307", http(307, location="https://elsewhere.invalid/v1/x"), "failed", "provider_refused", 0),
    Row("304", http(304), "failed", "provider_refused", 0),
]

# A definite no that may be about what stands in the thread: once a new one is tried, and no more.
TOO_LARGE = "Request too large for model-x on tokens per min (TPM): Limit 30000, Requested 31538."
USED_UP = (
    "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 1200. Please try again in 0.2s."
)
UNPAIRED = "Item 'rs_1' of type 'reasoning' was provided without its required following item."
TOO_MANY = "This model's maximum context length is 8 tokens."
REFUSED_CONTENTS = [
    ("400 context_length_exceeded", error(400, "context_length_exceeded"), "context_too_long"),
    ("400 too many tokens", error(400, message=TOO_MANY), "context_too_long"),
    ("429 more than the limit", error(429, "rate_limit_exceeded", TOO_LARGE), "context_too_long"),
    ("400 invalid_prompt", error(400, "invalid_prompt", "Invalid prompt: flagged."), "content_flagged"),
    ("403 content_filter", error(403, "content_filter"), "content_flagged"),
    ("400 reasoning", error(400, message=UNPAIRED), "provider_refused"),
    ("400 duplicate", error(400, message="Duplicate item found with id rs_1."), "provider_refused"),
    ("404 item", error(404, message="Item with id 'rs_1' not found."), "provider_refused"),
]
CONTENTS = [
    Row("400", error(400)),
    Row("400 without a body", http(400)),
    Row("413", error(413, message="Request too large")),
    Row("422", error(422)),
    *(Row(name, answer) for name, answer, _ in REFUSED_CONTENTS),
    *(
        Row(f"{name}, always", answer, "failed", code, 0, always=True, attempts=2)
        for name, answer, code in REFUSED_CONTENTS
    ),
]

# A definite "not now": it is tried again, and costs no attempt.
LATER = [
    Row("429", error(429, "rate_limit_exceeded")),
    Row("429 without a body", http(429)),
    Row("429 HTML", html(429)),
    Row("429 Retry-After 0", error(429, retry_after="0")),
    Row("429 Retry-After 1", error(429, retry_after="1")),
    Row("429 Retry-After 0.3", error(429, retry_after="0.3")),
    Row("429 Retry-After is a date in the past", error(429, retry_after=http_date(-3600))),
    Row("429 Retry-After is a date to come", error(429, retry_after=http_date(2))),
    Row("429 Retry-After is nonsense", error(429, retry_after="soon")),
    Row("429 Retry-After is negative", error(429, retry_after="-30")),
    Row("429 Retry-After is infinite", error(429, retry_after="inf")),
    Row("429 with a time in words", error(429, "rate_limit_exceeded", USED_UP)),
    Row("429 x-ratelimit-reset-tokens", error(429, x_ratelimit_reset_tokens="300ms")),
    Row("429 x-ratelimit-reset", error(429, x_ratelimit_reset="1")),
    Row("429 Retry-After is huge", error(429, retry_after="99999999"), "queued", None, 0, wait=3.0, attempts=1),
    Row("429 retry-after-ms", error(429, retry_after_ms="200", retry_after="30")),
    Row("409 conversation_locked", error(409, "conversation_locked", LOCKED)),
    Row("400 conversation_locked", error(400, "conversation_locked", LOCKED)),
    Row(
        "400 thread has an active run",
        error(400, message="Thread thread_abc already has an active run run_abcdefghijklmnopqrstuvwx."),
    ),
]

# The create may or may not have been taken: in both cases there is one run in the end.
UNKNOWN = {
    "500": error(500),
    "500 without a body": http(500),
    "501": http(501, "{}"),
    "502 HTML": html(502),
    "503": error(503, "server_overloaded"),
    "503 Retry-After": error(503, retry_after="1"),
    "504 without a body": http(504),
    "408": error(408),
    "499": http(499),
    "520 HTML": html(520),
    "529": error(529, "overloaded_error"),
    "599": http(599, "x", content_type="text/plain"),
    "200 truncated JSON": http(200, WHOLE[:30]),
    "200 shorter than announced": http(200, WHOLE, length=4000),
    "200 HTML": html(200),
    "200 without a body": http(200),
    "200 nothing but blanks": http(200, b"   \r\n"),
    "200 an array": http(200, [1, 2]),
    "200 a number": http(200, b"7"),
    "200 null": http(200, b"null"),
    "200 not UTF-8": http(200, b'{"id": "\xff\xfe'),
    "200 nested without end": http(200, b'{"a":' * 7000),
    "200 of 10 MB": http(200, BIG),
    "200 of 10 MB and more to come": replace(http(200, BIG, length=40 * 1024 * 1024), then="hang"),
    "200 wrongly encoded": http(200, WHOLE, content_encoding="gzip"),
    "200 with an error": http(200, {"error": {"message": "upstream failed", "code": 502}}),
    "200 with no id": http(200, {"object": "response", "status": "queued"}),
    "200 with an id of null": http(200, {"id": None, "status": "queued"}),
    "204": http(204),
    "connection closed": Answer(),
    "connection reset": Answer(then="reset"),
    "reset in the head": Answer((b"HTTP/1.1 200 OK\r\ncontent-ty",), then="reset"),
    "reset in the body": Answer((HEAD + WHOLE[:20].encode(),), then="reset"),
    "no answer": Answer(then="hang"),
    "head without end": Answer((HEAD[:-2],), then="hang"),
    "slow drip": Answer(tuple(bytes([byte]) for byte in HEAD + WHOLE.encode()), pause=0.05),
    "not HTTP": Answer((b"SSH-2.0-OpenSSH_9.2p1\r\n",)),
    "100 and then nothing": Answer((b"HTTP/1.1 100 Continue\r\n\r\n",)),
    "101": Answer((b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",)),
    "103 and then 500": Answer((b"HTTP/1.1 103 Early Hints\r\n\r\n", *http(500).pieces)),
    "status of 0": Answer((b"HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n",)),
}
DOUBT = [
    *(Row(f"{name}, not taken", answer) for name, answer in UNKNOWN.items()),
    *(Row(f"{name}, taken", replace(answer, accepted=True)) for name, answer in UNKNOWN.items()),
    Row("500 always", error(500), "failed", "provider_unavailable", 0, always=True, attempts=4),
    Row("500 always, taken", replace(error(500), accepted=True), always=True),
    Row("429 always", error(429, retry_after="0.2"), "open", None, 0, always=True, wait=4.0),
]

# Taken and told, in a way of its own.
TOLD = [
    Row("status unknown", changed(status="thinking")),
    Row("status null", changed(status=None)),
    Row("no status", without("status")),
    Row("fields null", changed(metadata=None, usage=None, created_at=None, output=None, instructions=None)),
    Row("little more than an id", only("id", "status", "conversation", "thread_id")),
    Row("no conversation", without("conversation"), wires=("responses",)),
]

LOOKS = {
    "500": error(500),
    "503 Retry-After": error(503, retry_after="1"),
    "502 HTML": html(502),
    "429 Retry-After": error(429, retry_after="1"),
    "429 Retry-After is huge": error(429, retry_after="99999999"),
    "401": error(401, "invalid_api_key"),
    "408": http(408),
    "204": http(204),
    "302": http(302, location="https://elsewhere.invalid/"),
    "200 truncated JSON": http(200, WHOLE[:30]),
    "200 HTML": html(200),
    "200 without a body": http(200),
    "200 of 10 MB": http(200, BIG),
    "200 with an error": http(200, {"error": {"message": "upstream failed"}}),
    "no answer": Answer(then="hang"),
    "slow drip": Answer(tuple(bytes([byte]) for byte in HEAD), pause=0.05),
    "reset in the body": Answer((HEAD,), then="reset"),
    "connection closed": Answer(),
    "status unknown": changed(status="thinking"),
    "status null": changed(status=None),
    "no id": without("id"),
    "fields null": changed(metadata=None, usage=None, last_error=None, error=None),
}
POLLED = [
    *(Row(f"look: {name}", answer, at="look") for name, answer in LOOKS.items()),
    Row(
        "look: 404",
        error(404, message="No run found with id 'run_x'."),
        "completed",  # by what the run has left in the thread, or the list of runs shows
        None,
        at="look",
        always=True,
    ),
    Row("look: 500 always", error(500), "running", None, at="look", always=True, wait=3.0),
]

TABLE = [*NEVER, *CONTENTS, *LATER, *DOUBT, *TOLD, *POLLED]
