"""Messages that wait: how one is sent while another is answered, and what can be done with it in line."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)


def busy(one: Person, seconds: int = 30) -> Person:
    one.say(f"[[slow {seconds}]] long")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    return one


def test_a_way_of_sending_holds_for_one_message(writer: Person) -> None:
    one = busy(writer)
    one.say("[[slow 30]] instead", "Interrupt")
    one.sees("Interrupted by a later message.")
    one.sees("instead")
    one.say("and then")
    one.sees_waiting("and then")
    expect(one.messages.get_by_text("Interrupted by a later message.")).to_have_count(1)
    one.page.get_by_role("button", name="Stop the answer").click()
    one.sees(re.compile("to: and then"))


def test_ways_of_sending_are_shown_when_there_is_something_to_send(writer: Person) -> None:
    one = busy(writer)
    more = one.page.get_by_role("button", name="Other ways to send")
    expect(more).to_have_count(0)
    one.box.fill("something")
    more.click()
    expect(one.page.get_by_role("button", name=re.compile("^Interrupt"))).to_contain_text("Stops the present answer")


def test_a_message_that_is_added_joins_the_one_that_waits(writer: Person) -> None:
    one = busy(writer)
    one.say("the first part")
    one.sees_waiting("the first part")
    one.say("the second part", "Add to next")
    one.sees_waiting("the first part\n\nthe second part")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.sees(re.compile("to: the first part"))
    one.expect_idle()
    expect(one.messages.locator(".bubble").last).to_contain_text("the second part")


def test_a_waiting_message_is_edited_with_the_up_arrow(writer: Person) -> None:
    one = busy(writer)
    one.say("a mistaek")
    one.sees_waiting("a mistaek")
    one.box.press("ArrowUp")
    expect(one.box).to_have_value("a mistaek")
    one.box.press("Escape")
    expect(one.box).to_have_value("")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()  # Escape has stopped nothing
    one.box.press("ArrowUp")
    one.box.fill("no mistake")
    one.box.press("Enter")
    one.sees_waiting("no mistake")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.sees(re.compile("to: no mistake"))
    one.sees_nothing_of("a mistaek")


def test_an_edit_that_comes_too_late_is_in_the_box(writer: Person) -> None:
    one = busy(writer)
    one.say("[[slow 20]] [[say it has begun and goes on for a while]]")
    one.page.get_by_role("button", name="Edit: ").click()
    expect(one.box).not_to_have_value("")
    one.box.fill("changed")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.hears("it has")
    one.box.press("Enter")
    expect(one.page.get_by_role("alert")).to_contain_text("being answered already")
    expect(one.box).to_have_value("changed")
    one.page.keyboard.press("Escape")
    one.sees("Stopped.")


def test_a_waiting_message_is_answered_now(writer: Person) -> None:
    one = busy(writer)
    one.say("first in line")
    one.say("the urgent one")
    one.sees_waiting("first in line", "the urgent one")
    one.page.get_by_role("button", name="Answer now: the urgent one").click()
    one.sees(re.compile("to: the urgent one"))
    one.sees(re.compile("to: first in line"))
    one.expect_idle()


def test_the_line_is_cleared(writer: Person) -> None:
    one = busy(writer)
    one.say("one")
    one.say("two")
    one.sees_waiting("one", "two")
    one.page.get_by_role("button", name="Clear").click()
    expect(one.queue).to_have_count(0)
    expect(one.box).to_be_focused()
    one.page.keyboard.press("Escape")
    one.sees("Stopped.")
    one.expect_idle()
    expect(one.messages.locator(".bubble")).to_have_count(1)
