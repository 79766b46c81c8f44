"""Reading: the place is kept, the end is near, and a long conversation is there at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.canned import Canned
from tests.web.person import Person, until
from tests.web.tasks import OBSERVE, longest, slowest_reference

pytestmark = pytest.mark.timeout(120)

PARAGRAPHS = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(40))
SHOWN_MS = 500
LONGEST_TASK_MS = 50

PLACE = "document.querySelector('.scroller').scrollTop"
TO_TOP = "document.querySelector('.scroller').scrollTop = 0"
BELOW_END = (
    "(() => { const s = document.querySelector('.scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight })()"
)


def test_a_reader_above_stays_there_when_an_answer_ends(writer: Person) -> None:
    one = writer
    one.say(f"[[say {PARAGRAPHS}]]")
    one.hears("Paragraph 39")
    one.expect_idle()
    one.say(f"[[slow 3]] [[say {PARAGRAPHS} The very last words.]]")
    expect(one.messages.locator(".reply").last).to_contain_text("Paragraph 2")
    one.page.evaluate(TO_TOP)
    button = one.page.get_by_role("button", name=re.compile("To the end|Something new below"))
    expect(button).to_be_visible()
    one.expect_idle()
    expect(one.messages.locator(".reply").last).to_contain_text("The very last words.")
    assert one.page.evaluate(PLACE) == 0
    one.say("[[say a new answer]]")  # one's own message is gone to
    one.hears("a new answer")
    until(one.page, f"{BELOW_END} < 5")


def test_a_reader_above_is_told_of_something_new_below(reader: Person) -> None:
    one = reader
    canned = Canned.of("long?", PARAGRAPHS)
    canned.serve(one.page)
    one.page.reload()
    one.sees("Paragraph 39")
    until(one.page, f"{BELOW_END} < 5")
    one.page.evaluate(TO_TOP)
    to_end = one.page.get_by_role("button", name="To the end")
    expect(to_end).to_be_visible()
    canned.add("from another browser", "and its answer")
    one.page.evaluate("dispatchEvent(new Event('focus'))")
    fresh = one.page.get_by_role("button", name="Something new below")
    expect(fresh).to_be_visible()
    assert one.page.evaluate(PLACE) == 0
    fresh.click()
    one.sees("and its answer")
    expect(fresh).to_have_count(0)
    until(one.page, f"{BELOW_END} < 5")


def test_three_hundred_messages_are_there_at_once_and_whole_soon(writer: Person) -> None:
    one = writer
    fresh = one.conversation
    one.page.get_by_role("button", name="New conversation").click()
    texts = [f"Message {number} with **bold**, `code`\n\n- one\n- two" for number in range(1, 301)]
    Canned.of(*texts).serve(one.page)
    pages: list[str] = []
    one.page.on("request", lambda request: pages.append(request.url) if "/messages?" in request.url else None)
    reference = slowest_reference(one.page)
    one.page.evaluate(WATCH, "Message 300")
    one.page.evaluate(f"location.hash = '{fresh}'")
    took = one.page.evaluate("shown")
    assert took < max(SHOWN_MS, 60 * reference)
    expect(one.messages.locator("> li")).to_have_count(300)
    assert len(pages) == 3
    until(one.page, f"{BELOW_END} < 5")
    one.page.keyboard.press("Tab")
    assert one.page.get_by_text("Message 1 with").count() == 1


WATCH = """(text) => {
  const from = performance.now();
  window.shown = new Promise((resolve) => {
    const look = () => document.querySelector(".messages > li:last-child .markdown strong") &&
      document.querySelector(".messages").innerText.includes(text)
        ? resolve(performance.now() - from) : requestAnimationFrame(look);
    look();
  });
}"""


def test_drawing_a_stream_takes_no_long_task(writer: Person) -> None:
    """Held against a piece of work of a few milliseconds: what other programs take of the machine is in both."""
    one = writer
    one.say("[[say **first**, so that all there is to fetch is there]]")
    one.expect_idle()
    one.page.evaluate(OBSERVE)
    one.say(f"[[slow 4]] [[say {PARAGRAPHS}{PARAGRAPHS}]]")
    reply = one.messages.locator(".reply").last
    expect(reply).to_contain_text("Paragraph 2")
    longest(one.page)
    reference = slowest_reference(one.page)
    expect(reply).to_contain_text("Paragraph 30")
    assert reply.get_attribute("data-state") == "growing"
    assert longest(one.page) < max(LONGEST_TASK_MS, 8 * reference)


def test_a_conversation_is_printed_whole(reader: Person) -> None:
    one = reader
    Canned.of(*[f"Printed {number}" for number in range(1, 81)]).serve(one.page)
    one.page.reload()
    one.sees("Printed 80")
    one.page.emulate_media(media="print")
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(one.messages.locator("> li")).to_have_count(80)
    expect(one.box).to_be_hidden()
    expect(one.page.get_by_role("complementary")).to_be_hidden()
    height = one.page.evaluate("document.documentElement.scrollHeight")
    assert height > one.messages.locator("> li").first.bounding_box()["height"] * 80  # type: ignore[index]
    assert height < 80 * 150  # no blank pages behind it
    assert one.page.evaluate(
        "document.querySelector('.scroller').scrollHeight <= document.querySelector('.scroller').clientHeight + 1"
    )
