"""What the page says of its state is true: offline, unreachable, loading."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.web.canned import fulfil, row
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

SILENT = "The server does not answer."


def test_offline_a_message_is_not_said_to_be_on_its_way(writer: Person) -> None:
    one = writer
    one.page.context.set_offline(True)
    one.say("in the tunnel")
    one.sees("Not sent yet: it goes out when you are online again")
    expect(one.page.get_by_text("You are offline.")).to_be_visible()
    expect(one.page.get_by_text(re.compile("Sending|under way|does not answer"))).to_have_count(0)
    one.box.fill("another")
    expect(one.page.get_by_role("button", name="Other ways to send")).to_have_count(0)
    one.box.fill("")
    one.page.context.set_offline(False)
    one.sees("Emulated reply 1 to: in the tunnel")


def test_the_server_is_not_said_to_be_silent_while_it_streams(writer: Person) -> None:
    one = writer
    failed: list[str] = []

    def fail(route: Route) -> None:
        failed.append(route.request.url)
        route.abort()

    one.page.route(re.compile("/conversations/[0-9a-f-]{36}$"), fail)
    one.say(f"[[slow 6]] [[say {' '.join(f'word-{number}' for number in range(60))}]]")
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("word-1")
    expect(reply).to_contain_text("word-30")
    assert len(failed) > 1
    expect(one.page.get_by_text(SILENT)).to_have_count(0)
    expect(reply).to_contain_text("word-59")
    expect(one.page.get_by_text(SILENT)).to_be_visible()  # now there is no other sign of it
    one.page.unroute(re.compile("/conversations/[0-9a-f-]{36}$"))
    expect(one.page.get_by_text(SILENT)).to_have_count(0)


def test_a_list_that_is_not_there_yet_is_not_shown_as_empty(writer: Person) -> None:
    one = writer
    held: list[Route] = []
    one.page.route(re.compile(r"/conversations\?limit="), lambda route: held.append(route))
    one.page.reload()
    expect(one.box).to_be_focused()
    nav = one.page.get_by_role("navigation", name="Conversations")
    expect(nav).to_have_attribute("aria-busy", "true")
    expect(nav.locator(".skeleton")).to_be_visible()
    expect(nav.get_by_text("will be listed here")).to_have_count(0)
    listed = {"conversations": [row(one.conversation, title="A title of the server")], "next_before": None}
    for route in held:
        fulfil(route, listed)
    expect(nav.get_by_role("button", name="A title of the server", exact=True)).to_be_visible()
    expect(nav).to_have_attribute("aria-busy", "false")


def test_a_conversation_that_is_not_there_yet_is_not_shown_as_empty(writer: Person) -> None:
    one = writer
    one.say("[[say there]]")
    one.hears("there")
    one.expect_idle()
    held: list[Route] = []
    one.page.route("**/conversations/*/messages?*", lambda route: held.append(route))
    one.page.reload()
    expect(one.page.locator(".chat .skeleton")).to_be_visible()
    expect(one.page.get_by_text("What shall we make?")).to_have_count(0)
    one.page.unroute("**/conversations/*/messages?*")
    for route in held:
        route.continue_()
    one.hears("there")
