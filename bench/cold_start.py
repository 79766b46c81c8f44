"""What a new process costs: until its port is open, and until it has answered its first turn; medians.

And what importing the function costs, against its framework alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace

from bench.figures import Figures
from bench.stack import SETTINGS, Running, running
from dev import functions
from dev.cli import CHECKOUT
from dev.ports import HOST, free_range

ROUNDS = 5
IMPORT_SETTINGS = {"OPENAI_API_KEY": "none", "SUPABASE_URL": "https://none.invalid", "SUPABASE_SECRET_KEY": "none"}
CLOCK = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
LOOK_SECONDS = 0.01


async def measure() -> Figures:
    figures = Figures()
    _imports(figures)
    async with running(SETTINGS) as one:
        for number in range(ROUNDS):
            await _start(one, number, figures)
    return figures


def _imports(figures: Figures) -> None:
    modules = ("functions_framework.aio", "main", "functions.composition")
    taken: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:  # side by side, so that a slow machine slows all of them
            timed = [sys.executable, "-c", CLOCK.format(module)]
            taken[module].append(float(subprocess.check_output(timed, env={**os.environ, **IMPORT_SETTINGS})))
    framework, main, composition = (statistics.median(taken[module]) for module in modules)
    figures["import_ratio"] = round(main / framework, 2)
    figures["import_ms"] = round(main * 1000)
    figures["framework_import_ms"] = round(framework * 1000)
    figures["first_request_import_ms"] = round(composition * 1000)


async def _start(one: Running, number: int, figures: Figures) -> None:
    settings = functions.settings_for(one.stack.supabase, one.stack.keys, one.stack.openai, None)
    port, token = free_range(1, taken=one.ports)[0], one.token()
    began = time.perf_counter()
    child = await functions.start(one.processes, f"cold-{number}", port, CHECKOUT / "main.py", settings)
    while not await _listens(port):  # noqa: ASYNC110 - a new process does not say that it listens
        await asyncio.sleep(LOOK_SECONDS)
    figures.sample("cold_port_ms", time.perf_counter() - began)
    new = Running(replace(one.stack, functions=[functions.url(port)]), one.processes)
    await new.send(token, message="hello")
    figures.sample("cold_turn_ms", time.perf_counter() - began)
    child.task = True
    child.process.terminate()
    await child.process.wait()


async def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False


if __name__ == "__main__":
    asyncio.run(measure()).show()
