"""The list of conversations: as long as it is, titled without asking, grouped by date."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Route, expect

from tests.web.canned import fulfil, row
from tests.web.conftest import NewPerson

pytestmark = pytest.mark.timeout(120)

LISTED = "**/functions/v1/**/conversations?*"


def rows(number: int) -> list[dict[str, Any]]:
    """Conversations with titles of the server, one a day back from 2026."""
    return [
        row(
            str(uuid.UUID(int=index + (4 << 76) + (8 << 60))),
            title=f"Conversation {index}",
            updated_at=f"20{26 - index // 12:02}-{12 - index % 12:02}-01T00:00:00Z",
        )
        for index in range(number)
    ]


def test_older_conversations_come_as_one_scrolls(person: NewPerson) -> None:
    one = person()
    every = rows(75)
    asked: list[str | None] = []

    def serve(route: Route) -> None:
        query = parse_qs(urlparse(route.request.url).query)
        before = query.get("before", [None])[0]
        asked.append(before)
        at = 0 if before is None else next(i for i, one in enumerate(every) if one["conversation_id"] == before) + 1
        page = every[at : at + int(query["limit"][0])]
        more = page[-1]["conversation_id"] if at + len(page) < len(every) else None
        fulfil(route, {"conversations": page, "next_before": more})

    one.page.route(LISTED, serve)
    one.page.reload()
    nav = one.page.get_by_role("navigation", name="Conversations")
    entries = nav.locator("li")
    expect(entries.first).to_have_text("Conversation 0")
    for end in (60, 75):
        nav.evaluate("(one) => (one.scrollTop = one.scrollHeight)")
        expect(entries).to_have_count(end)
    expect(entries.last).to_have_text("Conversation 74")
    expect(nav.get_by_role("button", name="Older conversations")).to_have_count(0)
    assert len(set(asked)) == 3
    expect(nav.get_by_role("heading")).not_to_have_count(0)


def test_titles_are_asked_for_once_in_a_browser(person: NewPerson) -> None:
    one = person()
    one.say("the first one")
    one.sees("Emulated reply 1")
    one.expect_idle()
    asked: list[str] = []
    one.page.on(
        "request",
        lambda request: asked.append(request.url) if "limit=1" in request.url.split("?")[-1].split("&") else None,
    )
    nav = one.page.get_by_role("navigation", name="Conversations")
    expect(nav.get_by_role("button", name="the first one")).to_be_visible()
    one.page.get_by_role("button", name="New conversation").click()
    one.say("the second one")
    expect(nav.get_by_role("button", name="the second one")).to_be_visible()
    one.expect_idle()
    one.page.reload()
    expect(nav.get_by_role("button", name="the first one")).to_be_visible()
    expect(nav.get_by_role("button", name="the second one")).to_be_visible()
    assert asked == []
