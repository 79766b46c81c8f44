"""An answer keeps its words and its look: stopped, cut off, at its end, after a reload."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.web.conftest import NewPerson

pytestmark = pytest.mark.timeout(120)

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
CUT = "Cut off here"


def test_a_stopped_answer_keeps_its_words_marked_as_cut_off(person: NewPerson) -> None:
    one = person()
    one.say(f"[[slow 8]] [[say {LONG}]]")
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("two three")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.sees("Stopped.")
    expect(reply).to_contain_text(CUT)
    expect(reply).to_contain_text("one two three")
    one.page.reload()
    expect(reply).to_contain_text("one two three")
    expect(reply).to_contain_text(CUT)


def test_an_incomplete_answer_keeps_its_words(person: NewPerson) -> None:
    one = person()
    one.say(f"[[incomplete]] [[slow 1]] [[say {LONG}]]")
    one.sees("The answer was cut off.", 60)
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("one two")
    expect(reply).to_contain_text(CUT)


def test_an_interrupted_answer_stands_there_once(person: NewPerson) -> None:
    one = person()
    one.say(f"[[slow 8]] [[say {LONG}]]")
    expect(one.messages.locator(".reply")).to_contain_text("two three")
    one.say("[[say instead]]", "Interrupt")
    one.hears("instead")
    one.expect_idle()
    expect(one.messages.locator(".reply")).to_have_count(2)
    expect(one.messages.locator(".reply").first).to_contain_text("one two three")
    expect(one.messages.locator(".reply").first).to_contain_text(CUT)


def test_an_answer_with_tools_looks_the_same_live_at_its_end_and_after_a_reload(person: NewPerson) -> None:
    one = person()
    one.say("[[slow 4]] [[aside before the tool]] [[tool read_project {}]] [[say after the tool]]")
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("after the")
    expect(reply).to_have_attribute("data-state", "growing")
    live = shape(reply)
    assert live == ["before the tool", "Used read project", "after the tool"[: len(live[-1])]]
    one.expect_idle()
    whole = ["before the tool", "Used read project", "after the tool"]
    assert shape(reply) == whole
    one.page.reload()
    expect(reply.get_by_text("after the tool")).to_be_visible()
    assert shape(reply) == whole


def shape(reply: Locator) -> list[str]:
    """The words and the tools of an answer in the order in which they stand."""
    texts: list[str] = reply.locator(".markdown, .tool summary").all_inner_texts()
    return texts


def test_trying_again_goes_to_the_same_agent_and_is_one_turn_however_often_it_is_pressed(person: NewPerson) -> None:
    one = person()
    bodies: list[dict[str, object]] = []

    def note(route: Route) -> None:
        if route.request.method == "POST":
            bodies.append(json.loads(route.request.post_data or "{}"))
        route.continue_()

    one.page.route("**/functions/v1/multi-agent-chat/", note)
    one.page.get_by_role("button", name=re.compile("Choose who answers")).click()
    one.page.get_by_role("button", name=re.compile("^Scene describer")).click()
    one.say("[[incomplete]] cut me off")
    one.sees("The answer was cut off.", 60)
    again = one.page.get_by_role("button", name=re.compile("^Try again"))
    again.dblclick(no_wait_after=True)
    expect(one.messages.locator(".bubble")).to_have_count(2)
    expect(again).to_have_count(1)
    assert [body["agent"] for body in bodies] == ["scene_describer", "scene_describer"]
    one.page.reload()
    expect(one.messages.locator(".bubble")).to_have_count(2)
    expect(again).to_have_count(1)


def test_a_message_and_an_answer_can_be_copied_and_tell_their_time(person: NewPerson) -> None:
    one = person()
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.say("[[say **bold** words]]")
    one.hears("bold")
    one.expect_idle()
    reply = one.messages.locator(".reply")
    reply.get_by_role("button", name="Copy the answer of Project manager").click()
    expect(reply.get_by_role("button", name="Copy the answer")).to_have_text("Copied")
    assert one.page.evaluate("navigator.clipboard.readText()") == "**bold** words"
    expect(reply.locator("time")).to_have_text(re.compile(r"\d?\d:\d\d"))
    expect(one.messages.locator(".message time")).to_have_count(1)
