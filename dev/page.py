"""The built chat page: made once for what stands in web/, found again by its digest."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from dev.cli import CHECKOUT
from dev.node import CACHE, Node, alone, ensure_packages, path_with
from dev.processes import Processes

SOURCES = CHECKOUT / "web"
_BUILT = CACHE / "page"
_BUILD_SECONDS = 120
_KEPT = 3  # another start may still serve what was built before


async def build(node: Node, processes: Processes, say: Callable[[str], None]) -> Path:
    """The directory with the built files. Builds, and gets what building needs, only where web/ has changed."""
    target = place()
    if target.is_dir():
        return target
    await ensure_packages(node, SOURCES, processes, say, "the chat page (once, some 120 MB)")
    async with alone(CACHE / "page.lock"):
        if target.is_dir():  # by another start, while this one waited
            return target
        say("building the chat page")
        half = _BUILT / "half"
        shutil.rmtree(half, ignore_errors=True)
        vite = SOURCES / "node_modules/vite/bin/vite.js"
        command: list[str | Path] = [node.program, vite, "build", SOURCES, "--outDir", half, "--logLevel", "warn"]
        environment = {**os.environ, "PATH": path_with(node), "NODE_ENV": "production"}
        await processes.run("vite", command, environment, _BUILD_SECONDS)
        half.rename(target)
        for old in sorted(_BUILT.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return target


def place() -> Path:
    """Where the page built of what stands in web/ now is, or will be."""
    return _BUILT / _digest()


def _digest() -> str:
    """Of everything that building reads, names included."""
    digest = hashlib.sha256()
    for path in sorted(_inputs()):
        digest.update(f"{path.relative_to(SOURCES)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _inputs() -> Iterator[Path]:
    yield from (path for path in SOURCES.iterdir() if path.is_file())
    for folder in ("src", "public"):
        yield from (path for path in (SOURCES / folder).rglob("*") if path.is_file())
