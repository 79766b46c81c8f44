"""The browser that the tests of the page drive. `python -m tests.web.chromium` installs it where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = "Install Chromium or Google Chrome, or name one: CHROMIUM=/path/to/chromium"

# Headless in a container, with a profile of its own, asking no server for anything.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """The program, if the machine has one."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def install() -> str | None:
    """Put Debian's Chromium on the machine; returns what is in the way, None when it is there."""
    if find():
        return None
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"The tests of the page need a browser, and only root can install one with apt-get. {ADVICE}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    for attempt in (["apt-get", "update", "--quiet"], command):
        done = subprocess.run(attempt, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(attempt[:2])} failed: {done.stderr.strip()[-600:]}\n{ADVICE}"
    return None if find() else f"apt-get installed no Chromium. {ADVICE}"


if __name__ == "__main__":
    if not find():
        sys.stderr.write("installing Chromium for the tests of the page\n")
    if trouble := install():
        sys.exit(trouble)
