"""The launcher's clockwork: the maintenance function of a toy, called again and again, with the secret."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.processes import Processes
from dev.scheduler import Scheduler

TOY = Path(__file__).parent / "toy.py"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 (another process's doing)
            await asyncio.sleep(0.05)


def times(processes: Processes, word: str) -> int:
    log = processes.home / "maintenance.log"
    return log.read_text().count(word) if log.exists() else 0


async def test_it_is_called_with_the_secret_again_and_again_and_started_again_when_it_died() -> None:
    said: list[str] = []
    async with Processes(report=said.append) as processes:
        scheduler = Scheduler(processes, TOY, {**os.environ, "MAINTENANCE_SECRET": "s3cret"}, interval_seconds=0.2)
        running = asyncio.create_task(scheduler.run(said.append))
        await until(lambda: times(processes, "swept with Bearer s3cret") >= 2)
        (child,) = processes.children
        os.killpg(child.process.pid, signal.SIGKILL)
        await until(lambda: len(processes.children) == 2)
        await until(lambda: times(processes, "swept with Bearer s3cret") >= 1)
        running.cancel()
    assert said == []


async def test_a_call_that_fails_is_said_once(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(TOY.read_text().replace("status_code=200", "status_code=503"))
    said: list[str] = []
    async with Processes(report=said.append) as processes:
        scheduler = Scheduler(processes, broken, dict(os.environ), interval_seconds=0.1)
        running = asyncio.create_task(scheduler.run(said.append))
        await until(lambda: times(processes, "swept with Bearer") >= 3)
        running.cancel()
    assert said == ["warning: the sweep for unattended turns failed: it answered 503"]


@pytest.mark.parametrize("given", [{}, {"MAINTENANCE_SECRET": ""}])
def test_every_start_has_a_secret_of_its_own(given: dict[str, str]) -> None:
    one, two = (Scheduler(None, TOY, given)._settings["MAINTENANCE_SECRET"] for _ in range(2))  # type: ignore[arg-type]
    assert len(one) > 20
    assert one != two
