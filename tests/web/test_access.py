"""Usable by keyboard and screen reader, on a phone, in the light and in the dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dev.cli import CHECKOUT
from tests.e2e.stack import Stack
from tests.web.conftest import NewPerson

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_a_busy_conversation_has_no_faults(person: NewPerson, scheme: str, device: dict[str, Any]) -> None:
    one = person(color_scheme=scheme, reduced_motion="reduce", **device)
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
    assert faults(one.page) == []
    wide = one.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide
    if device:
        buttons = one.page.locator("button:visible, summary:visible").all()
        assert [b.inner_text() for b in buttons if (b.bounding_box() or {"height": 0})["height"] < TARGET_PX] == []
    one.page.get_by_role("button", name="Stop the answer").click()


def test_everything_can_be_done_with_the_keyboard(person: NewPerson) -> None:
    one = person()
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
    expect(one.page.get_by_role("button", name="Wait in line")).to_be_focused()
    keyboard.press("ArrowDown")
    expect(one.page.get_by_role("button", name="Interrupt")).to_be_focused()
    keyboard.press("Escape")
    expect(one.page.get_by_role("button", name="Other ways to send")).to_be_focused()
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    expect(stop).to_be_focused()
    keyboard.press("Enter")
    one.sees("Stopped.")
    expect(one.box).to_be_focused()


def test_the_focus_is_not_lost_where_the_answer_ends_under_the_stop_button(person: NewPerson) -> None:
    one = person()
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
    drawer.get_by_role("button", name="the first conversation").click()
    one.sees("Emulated reply 1")
