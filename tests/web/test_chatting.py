"""A conversation from sign-up on: quick messages, handoffs, interruptions, refusals."""

from __future__ import annotations

import os
import re
import subprocess

import httpx
import pytest
from playwright.sync_api import Browser, expect

from dev.cli import CHECKOUT
from tests.e2e.stack import Stack
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)


def test_signing_up_signing_out_and_coming_back(browser: Browser, running: Stack) -> None:
    page = browser.new_context().new_page()
    page.goto(running.web or "")
    page.get_by_label("Email").fill("without-account@example.com")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")

    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("a good password")
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("a good password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.context.close()


def test_two_quick_messages_show_their_place_and_are_answered_in_order(writer: Person) -> None:
    one = writer
    one.say("[[slow 3]] Hello")
    one.say("how are you")
    one.sees_waiting("how are you")
    expect(one.queue).to_contain_text("Waiting in line: one message")
    one.sees("Project manager")
    one.expect_bubbles(
        "[[slow 3]] Hello", "Emulated reply 1 to: Hello", "how are you", "Emulated reply 2 to: how are you"
    )
    one.expect_idle()
    expect(one.page.get_by_role("status").filter(has_text="Project manager answers: Emulated reply 2")).to_have_count(1)
    expect(one.list.locator("[aria-current=page]")).to_contain_text("Hello")


def test_an_answer_appears_while_it_is_being_given(writer: Person) -> None:
    one = writer
    one.say("[[slow 6]] [[say first second third fourth fifth sixth seventh last-word]]")
    reply = one.messages.locator(".reply[data-state=growing] .markdown")
    expect(reply).to_contain_text("first")
    assert "last-word" not in reply.inner_text()
    one.expect_bubbles(
        "[[slow 6]] [[say first second third fourth fifth sixth seventh last-word]]",
        "first second third fourth fifth sixth seventh last-word",
    )


def test_a_handoff_is_shown_with_its_reason(writer: Person) -> None:
    one = writer
    one.say('[[tool transfer_to_script_writer {"reason": "a script is wanted", "task": "Write it."}]] go')
    one.sees(re.compile("a script is wanted"))
    line = one.messages.locator(".handed")
    expect(line).to_have_text(re.compile("Project manager.*→.*Script writer.*: a script is wanted"))
    one.expect_idle()
    expect(one.messages.locator(".speaker").last).to_have_text("Script writer")
    one.page.reload()
    expect(line).to_have_text(re.compile("Project manager.*→.*Script writer.*: a script is wanted"))


def test_a_refused_message_is_taken_off_the_page_and_stands_in_the_box_again(writer: Person) -> None:
    one = writer
    one.say("[[slow 4]] the first")
    one.sees("Project manager")
    one.say("only if you are free", "Only if free")
    expect(one.page.get_by_role("alert")).to_contain_text("The assistant is still working.")
    expect(one.box).to_have_value("only if you are free")
    one.sees_nothing_of("only if you are free")
    one.expect_bubbles("[[slow 4]] the first", "Emulated reply 1 to: the first")
    expect(one.page.get_by_role("alert")).to_have_count(0)
    one.box.press("Enter")
    one.sees("Emulated reply 2 to: only if you are free")


def test_an_interruption_ends_the_answer_and_is_answered_next(writer: Person) -> None:
    one = writer
    one.say("[[slow 60]] tell me everything")
    one.sees("Project manager")
    one.say("no, just this", "Interrupt")
    one.sees("Interrupted by a later message.")
    one.sees(re.compile("to: no, just this"))
    one.expect_idle()


def test_messages_that_join_the_next_get_one_answer(writer: Person) -> None:
    one = writer
    one.say("[[slow 3]] begin")
    one.sees("Project manager")
    one.say("and this", "Add to next")
    one.say("and that", "Add to next")
    one.sees("Emulated reply 1 to: begin")
    one.expect_idle()
    expect(one.messages.locator(".bubble")).to_have_text(
        [re.compile("begin"), re.compile("and this"), re.compile("and that")]
    )
    expect(one.messages.locator(".markdown")).to_have_count(2)


def test_stopping_an_answer_and_removing_a_message_from_the_line(writer: Person) -> None:
    one = writer
    one.say("[[slow 60]] endless")
    one.say("never mind")
    one.sees_waiting("never mind")
    one.page.get_by_role("button", name="Take back: never mind").click()
    expect(one.box).to_have_value("never mind")
    one.page.get_by_role("button", name="Stop the answer").click()
    one.expect_idle()
    one.sees("Stopped.")
    expect(one.box).to_be_focused()


def test_a_failure_is_told_in_words_and_can_be_tried_again(writer: Person) -> None:
    one = writer
    one.say("[[incomplete]] cut me off")
    one.sees("The answer was cut off.", 60)
    one.page.get_by_role("button", name="Try again: [[incomplete]] cut me off").click()
    expect(one.messages.locator(".bubble")).to_have_count(2)


def test_what_a_model_says_is_shown_and_never_run(writer: Person) -> None:
    one = writer
    said = "**bold** <img src=x onerror=alert(1)> [good](https://example.com/) [bad](javascript:alert(1)) ![pic](https://example.com/p.png)"
    one.say(f"[[say {said}]]")
    reply = one.messages.locator(".reply .markdown")
    expect(reply.locator("strong")).to_have_text("bold")
    expect(reply).to_contain_text("<img src=x onerror=alert(1)>")
    expect(reply.locator("img, script")).to_have_count(0)
    link = reply.get_by_role("link", name="good")
    assert (link.get_attribute("target"), link.get_attribute("href")) == ("_blank", "https://example.com/")
    assert "noopener" in (link.get_attribute("rel") or "")
    expect(reply.get_by_role("link", name="bad")).to_have_count(0)
    expect(reply.get_by_role("link", name="Picture: pic")).to_have_count(1)


def test_an_agent_that_was_added_as_the_readme_says_answers(writer: Person, running: Stack) -> None:
    one = writer
    readme = (CHECKOUT / "README.md").read_text()
    (command,) = re.findall(r"```sh\n(curl [^\n]*/chat_agents[^\n]*)\n```", readme)
    named = {"SUPABASE_URL": running.supabase, "SUPABASE_SECRET_KEY": running.secret_key}
    done = subprocess.run(["/bin/sh", "-c", f"{command} --fail --silent"], env={**os.environ, **named}, check=False)
    assert done.returncode == 0
    try:
        one.page.reload()
        one.page.get_by_role("button", name=re.compile("Choose who answers")).click()
        one.page.get_by_role("button", name=re.compile("^Critic")).click()
        one.say("[[say a weak point]]")
        one.hears("a weak point")
        expect(one.messages.locator(".speaker")).to_have_text("Critic")
        one.expect_idle()
    finally:
        headers = {"apikey": running.secret_key}
        url = f"{running.supabase}/rest/v1/chat_agents?slug=eq.critic"
        httpx.delete(url, headers=headers, trust_env=False).raise_for_status()
