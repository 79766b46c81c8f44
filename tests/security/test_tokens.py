"""A signed token may still hold anything: each claim has a type before it means something."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jwt
import pytest

from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import SECRET, claims

STRANGE: list[Any] = [[], ["authenticated"], {}, {"a": 1}, 0, 1, True, False, 1.5, ["service_role"], 10**400]


def signed(**changes: Any) -> dict[str, str]:
    """A token that a library would refuse to make: its signature is right."""
    payload = json.dumps(claims(**changes)).encode()
    return {"authorization": f"Bearer {jwt.PyJWS().encode(payload, SECRET, 'HS256')}"}


@pytest.mark.parametrize("claim", ["role", "sub", "iss"])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
async def test_a_claim_of_another_type_is_no_claim(
    http: httpx.AsyncClient, chat: FakeChat, claim: str, value: Any
) -> None:
    response = await http.post("/", json={"message": "x"}, headers=signed(**{claim: value}))
    assert_error(response, 401, "invalid_token")
    assert chat.asks == []


@pytest.mark.parametrize("value", [{}, 1, True, ["authenticated", 1], [["authenticated"]], [{}], ["other"], "x", []])
async def test_an_audience_is_a_text_or_a_list_of_texts(http: httpx.AsyncClient, value: Any) -> None:
    assert_error(await http.get("/agents", headers=signed(aud=value)), 401, "invalid_token")


async def test_an_audience_may_be_a_list(http: httpx.AsyncClient) -> None:
    assert_answer(await http.get("/agents", headers=signed(aud=["other", "authenticated"])), 200)


@pytest.mark.parametrize("value", ["false", 1, {"a": 1}, ["x"]])
async def test_whether_it_is_anonymous_is_a_bool(http: httpx.AsyncClient, value: Any) -> None:
    assert_error(await http.get("/agents", headers=signed(is_anonymous=value)), 401, "invalid_token")


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", [], {}, True, 1e300, -1e300, float("nan"), float("inf"), 10**400], ids=str)
async def test_a_time_is_a_number_that_a_date_can_have(http: httpx.AsyncClient, claim: str, value: Any) -> None:
    assert_error(await http.get("/agents", headers=signed(**{claim: value})), 401, "invalid_token")
