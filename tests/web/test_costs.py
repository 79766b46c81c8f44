"""What the page costs: bytes before it is there, and requests while nothing happens."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, Route, expect

from dev.page import SOURCES, place
from tests.e2e.stack import Stack
from tests.web.conftest import NewPerson

pytestmark = pytest.mark.timeout(120)

BEFORE_PAINT_BYTES = 120_000
IDLE_SECONDS = 30
IDLE_REQUESTS = 8


@pytest.fixture
def built(running: Stack) -> Path:
    assert running.web
    return place()


def test_what_comes_before_the_first_paint_is_small(browser: Browser, running: Stack, built: Path) -> None:
    """The sign-in page with all that it loads at once, and the page of one who is signed in without Markdown."""
    html = (built / "index.html").read_text()
    scripts = re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', html)
    assert scripts
    compressed = sum(len(gzip.compress((built / name).read_bytes(), 9)) for name in scripts)
    assert compressed < BEFORE_PAINT_BYTES
    page = browser.new_page()
    page.goto(running.web or "")
    expect(page.get_by_role("form", name="Sign in")).to_be_visible()
    fetched = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert not [name for name in fetched if re.search("Block|formulas|highlight", name)]
    page.close()


def test_something_is_painted_before_any_script_has_come(browser: Browser, running: Stack) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route("**/assets/*.js", lambda route: held.append(route))
    page.goto(running.web or "", wait_until="commit")
    expect(page.get_by_role("status", name="Loading")).to_be_visible()
    expect(page.get_by_role("heading", name="Multi-agent chat")).to_be_visible()
    paints = page.evaluate(PAINTS)
    assert paints > 0
    for route in held:
        route.continue_()
    page.unroute("**/assets/*.js")
    expect(page.get_by_role("form", name="Sign in")).to_be_visible()
    page.close()


PAINTS = """new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().length))
  .observe({ type: "paint", buffered: true }))"""


def test_an_idle_tab_asks_ever_more_seldom(person: NewPerson) -> None:
    one = person()
    one.page.clock.install()
    one.say("[[say hello]]")
    one.hears("hello")
    one.expect_idle()
    asked: list[Request] = []
    answered: list[Request] = []
    one.page.on("request", lambda request: asked.append(request) if "/functions/" in request.url else None)
    one.page.on("requestfinished", lambda request: answered.append(request) if "/functions/" in request.url else None)
    counts = []
    for _ in range(3):
        before = len(asked)
        for _ in range(IDLE_SECONDS):
            one.page.clock.run_for(1000)
            while len(answered) < len(asked):  # answers come in real time
                one.page.wait_for_event("requestfinished")
        counts.append(len(asked) - before)
    assert counts[0] <= IDLE_REQUESTS
    assert counts[2] <= 3
    assert counts[2] <= counts[0]


def test_the_headers_of_static_hosts_say_what_the_page_says(built: Path) -> None:
    html = (SOURCES / "index.html").read_text()
    (policy,) = re.findall(r'content="(default-src[^"]*)"', html)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert script[0] in (built / "index.html").read_text()  # building has not changed it

    netlify = dict(
        line.strip().split(": ", 1) for line in (built / "_headers").read_text().splitlines() if line.startswith("  ")
    )
    vercel = json.loads((built / "vercel.json").read_text())["headers"][0]["headers"]
    assert {one["key"]: one["value"] for one in vercel}.items() <= netlify.items()
    assert netlify["Content-Security-Policy"] == f"{policy}; frame-ancestors 'none'"
    assert netlify["X-Content-Type-Options"] == "nosniff"
    assert netlify["Referrer-Policy"] == "no-referrer"
