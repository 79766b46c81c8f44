"""To everything that is sent the answer is one of ours: JSON, in one shape, and never a failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.multi_agent_chat.app import build_app
from shared.settings import load_settings
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import bearer

FIELDS = ["message", "conversation_id", "scope", "agent", "multitask_strategy", "wait_seconds", "metadata", "parts"]
_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "enqueue", "x"])
_names = st.sampled_from([*FIELDS, "kind", "key", "type", "text", "role"]) | st.text(max_size=5)
_values = st.recursive(_leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4))
_documents = st.dictionaries(st.sampled_from(FIELDS), _values, max_size=5)


def _post(content: bytes) -> httpx.Response:
    async def send() -> httpx.Response:
        chat: Any = FakeChat()
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
        app = build_app(load_settings(ENVIRONMENT), service=chat, store=chat, ping_provider=chat.ping, client=client)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://f") as http:
            headers = bearer() | {"content-type": "application/json"}
            return await http.post("/", content=content, headers=headers)

    return asyncio.run(send())


def _assert_ours(response: httpx.Response) -> None:
    assert response.status_code in (200, 400, 413, 422)
    if response.status_code == 200:
        assert_answer(response, 200)
    else:
        assert_error(response, response.status_code, response.json()["code"])


@settings(max_examples=150, deadline=None)
@given(document=_documents)
def test_documents(document: Any) -> None:
    _assert_ours(_post(json.dumps(document).encode()))


@settings(max_examples=100, deadline=None)
@given(document=_documents, cut=st.integers(0, 200), junk=st.binary(max_size=8))
def test_documents_with_a_bite_taken_out(document: Any, cut: int, junk: bytes) -> None:
    content = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    _assert_ours(_post(content[:cut] + junk + content[cut + len(junk) :]))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_bytes(content: bytes) -> None:
    response = _post(content)
    _assert_ours(response)


@settings(max_examples=100, deadline=None)
@given(text=st.text(min_size=1))
def test_texts_are_taken_as_they_are_or_not_at_all(text: str) -> None:
    response = _post(json.dumps({"message": text}).encode())
    _assert_ours(response)
