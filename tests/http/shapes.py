"""What every answer looks like: one helper for every exit."""

from __future__ import annotations

import re
from typing import Any

import httpx

ORIGIN = "https://app.example.com"
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def assert_answer(response: httpx.Response, status: int) -> Any:
    """The JSON of an answer that has the right status and every header that all answers have."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers.get_list("content-type") == ["application/json"]
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert len(response.headers.get_list("x-request-id")) == 1
    assert _REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers
    if response.request.headers.get("origin") == ORIGIN:
        assert response.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert "x-request-id" in response.headers["access-control-expose-headers"]
    else:
        assert "access-control-allow-origin" not in response.headers
    if response.request.method == "HEAD":
        return {}
    return response.json()


def assert_error(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    body = assert_answer(response, status)
    if response.request.method == "HEAD":
        return {}
    assert set(body) - {"details"} == {"code", "message", "request_id", "retryable"}
    assert body["code"] == code, body
    assert body["request_id"] == response.headers["x-request-id"]
    assert isinstance(body["message"], str)
    assert body["message"]
    assert isinstance(body["retryable"], bool)
    if field is not None:
        assert body["details"]["field"] == field, body
    if status in (429, 503):
        assert int(response.headers["retry-after"]) >= 1
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    return dict(body)
