"""Usable by keyboard and screen reader, on a phone, in the light and in the dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dev.cli import CHECKOUT
from tests.e2e.stack import Stack
from tests.web.canned import Canned
from tests.web.conftest import NewPerson
from tests.web.person import Person, until

pytestmark = pytest.mark.timeout(120)

AXE = CHECKOUT / "web/node_modules/axe-core/axe.min.js"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TARGET_PX = 44


def faults(page: Page) -> list[str]:
    """What axe finds serious, moderate faults included."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_has_no_faults(browser: Browser, running: Stack, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(running.web or "")
    page.get_by_role("button", name="Create an account").click()
    assert faults(page) == []
    page.close()


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_a_busy_conversation_has_no_faults(person: NewPerson, device: dict[str, Any]) -> None:
    one = person(reduced_motion="reduce", **device)
    one.say("Write a script about a lighthouse.")
    one.sees(re.compile("Emulated script"))
    one.expect_idle()
    one.say("[[say | a | b |]] [[say - one\n- two\n\n`code`]]")
    one.say("[[incomplete]] fail")
    one.sees("The answer was cut off.")
    one.say("[[slow 30]] long")
    one.say("waiting")
    one.sees_waiting("waiting")
    one.say("refused", "Only if free")
    expect(one.page.get_by_role("alert")).to_be_visible()
    for scheme in ("light", "dark"):
        one.page.emulate_media(color_scheme=scheme)
        assert faults(one.page) == []
    wide = one.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide
    if device:
        buttons = one.page.locator("button:visible, summary:visible").all()
        assert [b.inner_text() for b in buttons if (b.bounding_box() or {"height": 0})["height"] < TARGET_PX] == []
    one.page.get_by_role("button", name="Stop the answer").click()


def test_everything_can_be_done_with_the_keyboard(writer: Person) -> None:
    one = writer
    keyboard = one.page.keyboard
    keyboard.type("[[slow 30]] hello")
    keyboard.press("Shift+Enter")
    keyboard.type("and a second line")
    keyboard.press("Enter")
    one.sees("Project manager")
    stop = one.page.get_by_role("button", name="Stop the answer")
    expect(stop).to_be_visible()
    keyboard.type("another")
    keyboard.press("Tab")
    expect(stop).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(one.page.get_by_role("button", name="Other ways to send")).to_be_focused()
    keyboard.press("Enter")
    expect(one.page.get_by_role("button", name=re.compile("^Wait in line"))).to_be_focused()
    keyboard.press("ArrowDown")
    expect(one.page.get_by_role("button", name=re.compile("^Steer"))).to_be_focused()
    keyboard.press("Escape")
    expect(one.page.get_by_role("button", name="Other ways to send")).to_be_focused()
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    expect(stop).to_be_focused()
    keyboard.press("Enter")
    one.sees("Stopped.")
    expect(one.box).to_be_focused()


def test_the_focus_is_not_lost_where_the_answer_ends_under_the_stop_button(writer: Person) -> None:
    one = writer
    one.say("[[slow 3]] hello")
    one.page.get_by_role("button", name="Stop the answer").focus()
    one.sees("Emulated reply 1")
    one.expect_idle()
    expect(one.box).to_be_focused()


def test_the_list_of_conversations_on_a_phone(person: NewPerson) -> None:
    one = person(**PHONE)
    one.say("the first conversation")
    one.sees("Emulated reply 1")
    menu = one.page.get_by_role("button", name="Conversations")
    menu.click()
    drawer = one.page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    assert faults(one.page) == []
    one.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    drawer.get_by_role("button", name="New conversation").click()
    expect(one.page.get_by_text("What shall we make?")).to_be_visible()
    expect(one.box).to_be_focused()
    menu.click()
    drawer.get_by_role("button", name="the first conversation", exact=True).click()
    one.sees("Emulated reply 1")


def test_the_focus_stays_in_the_form_after_a_wrong_password(browser: Browser, running: Stack) -> None:
    page = browser.new_page()
    page.goto(running.web or "")
    page.get_by_label("Email").fill("without-account@example.com")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    page.close()


