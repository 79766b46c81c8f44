"""What is built: a lock that names no host, files that work below any path of any static host."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dev.page import SOURCES, place
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(120)


def test_every_package_is_pinned_and_no_host_is_named() -> None:
    manifest = json.loads((SOURCES / "package.json").read_text())
    wanted = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert [name for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert "resolved" not in (SOURCES / "package-lock.json").read_text()


@pytest.fixture
def elsewhere(running: Stack, tmp_path: Path) -> Iterator[str]:
    """The built files under a path of a plain file server, on an origin of their own."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/chat").symlink_to(place())
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # it listens from here on
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/deep/chat/"
        server.shutdown()
        serving.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


def test_the_files_work_on_any_static_host(browser: Browser, elsewhere: str) -> None:
    page = browser.new_page()
    page.goto(elsewhere)
    expect(page.get_by_role("alert")).to_have_text(re.compile("config.json is missing beside this page"))
    config = {
        "supabaseUrl": "https://project.example",
        "publishableKey": "key",
        "functionUrl": "https://function.example",
    }
    page.route("**/config.json", lambda route: route.fulfill(body=json.dumps(config), content_type="application/json"))
    page.reload()
    expect(page.get_by_role("form", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name="Use the demo account")).to_have_count(0)
    page.close()
