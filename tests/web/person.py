"""A person at the page: what they do, and what they see."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from playwright.sync_api import Browser, Locator, Page, expect

PATIENCE_MS = 20_000
PASSWORD = "correct horse"


def until(page: Page, condition: str) -> None:
    """Wait until the expression is true. Playwright's own way needs eval, which the page forbids."""
    page.evaluate(
        f"new Promise((done) => {{ const look = () => ({condition}) ? done() : requestAnimationFrame(look); look(); }})"
    )


@dataclass(frozen=True)
class Person:
    """One tab of one browser."""

    page: Page
    email: str

    @classmethod
    def signed_up(cls, browser: Browser, web: str, email: str | None = None, **context: object) -> Person:
        """A new account, at an empty conversation."""
        new = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})  # type: ignore[arg-type]
        new.set_default_timeout(PATIENCE_MS)
        person = cls(new.new_page(), email or f"{uuid.uuid4()}@example.com")
        person.page.goto(web)
        person.page.get_by_role("button", name="Create an account").click()
        person.enter("Create the account")
        return person

    def enter(self, button: str) -> None:
        self.page.get_by_label("Email").fill(self.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.box).to_be_focused()

    def second_tab(self) -> Person:
        tab = self.page.context.new_page()
        tab.goto(self.page.url)
        return Person(tab, self.email)

    def elsewhere(self, browser: Browser) -> Person:
        """In another browser, in the same conversation."""
        other = Person(browser.new_page(), self.email)
        other.page.goto(self.page.url)
        other.enter("Sign in")
        return other

    @property
    def conversation(self) -> str:
        return self.page.url.partition("#")[2]

    @property
    def box(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("list", name="Messages")

    @property
    def queue(self) -> Locator:
        return self.page.get_by_role("region", name="Messages that wait")

    def say(self, text: str, strategy: str | None = None) -> None:
        self.box.fill(text)
        if strategy is None:
            self.box.press("Enter")
            return
        self.page.get_by_role("button", name="Other ways to send").click()
        self.page.get_by_role("button", name=re.compile(f"^{strategy}")).click()

    def sees(self, text: str | re.Pattern[str], seconds: float = PATIENCE_MS / 1000) -> None:
        found = self.messages.get_by_text(text).filter(visible=True)
        expect(found.first).to_be_visible(timeout=seconds * 1000)

    def hears(self, text: str) -> None:
        """An answer with these words, the messages of one's own left aside."""
        expect(self.messages.locator(".reply").filter(has_text=text).last).to_be_visible(timeout=PATIENCE_MS)

    def sees_waiting(self, *texts: str) -> None:
        """Exactly these messages stand in the line, in this order."""
        expect(self.queue.locator("p.text")).to_have_text([re.compile(re.escape(text)) for text in texts])

    def sees_nothing_of(self, text: str) -> None:
        expect(self.messages.get_by_text(text)).to_have_count(0)
        expect(self.queue.get_by_text(text)).to_have_count(0)

    def expect_bubbles(self, *texts: str) -> None:
        shown = self.messages.locator(".bubble, .markdown")
        expect(shown).to_have_text([re.compile(f"^(You: )?{re.escape(text)}$") for text in texts], timeout=PATIENCE_MS)

    @property
    def list(self) -> Locator:
        return self.page.get_by_role("navigation", name="Conversations")

    def does(self, what: str, conversation: str) -> None:
        """Chooses what is to be done with a conversation of the list."""
        self.list.get_by_role("button", name=f"More for {conversation}").click()
        self.page.get_by_role("button", name=what, exact=True).click()

    def shape(self) -> tuple[str, ...]:
        """Words, calls with what was given and what came of them, handoffs and notes: of all answers, in order."""
        parts = ".reply .markdown, .reply .tool summary, .reply .tool dd, .reply .cut, .handed"
        return tuple(self.messages.locator(parts).all_text_contents())

    def expect_idle(self) -> None:
        expect(self.page.get_by_role("button", name="Stop the answer")).to_have_count(0, timeout=PATIENCE_MS)
        expect(self.queue).to_have_count(0)
