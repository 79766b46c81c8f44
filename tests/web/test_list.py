"""The list of conversations: as long as it is, titled without asking, grouped by date."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Route, expect

from tests.web.canned import Canned, fulfil, row
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

ALONE = re.compile("/functions/v1/.*/conversations/")
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


def test_older_conversations_come_as_one_scrolls(writer: Person) -> None:
    one = writer
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
    alone: list[str] = []  # questions about one conversation, that which is open aside
    one.page.on("request", lambda request: alone.append(request.url) if ALONE.search(request.url) else None)
    one.page.reload()
    nav = one.page.get_by_role("navigation", name="Conversations")
    entries = nav.locator("li .title")
    expect(entries.first).to_have_text("Conversation 0")
    for end in (60, 75):
        nav.evaluate("(one) => (one.scrollTop = one.scrollHeight)")
        expect(entries).to_have_count(end)
    expect(entries.last).to_have_text("Conversation 74")
    expect(nav.get_by_role("button", name="Older conversations")).to_have_count(0)
    assert len(set(asked)) == 3
    assert [url for url in alone if one.conversation not in url] == []  # titles come with the list
    expect(nav.get_by_role("heading")).not_to_have_count(0)


def test_a_conversation_is_renamed_archived_found_and_opened_again(writer: Person) -> None:
    one = writer
    one.say("[[say a heron stands in the reeds]] birds")
    one.hears("a heron stands")
    one.expect_idle()
    one.does("Rename", "[[say a heron stands in the reeds]] birds")
    one.page.get_by_label("New title").fill("Water birds")
    one.page.get_by_label("New title").press("Enter")
    entry = one.list.get_by_role("button", name="Water birds", exact=True)
    expect(entry).to_be_visible()
    with one.page.expect_response(lambda answer: "archived" in (answer.request.post_data or "")) as closed:
        one.does("Archive", "Water birds")
    assert closed.value.ok
    expect(entry).to_have_count(0)
    one.page.reload()
    expect(one.list).to_have_attribute("aria-busy", "false")
    expect(entry).to_have_count(0)
    one.page.get_by_role("button", name="Archived conversations").click()
    expect(entry).to_be_visible()
    one.does("Open again", "Water birds")
    expect(entry).to_have_count(0)
    one.page.get_by_role("button", name="Back to the open ones").click()
    one.page.get_by_label("Search conversations").fill("heron ree")  # a word of the answer, the beginning of another
    expect(one.list.locator("li")).to_have_count(1)
    expect(entry).to_be_visible()
    one.page.get_by_label("Search conversations").fill("heron zebra")
    expect(one.list.get_by_text("No conversation has these words.")).to_be_visible()
    one.page.get_by_label("Search conversations").fill("")
    expect(entry).to_be_visible()


def test_answers_that_came_elsewhere_are_counted_until_they_are_seen(writer: Person) -> None:
    one = writer
    one.say("[[slow 2]] tell me later")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    one.page.get_by_role("button", name="New conversation").click()
    entry = one.list.locator("li").filter(has_text="tell me later")
    expect(entry.locator(".news")).to_have_text(re.compile("^1"))
    with one.page.expect_response(lambda answer: answer.request.method == "PATCH"):
        entry.locator("button").first.click()
    one.hears("Emulated reply 1")
    expect(entry.locator(".news")).to_have_count(0)
    one.page.reload()
    expect(one.list).to_have_attribute("aria-busy", "false")
    one.page.get_by_role("button", name="New conversation").click()
    expect(entry).to_be_visible()
    expect(entry.locator(".news")).to_have_count(0)


def test_a_conversation_is_saved_as_a_file(writer: Person) -> None:
    one = writer
    one.say("[[say **kept** on paper]] save me")
    one.hears("on paper")
    one.expect_idle()
    with one.page.expect_download() as saved:
        one.does("Save as a file", "[[say **kept** on paper]] save me")
    assert saved.value.suggested_filename.endswith(".md")
    assert "**kept** on paper" in saved.value.path().read_text()


def test_a_deletion_can_be_undone_for_a_moment_and_is_sent_at_once_by_a_page_that_is_left(writer: Person) -> None:
    one = writer
    for text in ("the first to go", "the second to go"):
        one.page.get_by_role("button", name="New conversation").click()
        one.say(text)
        one.hears(f"Emulated reply 1 to: {text}")
        one.expect_idle()
    first = one.list.locator(".title", has_text="the first to go")
    second = one.list.locator(".title", has_text="the second to go")
    sent: list[str] = []
    one.page.on("request", lambda request: sent.append(request.url) if request.method == "DELETE" else None)
    one.does("Delete", "the second to go")
    expect(second).to_have_count(0)
    expect(one.page.get_by_text("What shall we make?")).to_be_visible()  # it was open
    one.page.get_by_role("button", name="Undo").click()
    expect(second).to_be_visible()
    assert sent == []

    there = one.second_tab()
    there.page.clock.install()
    there.does("Delete", "the first to go")
    with there.page.expect_response(lambda answer: answer.request.method == "DELETE") as done:
        there.page.clock.fast_forward(6000)
    assert done.value.status == 204
    there.page.clock.resume()
    there.does("Delete", "the second to go")
    expect(there.page.get_by_text("Deleted: the second to go")).to_be_visible()
    there.page.goto("about:blank")
    expect(one.list.get_by_text("to go")).not_to_have_count(0)
    one.page.reload()
    expect(one.list).to_have_attribute("aria-busy", "false")
    expect(first).to_have_count(0)
    expect(second).to_have_count(0)


def test_a_conversation_that_was_deleted_elsewhere_goes_from_the_page(reader: Person) -> None:
    one = reader
    canned = Canned.of("a question", "\n\n".join(["A line."] * 60 + ["its answer"]))
    canned.serve(one.page)
    one.page.reload()
    one.hears("its answer")
    one.page.evaluate("document.querySelector('.scroller').scrollTop = 0")
    expect(one.page.get_by_role("button", name="To the end")).to_be_visible()
    gone = {"code": "not_found", "message": "There is no such conversation.", "retryable": False}
    one.page.unroute("**/functions/v1/**/conversations/*")
    one.page.route("**/functions/v1/**/conversations/*", lambda route: fulfil(route, gone, 404))
    one.page.evaluate("dispatchEvent(new Event('focus'))")
    expect(one.page.get_by_text("This conversation has been deleted.")).to_be_visible()
    one.sees_nothing_of("its answer")
    expect(one.page.get_by_role("button", name=re.compile("To the end|Something new below"))).to_have_count(0)
