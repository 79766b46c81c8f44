"""Getting in: visible work, a forgotten password."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.stack import Stack
from tests.web.conftest import NewPerson
from tests.web.person import PASSWORD

pytestmark = pytest.mark.timeout(120)

NEW_PASSWORD = "a new horse"


def test_a_forgotten_password_is_chosen_anew(person: NewPerson, browser: Browser, running: Stack) -> None:
    ada = person()
    page = browser.new_page()
    page.goto(running.web or "")
    page.get_by_role("button", name="Forgot your password?").click()
    page.get_by_label("Email").fill(ada.email)
    with page.expect_response(re.compile("/auth/v1/recover")) as asked:
        page.get_by_role("button", name="Send me a link").click()
    assert asked.value.ok
    assert ada.email in (asked.value.request.post_data or "")
    expect(page.get_by_role("status")).to_contain_text("is on its way")

    page.goto(link(running, ada.email))
    page.reload()  # the address alone has changed
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
    page.close()


def link(running: Stack, email: str) -> str:
    """Where the link in the email ends up once Supabase has verified its token: at the page, with a session."""
    headers = {"apikey": running.publishable_key}
    body = {"email": email, "password": PASSWORD}
    url = f"{running.supabase}/auth/v1/token?grant_type=password"
    session = httpx.post(url, headers=headers, json=body, trust_env=False).raise_for_status().json()
    names = ("access_token", "refresh_token", "expires_in", "token_type")
    return f"{running.web}#{'&'.join(f'{name}={session[name]}' for name in names)}&type=recovery"


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
