"""Which tests are run once more when they fail: those over real processes, sockets and clocks.

A busy machine can fail any of them once. What was run again stands in the summary as RERUN, and is looked into.
The pure tests and the simulation, which have a clock of their own, are never run again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
REAL = frozenset(
    {"clients", "contracts", "dev", "e2e", "emulator", "http", "maintenance", "platform"}
    | {"security", "service", "soak", "web"}
)
ONCE_MORE = pytest.mark.flaky(reruns=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] in REAL:
            item.add_marker(ONCE_MORE)
