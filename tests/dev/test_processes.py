"""Children are watched while they run and gone afterwards, willing or not."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from dev.processes import Child, ChildDied, ChildSlow, Processes

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint('ready', flush=True)\\ntime.sleep(600)"])
print("grandchild", inner.pid, flush=True)
time.sleep(600)
"""


def ignore(_: str) -> None:
    """Its output is not read."""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def wait_for_text(processes: Processes, child: Child, text: str) -> None:
    async def said() -> bool:
        return text in child.log.read_text()

    await processes.wait_ready(child, said, 20)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def never() -> bool:
    return False


async def test_children_and_grandchildren_that_ignore_sigterm_are_killed() -> None:
    async with Processes(ignore, grace_seconds=0.2) as processes:
        child = await processes.start("stubborn", python(STUBBORN), os.environ)
        await wait_for_text(processes, child, "ready")
        grandchild = int(child.log.read_text().split("grandchild ")[1].split()[0])
        assert alive(grandchild)
    assert child.process.returncode == -9
    assert not alive(grandchild)


async def test_a_polite_child_may_finish() -> None:
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    async with Processes(ignore) as processes:
        child = await processes.start("polite", python(code), os.environ)
        await wait_for_text(processes, child, "ready")
    assert child.process.returncode == 7


async def test_the_temporary_directory_goes_with_the_processes() -> None:
    async with Processes(ignore) as processes:
        home = processes.home
        assert home.is_dir()
    assert not home.exists()


async def test_a_child_that_dies_during_start_up_is_named_with_the_end_of_its_log() -> None:
    async with Processes(ignore) as processes:
        slow = await processes.start("slow", python("import time; time.sleep(600)"), os.environ)
        await processes.start("database", python("print('no space left'); raise SystemExit(3)"), os.environ)
        with pytest.raises(ChildDied, match=r"^database ended with status 3:\n  \| no space left$"):
            await processes.wait_ready(slow, never, 20)


async def test_a_child_that_is_not_ready_in_time_is_named() -> None:
    async with Processes(ignore) as processes:
        slow = await processes.start("slow", python("import time; time.sleep(600)"), os.environ)
        with pytest.raises(ChildSlow, match=r"^slow was not ready within 0 s"):
            await processes.wait_ready(slow, never, 0.05)


async def test_a_child_that_dies_later_is_reported_and_the_rest_goes_on() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    async with Processes(said.put_nowait) as processes:
        rest = await processes.start("rest", python("import time; time.sleep(600)"), os.environ)
        victim = await processes.start("function-1", python("import time; time.sleep(600)"), os.environ)
        processes.settle()
        victim.process.kill()
        report = await asyncio.wait_for(said.get(), 20)
        assert report == "function-1 was ended by SIGKILL; the rest keeps running"
        assert rest.process.returncode is None
    assert said.empty()


async def test_a_task_that_fails_is_an_error_with_its_log() -> None:
    async with Processes(ignore) as processes:
        await processes.run("fine", python("pass"), os.environ, 20)
        with pytest.raises(ChildDied, match=r"^npm ended with status 1:\n  \| no network$"):
            await processes.run("npm", python("print('no network'); raise SystemExit(1)"), os.environ, 20)


async def test_what_is_slow_is_named_while_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.processes._SLOW_SECONDS", 0.01)
    said: list[str] = []
    async with Processes(said.append) as processes:
        child = await processes.start("sleeper", python("import time; time.sleep(600)"), os.environ)

        async def told() -> bool:
            return bool(said)

        await processes.wait_ready(child, told, 20)
    assert said[0].startswith("still waiting for sleeper, ")
