"""`python -m tests.web.pictures` makes the pictures of the README anew: docs/images/*.png."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dev.cli import CHECKOUT
from tests.e2e.stack import Stack, stack
from tests.web import operators_scene
from tests.web.chromium import ADVICE, FLAGS, find
from tests.web.person import Person

IMAGES = CHECKOUT / "docs/images"
DEVICES: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}


def scene(browser: Browser, running: Stack, device: str, scheme: str) -> Page:
    """A team at work: done with one thing, in the middle of the next, and more has been asked meanwhile."""
    email = f"ada-{device}-{scheme}@example.com"
    slowly(running, 0.3)
    one = Person.signed_up(
        browser, running.web or "", email, color_scheme=scheme, reduced_motion="reduce", **DEVICES[device]
    )
    one.say("Write a script about a lighthouse.")
    one.sees(re.compile("Emulated script"))
    one.expect_idle()
    slowly(running, 8)
    one.say("Now describe the scenes about the lighthouse.")
    one.sees(re.compile("Emulated scenes"), 60)
    one.say("And make it shorter, please.")
    one.sees_waiting("And make it shorter, please.")
    expect(one.page.get_by_role("button", name="Edit: And make it shorter")).to_be_visible()
    return one.page


def operators(page: Page, running: Stack, device: str, scheme: str) -> None:
    """A busy day, and why one message waited."""
    operators_scene.serve(page)
    for place, name in (("", "operators"), (f"/turns/{operators_scene.TURN}", "timeline")):
        page.goto(f"{running.web}#operators{place}")
        expect(page.get_by_role("rowheader").first).to_be_visible()
        page.screenshot(path=IMAGES / f"{name}-{device}-{scheme}.png")


def slowly(running: Stack, seconds: float) -> None:
    """How long the emulator takes for one run."""
    with httpx.Client(trust_env=False) as client:
        url = f"{running.openai.removesuffix('/v1')}/_emulator/config"
        client.post(url, json={"latency_seconds": seconds}).raise_for_status()


def main() -> None:
    program = find()
    if program is None:
        sys.exit(f"no browser: run make browser. {ADVICE}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        stack(Path(directory), web=True) as running,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=program, args=FLAGS)
        for device in DEVICES:
            for scheme in ("light", "dark"):
                page = scene(browser, running, device, scheme)
                page.screenshot(path=IMAGES / f"chat-{device}-{scheme}.png")
                operators(page, running, device, scheme)
                page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
