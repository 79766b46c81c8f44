"""What others wrote, against the whole stack: the AI SDK's useChat, supabase-js, a plain reader of server-sent events.

Each script runs under Node's own test runner. The packages are pinned in package.json and fetched once.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.node import ensure_packages, find_node
from dev.processes import Processes
from dev.supabase_local import DEMO_EMAIL, DEMO_PASSWORD
from tests.e2e.stack import Stack, stack

HERE = Path(__file__).parent
ORIGIN = "https://app.example.com"
SCRIPTS = sorted(HERE.glob("*.test.mjs"))

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def node() -> str:
    """The Node that came with the requirements: these packages want a younger one than many systems have."""

    async def ready() -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", "")
            found = await find_node()
        async with Processes(report=print) as processes:
            await ensure_packages(found, HERE, processes, print)
        return found.program

    return asyncio.run(ready())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(
        tmp_path_factory.mktemp("clients"), "--instances", "2", ALLOWED_ORIGINS=ORIGIN, MAX_OPEN_TURNS="3"
    ) as started:
        yield started


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name.partition(".")[0])
def test_script(script: Path, node: str, running: Stack) -> None:
    where = {
        "FUNCTION_URL": running.functions[0],
        "OTHER_FUNCTION_URL": running.functions[1],
        "SUPABASE_URL": running.supabase,
        "PUBLISHABLE_KEY": running.publishable_key,
        "JWT_SECRET": running.jwt_secret,
        "SECRET_KEY": running.secret_key,
        "DEMO_EMAIL": DEMO_EMAIL,
        "DEMO_PASSWORD": DEMO_PASSWORD,
        "ALLOWED_ORIGIN": ORIGIN,
    }
    command = [node, "--test", "--test-reporter=tap", "--test-timeout=30000", str(script)]
    done = subprocess.run(
        command, env={**os.environ, **where}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
