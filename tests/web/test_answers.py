"""An answer keeps its words, stopped or cut off; and is given again, edited, judged and copied."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.e2e.stack import Stack
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
CUT = "Cut off here"


def test_a_stopped_answer_keeps_its_words_marked_as_cut_off(writer: Person) -> None:
    one = writer
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


def test_an_incomplete_answer_keeps_its_words(writer: Person) -> None:
    one = writer
    one.say(f"[[incomplete]] [[slow 1]] [[say {LONG}]]")
    one.sees("The answer was cut off.", 60)
    reply = one.messages.locator(".reply")
    expect(reply).to_contain_text("one two")
    expect(reply).to_contain_text(CUT)


def test_an_interrupted_answer_stands_there_once(writer: Person) -> None:
    one = writer
    one.say(f"[[slow 8]] [[say {LONG}]]")
    expect(one.messages.locator(".reply")).to_contain_text("two three")
    one.say("[[say instead]]", "Interrupt")
    one.hears("instead")
    one.expect_idle()
    expect(one.messages.locator(".reply")).to_have_count(2)
    expect(one.messages.locator(".reply").first).to_contain_text("one two three")
    expect(one.messages.locator(".reply").first).to_contain_text(CUT)


def test_trying_again_goes_to_the_same_agent_and_is_one_turn_however_often_it_is_pressed(writer: Person) -> None:
    one = writer
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


def test_an_answer_is_given_once_more_by_another_agent(writer: Person) -> None:
    one = writer
    one.say("[[say before]]")
    one.hears("before")
    one.say("who are you")
    one.hears("Emulated reply 2 to: who are you")
    one.expect_idle()
    there = one.second_tab()
    there.hears("Emulated reply 2 to: who are you")
    again = re.compile("^Answer again")
    one.messages.locator(".reply").last.get_by_role("button", name=again).click()
    expect(one.page.locator(":popover-open")).not_to_contain_text("of all that came after it")
    one.page.get_by_role("button", name=re.compile("^Scene describer")).click()
    for tab in (one, there):
        expect(tab.messages.locator(".speaker")).to_have_text(["Project manager", "Scene describer"])
        expect(tab.messages.locator(".bubble")).to_have_count(2)
    one.expect_idle()
    one.messages.locator(".reply").first.get_by_role("button", name=again).click()
    expect(one.page.locator(":popover-open")).to_contain_text("of all that came after it")
    one.page.keyboard.press("Escape")


def test_a_message_that_was_sent_is_edited_and_sent_anew_in_its_place(writer: Person) -> None:
    one = writer
    one.say("[[say first]]")
    one.hears("first")
    one.say("[[slow 30]] a mistaek")
    expect(one.page.get_by_role("button", name="Stop the answer")).to_be_visible()
    one.box.press("ArrowUp")
    expect(one.box).to_have_value("[[slow 30]] a mistaek")
    expect(one.page.locator(".editing")).to_contain_text("it takes its place")
    one.box.fill("[[say no mistake]]")
    one.box.press("Enter")
    one.expect_bubbles("[[say first]]", "first", "[[say no mistake]]", "no mistake")
    one.expect_idle()
    one.messages.get_by_role("button", name="Edit your message").first.click()
    one.box.fill("[[say anew]]")
    one.box.press("Enter")
    one.expect_bubbles("[[say anew]]", "anew")
    one.page.reload()
    one.expect_bubbles("[[say anew]]", "anew")


def test_what_cannot_be_edited_any_more_is_in_the_box_and_nothing_is_lost(writer: Person) -> None:
    one = writer
    one.say("[[say kept]]")
    one.hears("kept")
    one.expect_idle()
    body = json.dumps({"code": "rate_limited", "message": "Too many.", "retryable": True})
    headers = {"content-type": "application/json", "access-control-allow-origin": "*"}

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            return route.fulfill(status=429, body=body, headers=headers)
        return route.continue_()

    one.page.route("**/functions/v1/multi-agent-chat/", refuse)
    one.box.press("ArrowUp")
    one.box.fill("changed")
    one.box.press("Enter")
    expect(one.page.get_by_role("alert")).to_contain_text("a lot of messages")
    expect(one.box).to_have_value("changed")
    one.expect_bubbles("[[say kept]]", "kept")


def test_what_one_thinks_of_an_answer_is_kept_with_its_reason(writer: Person, running: Stack) -> None:
    one = writer
    one.say("[[say an opinion]]")
    one.hears("an opinion")
    one.expect_idle()
    bad = one.page.get_by_role("button", name="Bad answer of Project manager")
    bad.click()
    one.page.get_by_label("What was wrong with it?").fill("too short")
    one.page.keyboard.press("Enter")
    expect(one.page.get_by_text("Thank you.")).to_be_visible()
    one.page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
    assert feedback(running, one.conversation) == [{"good": False, "comment": "too short"}]
    with one.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    assert feedback(running, one.conversation) == []


def feedback(running: Stack, conversation: str) -> list[dict[str, object]]:
    """As the service reads it."""
    url = f"{running.supabase}/rest/v1/chat_feedback?select=good,comment&conversation_id=eq.{conversation}"
    headers = {"apikey": running.secret_key}
    found: list[dict[str, object]] = httpx.get(url, headers=headers, trust_env=False).raise_for_status().json()
    return found


def test_a_message_and_an_answer_can_be_copied_and_tell_their_time(writer: Person) -> None:
    one = writer
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
