"""Getting in: visible work, a forgotten password. And getting all of one's own out, or rid of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.stack import Stack
from tests.web.canned import fulfil
from tests.web.conftest import NewPerson
from tests.web.person import PASSWORD, Person

pytestmark = pytest.mark.timeout(120)

NEW_PASSWORD = "a new horse"


def test_a_forgotten_password_is_chosen_anew(person: NewPerson, browser: Browser, running: Stack, logs: Path) -> None:
    ada = person()
    page = browser.new_page()
    page.goto(running.web or "")
    page.get_by_role("button", name="Forgot your password?").click()
    page.get_by_label("Email").fill(ada.email)
    with page.expect_response(re.compile("/auth/v1/recover")) as asked:
        page.get_by_role("button", name="Send me a link").click()
    assert asked.value.ok
    expect(page.get_by_role("status")).to_contain_text("is on its way")

    mailed = link(running, logs, ada.email)
    page.goto(mailed)
    form = page.get_by_role("form", name="Choose a new password")
    form.get_by_label("Password").fill(NEW_PASSWORD)
    form.get_by_role("button", name="Save the password").click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill(ada.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()

    page.get_by_role("button", name="Sign out").click()
    page.goto(mailed)  # a second time
    expect(page.get_by_role("alert")).to_have_text("This link is not valid any more. Ask for a new one.")
    page.close()


def link(running: Stack, logs: Path, email: str) -> str:
    """The link in the email, which leads by way of Supabase to the page. The local project prints its emails."""
    said = (logs / "supabase.log").read_text().rpartition(f"To: {email}")[2]
    token = re.search(r"/auth/v1/verify\?token=(\w+)&type=recovery", said)
    assert token, said
    return f"{running.supabase}/auth/v1/verify?token={token[1]}&type=recovery&redirect_to={running.web}/"


def test_signing_in_says_that_it_works(browser: Browser, running: Stack) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.goto(running.web or "")
    page.route(re.compile("/auth/v1/token"), lambda route: held.append(route))
    page.get_by_label("Email").fill("without-account@example.com")
    page.get_by_label("Password").fill("wrong password")
    button = page.get_by_role("button", name="Sign in", exact=True)
    button.click()
    working = page.get_by_role("button", name="Signing in …")
    expect(working).to_have_attribute("aria-disabled", "true")
    expect(working).to_be_focused()
    working.press("Enter")  # a second time, in impatience
    assert len([route for route in held if route.request.method == "POST"]) == 1
    for route in held:
        route.continue_()
    expect(page.get_by_role("alert")).to_have_text("The email or the password is wrong.")
    expect(button).to_be_enabled()
    page.close()


def test_everything_is_downloaded_and_deleted_in_every_tab_once_a_word_is_typed(person: NewPerson) -> None:
    one = person()
    one.say("[[say a secret of mine]] remember")
    one.hears("a secret of mine")
    one.expect_idle()
    there = one.second_tab()
    there.hears("a secret of mine")
    there.box.fill("a draft in the other tab")
    one.page.get_by_role("button", name="Settings").click()
    with one.page.expect_download() as saved:
        one.page.get_by_role("button", name="Download everything").click()
    assert "a secret of mine" in json.dumps(json.loads(saved.value.path().read_text()))

    sent: list[str] = []
    one.page.on("request", lambda request: sent.append(request.url) if request.method == "DELETE" else None)
    one.page.get_by_role("button", name="Settings").click()
    one.page.get_by_role("button", name="Delete everything of mine").click()
    dialog = one.page.get_by_role("dialog", name="Delete everything of yours?")
    word = dialog.get_by_label("Type")
    expect(word).to_be_focused()
    for typed in ("", "delet"):
        word.fill(typed)
        word.press("Enter")
        dialog.get_by_role("button", name="Delete everything", exact=True).click(force=True)
    assert sent == []
    word.fill("Delete")
    word.press("Enter")
    expect(one.page.get_by_text("Everything of yours has been deleted.")).to_be_visible()
    for tab in (one, there):
        expect(tab.page.get_by_text("What shall we make?")).to_be_visible()
        expect(tab.list.get_by_text("Your conversations will be listed here.")).to_be_visible()
        expect(tab.box).to_have_value("")
        kept = "Object.keys({...localStorage, ...sessionStorage}).filter((name) => /draft|outbox|turns/.test(name))"
        assert tab.page.evaluate(kept) == []
    assert len(sent) == 1


def test_a_deletion_of_everything_that_was_refused_says_so_and_can_be_sent_again(reader: Person) -> None:
    one = reader
    refusal = {"code": "store_unavailable", "message": "Not now.", "retryable": True}
    one.page.route("**/functions/v1/**/me", lambda route: fulfil(route, refusal, 503))
    one.page.get_by_role("button", name="Settings").click()
    one.page.get_by_role("button", name="Delete everything of mine").click()
    dialog = one.page.get_by_role("dialog", name="Delete everything of yours?")
    dialog.get_by_label("Type").fill("delete")
    dialog.get_by_role("button", name="Delete everything", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("trouble with its database")
    expect(dialog.get_by_role("button", name="Delete everything", exact=True)).to_be_enabled()
    dialog.get_by_role("button", name="Keep everything").click()
    expect(dialog).to_be_hidden()
