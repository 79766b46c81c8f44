"""An answer that came while its reader was elsewhere: in the title, and as a notification where they asked for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import NewPerson
from tests.web.person import Person, until

pytestmark = pytest.mark.timeout(120)

# What the browser would show. It asks its user, and says yes for them.
NOTIFICATIONS = """
  window.asked = 0;
  window.notified = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() {
      asked += 1;
      return (this.permission = "granted");
    }
    constructor(title, options) { notified.push([title, options.body, this]); }
    close() {}
  };
"""


def test_an_answer_that_came_while_the_page_was_out_of_sight_is_told_of_in_the_title(writer: Person) -> None:
    one = writer
    one.page.evaluate("document.hasFocus = () => false")
    one.say("[[say while you were away]]")
    one.hears("while you were away")
    until(one.page, "document.title === '(1) Multi-agent chat'")
    one.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    assert one.page.title() == "Multi-agent chat"


def test_an_answer_in_another_conversation_is_told_of_as_was_asked_for(person: NewPerson) -> None:
    one = person()
    one.page.add_init_script(NOTIFICATIONS)
    one.page.reload()
    one.say("[[slow 2]] [[say the first answer]]")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    one.page.get_by_role("button", name="New conversation").click()
    until(one.page, "document.title === '(1) Multi-agent chat'")
    assert one.page.evaluate("[asked, notified.length]") == [0, 0]  # nothing is shown and nothing asked by itself
    one.list.locator("li .title").click()
    one.hears("the first answer")
    until(one.page, "document.title === 'Multi-agent chat'")

    one.page.get_by_role("button", name="Settings").click()
    one.page.get_by_role("button", name="Notifications: off").click()
    expect(one.page.get_by_role("button", name="Notifications: on")).to_be_visible()
    one.page.keyboard.press("Escape")
    one.say("[[slow 2]] [[say the second answer]]")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    first = one.conversation
    one.page.get_by_role("button", name="New conversation").click()
    until(one.page, "notified.length > 0")
    assert one.page.evaluate("notified.map(([title, body]) => [title, body])") == [
        ["Project manager", "the second answer"]
    ]
    until(one.page, "document.title === '(1) Multi-agent chat'")
    one.page.evaluate("notified[0][2].onclick()")
    expect(one.page).to_have_url(re.compile(f"#{first}$"))
    one.hears("the second answer")
    until(one.page, "document.title === 'Multi-agent chat'")
    assert one.page.evaluate("asked") == 1
