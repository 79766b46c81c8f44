from __future__ import annotations

import httpx
import pytest

from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import bearer

ASKED = "authorization, x-client-info, apikey, content-type, x-region, x-retry-count, traceparent, tracestate, baggage"


async def test_a_preflight_of_an_allowed_origin(http: httpx.AsyncClient) -> None:
    headers = {"access-control-request-method": "POST", "access-control-request-headers": ASKED}
    for path in ("/", "/turns/x/cancel", "/nowhere"):
        response = await http.options(path, headers=headers)
        assert response.status_code == 204
        assert response.content == b""
        assert response.headers.get_list("access-control-allow-origin") == [ORIGIN]
        allowed = {name.strip() for name in response.headers["access-control-allow-headers"].split(",")}
        assert {name.strip() for name in ASKED.split(",")} | {"idempotency-key", "last-event-id"} <= allowed
        methods = response.headers["access-control-allow-methods"].split(", ")
        assert {"GET", "POST", "PATCH", "DELETE", "OPTIONS"} <= set(methods)
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"]
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("asked", ["sentry-trace", "user-agent", "x-anything-at-all", "X-Posthog-Session-Id"])
async def test_an_allowed_origins_page_may_send_what_its_libraries_add(http: httpx.AsyncClient, asked: str) -> None:
    headers = {"access-control-request-method": "POST", "access-control-request-headers": f"authorization,{asked}"}
    response = await http.options("/", headers=headers)
    assert asked.lower() in response.headers["access-control-allow-headers"].split(", ")
    assert "authorization" in response.headers["access-control-allow-headers"].split(", ")
    assert response.headers["vary"] == "Origin, Access-Control-Request-Headers"
    other = await http.options("/", headers=headers | {"origin": "https://evil.example.com"})
    assert asked.lower() not in other.headers["access-control-allow-headers"].split(", ")


async def test_what_a_preflight_asks_for_is_bounded_and_well_formed(http: httpx.AsyncClient) -> None:
    asked = ", ".join(["a b", "", "x:y", "*", "y" * 65, *(f"x-{number}" for number in range(200))])
    headers = {"access-control-request-method": "POST", "access-control-request-headers": asked}
    response = await http.options("/", headers=headers)
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"a b", "", "x:y", "*", "y" * 65}.isdisjoint(allowed)
    assert len(allowed) < 80


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example.com", "null", "*", "", "https://app.example.com.evil.com", "http://app.example.com"),
        *(
            "https://app.example.com:444",
            "https://app.example.com/",
            "https://APP.example.com",
            "https://xapp.example.com",
        ),
        "https://app.example.com https://evil.example.com",
    ],
)
async def test_other_origins_are_told_nothing(http: httpx.AsyncClient, origin: str) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    for response in (await http.options("/", headers=headers), await http.get("/agents", headers={"origin": origin})):
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-expose-headers" not in response.headers
        assert "Origin" in response.headers["vary"]


async def test_without_an_origin_caches_are_warned_all_the_same(make_app: MakeApp) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app()), base_url="http://f") as http:
        response = await http.get("/health")
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


async def test_answers_of_all_kinds_may_be_read_by_the_page(http: httpx.AsyncClient, chat: FakeChat) -> None:
    assert_answer(await http.get("/agents", headers=bearer()), 200)
    assert_error(await http.get("/agents"), 401, "missing_token")
    assert_error(await http.get("/" + "x" * 9000), 414, "uri_too_long")
    chat.error = RuntimeError("x")
    assert_error(await http.get("/agents", headers=bearer()), 500, "internal_error")
    exposed = (await http.get("/agents")).headers["access-control-expose-headers"]
    assert {"retry-after", "x-request-id", "location"} <= {name.strip() for name in exposed.split(",")}


async def test_no_origin_is_allowed_unless_one_is_named(make_app: MakeApp) -> None:
    transport = httpx.ASGITransport(app=make_app(ALLOWED_ORIGINS=""))
    async with httpx.AsyncClient(transport=transport, base_url="http://f") as http:
        response = await http.get("/health", headers={"origin": ORIGIN})
    assert "access-control-allow-origin" not in response.headers
