"""What operators may ask, and what of it is refused. Who they are, tests/security holds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.conftest import MakeApp
from tests.http.fakes import FakeChat
from tests.http.shapes import ORIGIN, assert_answer, assert_error
from tests.http.tokens import ALICE, BOB, bearer


@pytest.fixture
async def operator(make_app: MakeApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(OPERATOR_ROLE="operator"))
    headers = {"origin": ORIGIN} | bearer(BOB, app_metadata={"roles": ["operator"]})
    async with httpx.AsyncClient(transport=transport, base_url="http://function", headers=headers) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "window", "bucket", "seconds"),
    [
        ("", "24h", "1h", (86_400, 3600)),
        ("?window=1h", "1h", "1h", (3600, 3600)),
        ("?window=6h&bucket=5m", "6h", "5m", (21_600, 300)),
        ("?window=24h&bucket=5m", "24h", "5m", (86_400, 300)),
        ("?window=7d&bucket=5m", "7d", "1h", (604_800, 3600)),
        ("?window=30d", "30d", "6h", (2_592_000, 21_600)),
        ("?window=90d&bucket=1d", "90d", "1d", (7_776_000, 86_400)),
        ("?window=1h&bucket=1d", "1h", "1h", (3600, 3600)),
    ],
)
async def test_windows_and_buckets(
    operator: httpx.AsyncClient, chat: FakeChat, asked: str, window: str, bucket: str, seconds: tuple[int, int]
) -> None:
    told = assert_answer(await operator.get(f"/stats{asked}"), 200)
    assert (told["window"], told["bucket"]) == (window, bucket)
    assert chat.calls == [("get_statistics", *seconds)]
    assert told["totals"]["provider_rate_limited"] == 5
    assert [(one["provider"], one["open_ms"]) for one in told["breakers"]] == [("responses", 30_000)]


@pytest.mark.parametrize(
    "path",
    [
        "/stats?window=25h",
        "/stats?bucket=7m",
        "/stats?window=1h&window=6h",
        "/stats/turns?state=done",
        "/stats/feedback?limit=x",
    ]
    + [f"/stats/turns?limit={limit}" for limit in ("0", "101", "x")],
)
async def test_what_is_not_understood_is_said(operator: httpx.AsyncClient, chat: FakeChat, path: str) -> None:
    assert_error(await operator.get(path), 422, "invalid_request")
    assert chat.calls == []


async def test_what_people_think_of_answers(operator: httpx.AsyncClient, chat: FakeChat) -> None:
    turn = chat.add(ALICE)
    told = assert_answer(await operator.get("/stats/feedback?limit=7"), 200)
    assert [one["turn_id"] for one in told["feedback"]] == [turn.turn_id]
    assert chat.calls == [("list_feedback", 7)]


async def test_the_turns_of_all_users_and_one_timeline(operator: httpx.AsyncClient, chat: FakeChat) -> None:
    turns = [chat.add(ALICE), chat.add(BOB)]
    listed = assert_answer(await operator.get("/stats/turns?state=slow&limit=7"), 200)["turns"]
    assert [one["turn_id"] for one in listed] == [turn.turn_id for turn in turns]
    assert chat.calls == [("list_watched", "slow", 7)]
    told = assert_answer(await operator.get(f"/stats/turns/{turns[0].turn_id}"), 200)
    assert [span["kind"] for span in told["spans"]] == ["queued", "starting"]
    for answer in (listed, told):
        assert turns[0].text not in str(answer)
        assert str(turns[0].reply) not in str(answer)
