"""What is built: a lock that names no host, files that work below any path of any static host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dev.cli import CHECKOUT
from dev.page import SOURCES
from dev.ports import free_range
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
    (built,) = (CHECKOUT / ".dev/page").iterdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/chat").symlink_to(built)
    (port,) = free_range(1, taken=[])
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        tmp_path,
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/deep/chat/"
    server.terminate()
    server.wait()


def test_the_files_work_on_any_static_host(browser: Browser, elsewhere: str) -> None:
    page = browser.new_page()
    page.goto(elsewhere, wait_until="commit")
    for _ in range(50):  # until the server listens
        if page.get_by_role("heading").count():
            break
        page.wait_for_timeout(100)
        page.goto(elsewhere, wait_until="load")
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
