"""What importing the function costs, against its framework alone: `python -m bench.cold_start`. Medians of five."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 5
SETTINGS = {"OPENAI_API_KEY": "none", "SUPABASE_URL": "https://none.invalid", "SUPABASE_SECRET_KEY": "none"}
CLOCK = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def measure() -> dict[str, float]:
    modules = ("functions_framework.aio", "main", "functions.composition")
    taken: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:  # side by side, so that a slow machine slows all of them
            timed = [sys.executable, "-c", CLOCK.format(module)]
            taken[module].append(float(subprocess.check_output(timed, env={**os.environ, **SETTINGS})))
    framework, main, adapters = (statistics.median(taken[module]) for module in modules)
    return {
        "import_ratio": round(main / framework, 2),
        "import_ms": round(main * 1000),
        "framework_ms": round(framework * 1000),
        "first_request_import_ms": round(adapters * 1000),
    }


if __name__ == "__main__":
    print(measure())
