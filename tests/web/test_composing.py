"""Writing: what is pasted, how long it may be, how it begins, and the keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import NewPerson
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

PASTE = """(text) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  const box = document.activeElement;
  if (box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })))
    document.execCommand("insertText", false, text);
}"""


def paste(one: Person, text: str) -> None:
    one.box.focus()
    one.page.evaluate(PASTE, text)


def test_control_characters_of_what_was_pasted_are_left_out(writer: Person) -> None:
    one = writer
    paste(one, "a\x00b\x1b[31mred\x07\ttab\u0085line")
    expect(one.box).to_have_value("ab[31mred\ttab\nline")
    one.box.press("Enter")
    one.sees("ab[31mred")
    one.sees("Emulated reply 1")
    expect(one.page.get_by_role("alert")).to_have_count(0)


def test_the_room_that_is_left_is_counted_near_the_limit(writer: Person) -> None:
    one = writer
    one.box.fill("x" * 30_000)
    expect(one.page.locator(".count")).to_have_count(0)
    one.box.fill("x" * 31_900)
    expect(one.page.locator(".count")).to_have_text("Room for 100 more letters.")
    one.box.fill("\N{GRINNING FACE}" * 32_010)
    expect(one.page.locator(".count")).to_have_text("Too long by 10 of 32,000 letters. Shorten it or send it in parts.")
    expect(one.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    one.box.press("Enter")
    expect(one.messages.locator("li")).to_have_count(0)


def test_a_starter_fills_the_box_and_sends_nothing(writer: Person) -> None:
    one = writer
    one.page.get_by_role("button", name="Write a script about a lighthouse.").click()
    expect(one.box).to_have_value("Write a script about a lighthouse.")
    expect(one.box).to_be_focused()
    expect(one.messages.locator("li")).to_have_count(0)


def test_the_agent_in_charge_is_named_and_the_others_are_described(writer: Person) -> None:
    one = writer
    one.say('[[tool transfer_to_script_writer {"task": "Write it."}]] go')
    one.expect_idle()
    to = one.page.get_by_role("button", name="Choose who answers")
    expect(to).to_contain_text("Script writer")
    to.click()
    other = one.page.get_by_role("button", name=re.compile("^Scene describer"))
    expect(other.locator("span")).not_to_be_empty()
    other.click()
    expect(to).to_contain_text("Scene describer")
    one.say("[[who]]")
    expect(one.messages.locator(".speaker").last).to_have_text("Scene describer")


def test_shortcuts_are_listed_and_work(writer: Person) -> None:
    one = writer
    before = one.conversation
    keyboard = one.page.keyboard
    one.page.get_by_role("button", name="Settings").focus()
    keyboard.press("?")
    sheet = one.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Stop the answer")
    keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    keyboard.press("/")
    expect(one.box).to_be_focused()
    one.say("[[slow 20]] long")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    keyboard.press("Escape")
    one.sees("Stopped.")
    keyboard.press("Control+Shift+O")
    expect(one.page.get_by_text("What shall we make?")).to_be_visible()
    assert one.conversation != before


def test_the_theme_is_chosen_and_kept(person: NewPerson) -> None:
    one = person(color_scheme="light")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = one.page.evaluate(colour)
    one.page.get_by_role("button", name="Settings").click()
    theme = one.page.get_by_role("button", name="Colours")
    theme.click()
    expect(theme).to_have_text("Colours: light")
    theme.click()
    expect(theme).to_have_text("Colours: dark")
    assert one.page.evaluate(colour) != light
    one.page.reload()
    expect(one.box).to_be_focused()
    assert one.page.evaluate(colour) != light  # the script that does it runs under the page's own policy
    assert one.page.evaluate("document.documentElement.dataset.theme") == "dark"
