"""Every number that a request can send to the database fits there."""

from __future__ import annotations

import httpx
import pytest

from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, bearer

LARGEST = 2**31 - 1  # of an integer column


@pytest.mark.parametrize("value", [LARGEST, LARGEST + 1, 2**32, 2**53 - 1])
async def test_a_line_number_reaches_the_database_as_one_that_fits(
    http: httpx.AsyncClient, chat: FakeChat, value: int
) -> None:
    conversation = chat.add(ALICE).conversation_id
    path = f"/conversations/{conversation}"
    assert_answer(await http.get(f"{path}/messages?after_seq={value}", headers=bearer()), 200)
    assert_answer(await http.get(f"{path}/messages?before_seq={value}", headers=bearer()), 200)
    assert_answer(await http.patch(path, json={"read_seq": value}, headers=bearer()), 200)
    numbers = [number for call in chat.calls for number in _numbers(call)]
    assert numbers.count(LARGEST) == 3
    assert max(numbers) == LARGEST


def _numbers(value: object) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, int) else []


@pytest.mark.parametrize("value", ["9007199254740992", "99999999999999999999", "-1", "1e3"])
async def test_what_is_no_count_is_refused(http: httpx.AsyncClient, chat: FakeChat, value: str) -> None:
    path = f"/conversations/{chat.add(ALICE).conversation_id}/messages"
    for name in ("after_seq", "before_seq"):
        response = await http.get(f"{path}?{name}={value}", headers=bearer())
        assert_error(response, 422, "invalid_request", name)
    assert chat.calls == []
