"""A browser, and the whole stack with the page, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.stack import Stack, stack
from tests.web.chromium import ADVICE, FLAGS, find
from tests.web.person import PATIENCE_MS, Person

NewPerson = Callable[..., Person]


# For this folder only and not for the session: while Playwright's loop stands, asyncio would start no other.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.fail(f"no browser: run make browser. {ADVICE}")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def launcher_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="package")
def running(launcher_directory: Path) -> Iterator[Stack]:
    """Two instances behind one address, as a hosted function has; short leases, so that a death is soon noticed."""
    # one person writes in most of the tests
    settings = {"MESSAGES_PER_MINUTE": "10000", "READS_PER_MINUTE": "100000", "OPERATOR_ROLE": "operator"}
    with stack(launcher_directory, "--instances", "2", web=True, LEASE_SECONDS="4", **settings) as started:
        yield started


@pytest.fixture(scope="package")
def logs(running: Stack, launcher_directory: Path) -> Path:
    """Where the instances write."""
    said = (launcher_directory / "launcher.log").read_text()
    return Path(said.split("logs are in ")[1].split("\n")[0])


@pytest.fixture(scope="package")
def signed_in(browser: Browser, running: Stack) -> Iterator[Person]:
    assert running.web is not None
    one = Person.signed_up(browser, running.web)
    yield one
    one.page.context.close()


@pytest.fixture(scope="package")
def writers_tab(browser: Browser, running: Stack) -> Iterator[tuple[Person, list[str]]]:
    wrong: list[str] = []
    assert running.web is not None
    one = Person.signed_up(browser, running.web)
    one.page.on("pageerror", lambda error: wrong.append(str(error)))
    yield one, wrong
    one.page.context.close()


@pytest.fixture
def writer(writers_tab: tuple[Person, list[str]]) -> Iterator[Person]:
    """A person at a conversation of the test's own, in a tab that the tests share: opening one takes longest."""
    one, wrong = writers_tab
    one.page.unroute_all()
    one.page.context.set_offline(False)
    one.page.emulate_media(reduced_motion="no-preference", color_scheme="light", media="screen")
    one.page.bring_to_front()
    for _ in range(2):
        one.page.keyboard.press("Escape")
    one.page.get_by_role("button", name="New conversation").click()
    expect(one.page.get_by_text("What shall we make?")).to_be_visible()
    expect(one.box).to_be_focused()
    yield one
    for tab in one.page.context.pages:
        if tab != one.page:
            tab.close()
    one.page.keyboard.press("Escape")  # stops what is still being answered
    assert wrong == []


@pytest.fixture
def reader(signed_in: Person) -> Iterator[Person]:
    """A person who only reads, in a tab of their own: where the server's answers are canned and no turn is taken."""
    wrong: list[str] = []
    one = signed_in.second_tab()
    one.page.on("pageerror", lambda error: wrong.append(str(error)))
    yield one
    one.page.close()
    assert wrong == []


@pytest.fixture
def person(browser: Browser, running: Stack) -> Iterator[NewPerson]:
    """Make people with an account of their own; nothing may go wrong in their pages unnoticed."""
    wrong: list[str] = []
    made: list[Person] = []

    def make(**context: Any) -> Person:
        assert running.web is not None
        new = Person.signed_up(browser, running.web, **context)
        new.page.on("pageerror", lambda error: wrong.append(str(error)))
        made.append(new)
        return new

    yield make
    for one in made:
        one.page.context.close()
    assert wrong == []
