"""What is in the box belongs to its writer: it comes back to them, and never to the next user of the browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import NewPerson
from tests.web.person import PASSWORD, Person

pytestmark = pytest.mark.timeout(120)

EXPIRE = """() => {
  const name = Object.keys(localStorage).find((one) => one.endsWith("-auth-token"));
  const session = JSON.parse(localStorage.getItem(name));
  localStorage.setItem(name, JSON.stringify({ ...session, expires_at: 1, refresh_token: "gone" }));
}"""


def kept(page: Page) -> str:
    """All that the tab and the browser keep, as one text."""
    text: str = page.evaluate("JSON.stringify({ ...sessionStorage }) + JSON.stringify({ ...localStorage })")
    return text


def test_a_draft_is_gone_from_every_tab_when_its_writer_signs_out(person: NewPerson) -> None:
    ada = person()
    ada.say("[[say a secret answer]]")
    ada.hears("a secret answer")
    ada.expect_idle()
    ada.box.fill("a secret of Ada")
    other = ada.second_tab()
    expect(other.box).to_be_visible()
    other.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_role("form", name="Sign in")).to_be_visible()
    assert "secret" not in kept(ada.page) + kept(other.page)

    ada.page.get_by_role("button", name="Create an account").click()
    bob = Person(ada.page, f"bob-{ada.email}")
    bob.enter("Create the account")
    expect(bob.box).to_have_value("")
    assert bob.conversation != other.conversation
    bob.sees_nothing_of("a secret answer")


def test_a_session_that_ends_keeps_the_draft_and_the_conversation_of_its_user(person: NewPerson) -> None:
    ada = person()
    ada.say("[[say before]]")
    ada.hears("before")
    ada.expect_idle()
    conversation = ada.conversation
    ada.box.fill("half a thou")
    ada.page.evaluate(EXPIRE)
    ada.page.reload()
    expect(ada.page.get_by_role("form", name="Sign in")).to_be_visible()
    ada.page.get_by_label("Email").fill(ada.email)
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(ada.box).to_have_value("half a thou")
    assert ada.conversation == conversation
    ada.sees("before")


def test_a_session_that_ends_leaves_nothing_to_another_user(person: NewPerson) -> None:
    ada = person()
    ada.say("[[say for Ada]]")
    ada.hears("for Ada")
    ada.box.fill("half a thou")
    conversation = ada.conversation
    ada.page.evaluate(EXPIRE)
    ada.page.reload()
    ada.page.get_by_role("button", name="Create an account").click()
    bob = Person(ada.page, f"bob-{ada.email}")
    bob.enter("Create the account")
    expect(bob.box).to_have_value("")
    assert bob.conversation != conversation
