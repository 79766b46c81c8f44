"""`python -m tests.web.figures [DIRECTORY]` measures what the page costs, a figure a line.

DIRECTORY holds another built page than this checkout's: an older one is measured by the same means.
"""

from __future__ import annotations

import gzip
import re
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from dev import page
from tests.e2e.stack import Stack, stack
from tests.web.canned import Canned
from tests.web.chromium import ADVICE, FLAGS, find
from tests.web.person import Person
from tests.web.tasks import OBSERVE, longest, slowest_reference

SLOW_LINE = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
IDLE_SECONDS = 30
TIMES = 5
SHORTEST_TOLD_MS = 50  # browsers tell of no shorter tasks
PARAGRAPHS = "\n\n".join(f"Paragraph {number} of **a long answer**." for number in range(80))
LOOPBACK = "--disable-features=LocalNetworkAccessChecks"  # a page that is handed to the browser has no address
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
CONFIG = (
    b'{"supabaseUrl": "https://project.example", "publishableKey": "key", "functionUrl": "https://function.example"}'
)

SHOW = """async (id) => {
  const from = performance.now();
  location.hash = id;
  const next = () => new Promise(requestAnimationFrame);
  for (;;) {
    await next();
    if (performance.now() - from > 20_000) throw new Error("Message 300 is not shown.");
    const last = document.querySelector(".messages > li:last-child");
    if (last?.querySelector("strong") && last.innerText.includes("Message 300")) return performance.now() - from;
  }
}"""


class Compressing(BaseHTTPRequestHandler):
    """A static host as most are: files compressed, connections kept open."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, files: Path) -> None:
        self._files = files
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = self._files / (self.path.lstrip("/") or "index.html")
        body = gzip.compress(CONFIG if path.name == "config.json" else path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", TYPES[path.suffix])
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def host(files: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressing, files=files)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def bundle(files: Path) -> int:
    """Compressed bytes of the scripts that the HTML names: all that is loaded before more than grey is shown."""
    names = re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', (files / "index.html").read_text())
    return sum(len(gzip.compress((files / name).read_bytes(), 9)) for name in names)


def slow_line(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds to the first paint and to the form to sign in, at 400 ms of latency and 400 kbit/s."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW_LINE)
    page.goto(url, wait_until="commit")
    page.get_by_role("form", name="Sign in").wait_for(timeout=60_000)
    usable = page.evaluate("performance.now()") / 1000
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    page.close()
    return painted, usable


def visitor(browser: Browser, running: Stack, files: Path) -> Person:
    """A person with an account, at the page of `files`."""
    origin = running.web or ""

    def serve(route: Route) -> None:
        path = files / (route.request.url.removeprefix(origin).partition("#")[0].lstrip("/") or "index.html")
        if path.name == "config.json":
            route.continue_()
        else:
            route.fulfill(body=path.read_bytes(), content_type=TYPES[path.suffix])

    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.route(f"{origin}/**", serve)
    one = Person(context.new_page(), "figures@example.com")
    one.page.goto(origin)
    one.page.get_by_role("button", name="Create an account").click()
    one.enter("Create the account")
    return one


def idle_requests(one: Person) -> int:
    """How many requests reach the function in 30 seconds in which nothing happens."""
    asked: list[str] = []
    one.page.on("request", lambda request: asked.append(request.url) if "/functions/" in request.url else None)
    one.page.wait_for_timeout(IDLE_SECONDS * 1000)
    return len(asked)


def long_conversation(page: Page) -> float:
    """Milliseconds from choosing a conversation of 300 messages to its last one being drawn."""
    texts = [f"Message {number} with **bold**, `code`\n\n- one\n- two" for number in range(1, 301)]
    Canned.of(*texts).serve(page)
    took: list[float] = []
    for number in range(TIMES):
        took.append(page.evaluate(SHOW, f"00000000-0000-4000-8000-{number:012}"))
        page.unroute_all()
        page.get_by_role("button", name="New conversation").click()
        expect(page.get_by_text("What shall we make?")).to_be_visible()
        Canned.of(*texts).serve(page)
    return statistics.median(took)


def streaming(one: Person) -> tuple[float, float]:
    """Milliseconds of the longest task while a long answer streams, and of a small piece of work in an empty page."""
    one.page.get_by_role("button", name="New conversation").click()
    one.say(f"[[slow 4]] [[say {PARAGRAPHS}]]")
    reply = one.messages.locator(".reply").last
    expect(reply).to_contain_text("Paragraph 2 ")  # what there is to fetch has been fetched
    one.page.evaluate(OBSERVE)
    expect(reply).to_contain_text("Paragraph 60")
    took = longest(one.page)
    empty = one.page.context.new_page()
    reference = slowest_reference(empty)
    empty.close()
    return took, reference


def measure(browser: Browser, running: Stack, files: Path) -> Iterator[str]:
    yield f"scripts before the first paint: {bundle(files) / 1000:.1f} kB compressed"
    with host(files) as url:
        lines = [slow_line(browser, url) for _ in range(3)]
    painted, usable = (statistics.median(column) for column in zip(*lines, strict=True))
    yield f"on a slow line: first paint after {painted:.1f} s, the form to sign in after {usable:.1f} s"
    one = visitor(browser, running, files)
    one.say("hello")
    expect(one.messages.get_by_text("Emulated reply 1")).to_be_visible()
    expect(one.page.get_by_role("button", name="Stop the answer")).to_have_count(0)
    yield f"an idle tab: {idle_requests(one)} requests in {IDLE_SECONDS} s"
    took, reference = streaming(one)
    ratio = max(took, SHORTEST_TOLD_MS) / reference
    told = f"{took:.0f}" if took else f"under {SHORTEST_TOLD_MS}"
    yield f"the longest task while an answer streams: {told} ms, {ratio:.1f} times a small one of an empty page or less"
    yield f"300 messages: shown after {long_conversation(one.page):.0f} ms"


def main() -> None:
    program = find()
    if program is None:
        sys.exit(f"no browser: run make browser. {ADVICE}")
    with tempfile.TemporaryDirectory() as directory, stack(Path(directory), "--instances", "2", web=True) as running:
        files = Path(sys.argv[1]) if len(sys.argv) > 1 else page.place()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, LOOPBACK])
            for figure in measure(browser, running, files):
                sys.stdout.write(f"{figure}\n")
                sys.stdout.flush()
            browser.close()


if __name__ == "__main__":
    main()