def test_a_conversation_is_scrolled_with_the_keyboard(reader: Person) -> None:
    one = reader
    Canned.of("long?", "\n\n".join(f"Paragraph {number}." for number in range(60))).serve(one.page)
    one.page.reload()
    one.sees("Paragraph 59.")
    scroller = one.page.get_by_role("group", name="Conversation so far")
    for name in (
        "Bad answer of Project manager",
        "Good answer of Project manager",
        re.compile("^Answer again"),
        "Copy the answer of Project manager",
        "Edit your message",
        "Copy your message",
    ):
        one.page.keyboard.press("Shift+Tab")
        expect(one.page.get_by_role("button", name=name)).to_be_focused()
    one.page.keyboard.press("Shift+Tab")
    expect(scroller).to_be_focused()
    one.page.keyboard.press("Home")
    until(one.page, "document.activeElement.scrollTop === 0")
    one.page.keyboard.press("PageDown")
    until(one.page, "document.activeElement.scrollTop > 100")
    assert faults(one.page) == []


def test_the_focus_is_not_lost_with_what_was_focused_in_a_growing_answer(writer: Person) -> None:
    one = writer
    one.say("[[slow 3]] [[say ```js\nconst a = 1;\n```\n\nand then some words to follow it]]")
    copy = one.messages.locator(".reply").get_by_role("button", name="Copy code")
    copy.focus()
    one.expect_idle()
    expect(copy).to_be_focused()


def test_every_script_is_shown_in_its_direction(reader: Person) -> None:
    one = reader
    Canned.of("שלום", "مرحبا\n\nhello").serve(one.page)
    one.page.reload()
    one.sees("hello")
    directions = one.messages.locator(".bubble [dir], .markdown p").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).direction)"
    )
    assert directions == ["rtl", "rtl", "ltr"]
    one.box.fill("שלום")
    assert one.box.evaluate("(one) => getComputedStyle(one).direction") == "rtl"


def test_a_page_at_four_hundred_percent_can_be_read_and_written_in(reader: Person) -> None:
    """1280 x 1024 at 400 % is a window of 320 x 256."""
    one = reader
    one.page.set_viewport_size({"width": 320, "height": 256})
    Canned.of("a question", "An answer with words.\n\n" * 5).serve(one.page)
    one.page.reload()
    one.sees("An answer with words.")
    wide = one.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide
    reply = one.messages.locator(".reply .words")
    reply.scroll_into_view_if_needed()
    expect(reply).to_be_in_viewport()
    one.box.scroll_into_view_if_needed()
    expect(one.box).to_be_in_viewport(ratio=1)
    assert faults(one.page) == []


def test_forced_colours_leave_edges_and_marks(person: NewPerson) -> None:
    one = person(forced_colors="active")
    one.say("[[slow 20]] hello")
    expect(one.page.get_by_role("navigation").locator(".busy")).to_be_visible()
    bubble = one.messages.locator(".bubble")
    assert bubble.evaluate("(one) => getComputedStyle(one).borderTopStyle") == "solid"
    mark = one.page.locator(".busy").first
    shown, behind = mark.evaluate(
        "(one) => [getComputedStyle(one).backgroundColor, getComputedStyle(document.body).backgroundColor]"
    )
    assert shown != behind
    assert faults(one.page) == []
    one.page.keyboard.press("Escape")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_placeholder_can_be_read(reader: Person, scheme: str) -> None:
    one = reader
    one.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    expect(one.box).to_be_visible()
    assert one.page.evaluate(CONTRAST) >= 4.5


CONTRAST = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255);
  const light = (colour) => channels(colour)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const words = getComputedStyle(document.querySelector(".composer textarea"), "::placeholder");
  const field = getComputedStyle(document.querySelector(".field"));
  if (words.opacity !== "1") return 0;
  const [a, b] = [light(words.color), light(field.backgroundColor)].sort((one, other) => other - one);
  return (a + 0.05) / (b + 0.05);
})()"""


def test_every_menu_and_dialog_has_no_faults(writer: Person) -> None:
    one = writer
    one.page.emulate_media(reduced_motion="reduce")
    one.say("[[slow 20]] hello")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    one.box.fill("more")
    for name in ("Other ways to send", "Choose who answers", "Settings", "More for [[slow 20]] hello"):
        one.page.get_by_role("button", name=name).click()
        expect(one.page.locator(":popover-open")).to_be_visible()
        assert faults(one.page) == []
        one.page.keyboard.press("Escape")
    one.page.get_by_role("button", name="Settings").focus()
    one.page.keyboard.press("?")
    expect(one.page.get_by_role("dialog")).to_be_visible()
    assert faults(one.page) == []
    one.page.keyboard.press("Escape")
    one.page.keyboard.press("Escape")
