"""What is built: a lock that names no host, files for any path of any static host, a client that can be copied."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dev.node import find_node
from dev.page import SOURCES, place
from tests.e2e.stack import Stack
from tests.web.conftest import NewPerson

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


COPIED = {
    "index.html": "<!doctype html><input><main></main><script type='module' src='./main.ts'></script>",
    "main.ts": """import { chat } from "./client/example";
const [box, main] = [document.querySelector("input")!, document.querySelector("main")!];
const { functionUrl, token, user } = JSON.parse(localStorage.getItem("copied")!);
chat(main, box, functionUrl, token, user);
""",
    "tsconfig.json": json.dumps(
        {
            "extends": str(SOURCES / "tsconfig.json"),
            "compilerOptions": {"types": []},
            "include": ["client", "main.ts"],
        }
    ),
}


@pytest.fixture
def copied(running: Stack, tmp_path: Path) -> str:
    """The script of a page that has nothing of this one but the client, and of its packages one."""
    shutil.copytree(SOURCES / "src/client", tmp_path / "client")
    for name, text in COPIED.items():
        (tmp_path / name).write_text(text)
    packages = SOURCES / "node_modules"
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/eventsource-parser").symlink_to(packages / "eventsource-parser")
    with ThreadPoolExecutor(1) as pool:  # Playwright's loop stands in this thread
        node = pool.submit(lambda: asyncio.run(find_node())).result().program
    for program, *arguments in (("typescript/bin/tsc", "--noEmit", "-p"), ("vite/bin/vite.js", "build")):
        command = [node, str(packages / program), *arguments, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (script,) = (tmp_path / "dist").rglob("*.js")
    return script.read_text()


SESSION = "JSON.parse(localStorage.getItem(Object.keys(localStorage).find((key) => key.endsWith('-auth-token'))))"


def test_the_client_works_in_a_page_that_has_nothing_else_of_this_one(person: NewPerson, copied: str) -> None:
    one = person()
    session, config = one.page.evaluate(SESSION), one.page.evaluate("fetch('config.json').then((one) => one.json())")
    values = {"functionUrl": config["functionUrl"], "token": session["access_token"], "user": session["user"]["id"]}
    one.page.evaluate("(values) => localStorage.setItem('copied', JSON.stringify(values))", values)
    page = one.page.context.new_page()
    page.goto(f"{one.page.url.partition('#')[0]}config.json")  # an origin that may call the function, and an empty page

    def show() -> None:
        page.set_content("<input><main></main>")
        page.add_script_tag(content=copied, type="module")

    show()
    box, main = page.locator("input"), page.locator("main")
    box.fill("[[slow 5]] [[say the first answer]]")
    box.press("Enter")
    expect(main).to_contain_text("you: [[slow 5]]")
    box.fill("the second")
    box.press("Enter")
    expect(main).to_contain_text("(waits) the second")
    page.reload()
    show()
    expect(main).to_contain_text("orchestrator: the first answer")
    expect(main).to_contain_text("orchestrator: Emulated reply 2 to: the second")
    box.fill("[[slow 30]] a long one")
    box.press("Enter")
    expect(main).to_contain_text("you: [[slow 30]] a long one")
    box.press("Escape")
    box.fill("[[say the last]]")
    box.press("Enter")
    expect(main).to_contain_text(": the last")
