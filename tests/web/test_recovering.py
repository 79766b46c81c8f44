"""Reloads, lost networks and killed instances in the middle of an answer; the same conversation in two tabs."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.dev.test_launch import group_of
from tests.e2e.stack import Stack
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)


def test_a_reload_in_the_middle_of_an_answer_goes_on_with_it(writer: Person) -> None:
    one = writer
    one.say("[[slow 5]] stay with me")
    one.say("and then this")
    one.sees_waiting("and then this")
    one.box.fill("half a thou")
    one.page.reload()
    one.sees("Project manager")
    one.sees_waiting("and then this")
    expect(one.box).to_have_value("half a thou")
    one.expect_bubbles(
        "[[slow 5]] stay with me",
        "Emulated reply 1 to: stay with me",
        "and then this",
        "Emulated reply 2 to: and then this",
    )


def test_a_message_written_offline_goes_out_once_when_the_network_is_back(writer: Person) -> None:
    one = writer
    one.say("[[slow 4]] before the tunnel")
    one.sees("Project manager")
    one.page.context.set_offline(True)
    one.say("in the tunnel")
    expect(one.queue).to_contain_text("Not sent yet")
    expect(one.page.get_by_text("You are offline.")).to_be_visible()
    time.sleep(2)
    one.page.context.set_offline(False)
    one.expect_bubbles(
        "[[slow 4]] before the tunnel",
        "Emulated reply 1 to: before the tunnel",
        "in the tunnel",
        "Emulated reply 2 to: in the tunnel",
    )
    expect(one.page.get_by_text("You are offline.")).to_have_count(0)
    expect(one.page.get_by_text("The server does not answer.")).to_have_count(0)


def test_a_message_whose_answer_is_lost_is_sent_again_with_its_key(writer: Person) -> None:
    one = writer
    keys: list[str | None] = []

    def lose_the_first(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        keys.append(route.request.header_value("idempotency-key"))
        if len(keys) > 1:
            return route.continue_()
        route.fetch()  # it arrives, and is answered
        return route.abort()

    one.page.route("**/functions/v1/multi-agent-chat/", lose_the_first)
    one.say("hear me once")
    one.expect_bubbles("hear me once", "Emulated reply 1 to: hear me once")
    one.expect_idle()
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_server_that_does_not_stream_is_asked_for_its_turns(writer: Person) -> None:
    one = writer

    def no_streams(route: Route) -> None:
        if route.request.method != "OPTIONS" and route.request.header_value("accept") == "text/event-stream":
            body = json.dumps({"code": "not_acceptable", "message": "Only application/json.", "retryable": False})
            headers = {"content-type": "application/json", "access-control-allow-origin": "*"}
            return route.fulfill(status=406, body=body, headers=headers)
        return route.continue_()

    one.page.route("**/functions/v1/**", no_streams)
    one.say("[[slow 2]] plain")
    one.say("words")
    one.expect_bubbles("[[slow 2]] plain", "Emulated reply 1 to: plain", "words", "Emulated reply 2 to: words")


def test_two_tabs_show_the_same_and_nothing_of_a_refused_message(writer: Person) -> None:
    here = writer
    there = here.second_tab()
    expect(there.box).to_be_focused()
    here.say("[[slow 4]] from here")
    there.sees("from here")
    there.say("from there")
    here.sees_waiting("from there")
    here.say("a phantom", "Only if free")
    expect(here.box).to_have_value("a phantom")
    for _ in range(10):
        there.sees_nothing_of("a phantom")
        time.sleep(0.1)
    texts = ("[[slow 4]] from here", "Emulated reply 1 to: from here", "from there", "Emulated reply 2 to: from there")
    here.expect_bubbles(*texts)
    there.expect_bubbles(*texts)
    here.expect_idle()
    there.expect_idle()


ROLL_BACK = """async ([conversation, message]) => {
  const name = Object.keys(localStorage).find((one) => one.endsWith("-auth-token"));
  const { access_token } = JSON.parse(localStorage.getItem(name));
  const { functionUrl } = await (await fetch("config.json")).json();
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${access_token}` };
  const body = JSON.stringify({ conversation_id: conversation, message, multitask_strategy: "rollback" });
  return (await fetch(functionUrl, { method: "POST", headers, body })).status;
}"""


def test_what_another_client_rolls_back_goes_from_the_page(writer: Person) -> None:
    one = writer
    one.say("stays")
    one.sees("Emulated reply 1 to: stays")
    one.say("[[slow 30]] goes")
    one.sees("goes")
    one.messages.locator(".reply[data-state=growing]").wait_for()
    time.sleep(1.5)  # its line is in the transcript, and known here
    assert one.page.evaluate(ROLL_BACK, [one.conversation, "comes instead"]) == 200
    one.expect_idle()
    expect(one.messages.locator(".bubble")).to_have_text([re.compile("stays"), re.compile("comes instead")])
    expect(one.messages.locator(".markdown")).to_have_count(2)


def test_another_browser_shows_what_is_said_here(writer: Person, browser: Browser) -> None:
    here = writer
    here.say("said in one browser")
    here.sees("Emulated reply 1 to: said in one browser")
    there = here.elsewhere(browser)
    there.sees("Emulated reply 1 to: said in one browser")
    here.say("said later")
    there.sees("said later", 5)
    there.sees("Emulated reply 2 to: said later", 5)
    there.page.context.close()


def test_a_killed_instance_in_the_middle_of_an_answer(writer: Person, running: Stack, logs: Path) -> None:
    """The page reads on from the instance that takes over."""
    one = writer
    one.say("[[slow 8]] survive this")
    one.sees("Project manager")
    time.sleep(1)
    os.killpg(group_of(serving(one.conversation, running, logs)), signal.SIGKILL)
    one.expect_bubbles("[[slow 8]] survive this", "Emulated reply 1 to: survive this")
    one.say("still there?")
    one.sees(re.compile("to: still there"))
    expect(one.page.get_by_text("The server does not answer.")).to_have_count(0)


def serving(conversation: str, stack: Stack, logs: Path) -> str:
    """The address of the instance that took the conversation's lease last."""
    claims = {
        number: [
            line for line in _lines(logs / f"function-{number}.log") if "turn.claimed" in line and conversation in line
        ]
        for number in range(1, len(stack.functions) + 1)
    }
    latest = max((json.loads(lines[-1])["time"], number) for number, lines in claims.items() if lines)
    return stack.functions[latest[1] - 1]


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()
