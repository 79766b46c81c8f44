"""Every number that a request can send to the database fits there."""

from __future__ import annotations

import httpx
import pytest

from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, bearer

LARGEST = 2**31 - 1  # of an integer column


@pytest.mark.parametrize("value", [LARGEST + 1, 2**32, 2**53, 2**63, 10**15])
async def test_a_line_number_beyond_the_databases_is_refused(
    http: httpx.AsyncClient, chat: FakeChat, value: int
) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}/messages?after_seq={value}"
    assert_error(await http.get(path, headers=bearer()), 422, "invalid_request", "after_seq")
    assert chat.calls == []


async def test_the_largest_is_taken(http: httpx.AsyncClient, chat: FakeChat) -> None:
    conversation = chat.add(ALICE).conversation_id
    path = f"/conversations/{conversation}/messages?after_seq={LARGEST}"
    assert assert_answer(await http.get(path, headers=bearer()), 200)["messages"] == []
    assert chat.calls == [("list_messages", conversation, LARGEST, 50)]
