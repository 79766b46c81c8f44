"""Which tests are run once more when they fail, and how they are shared out between processes.

Once more: those over real processes, sockets and clocks. A busy machine can fail any of them once. What was run again
stands in the summary as RERUN, and is looked into. The pure tests and the simulation, which have a clock of their own,
are never run again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REAL = frozenset(
    {"clients", "contracts", "dev", "e2e", "emulator", "http", "maintenance", "platform"}
    | {"security", "service", "soak", "web"}
)
LONGEST = ("web", "clients", "e2e", "simulation", "service", "dev", "soak", "platform", "db", "http")
ONCE_MORE = pytest.mark.flaky(reruns=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: what is left at the end is then short enough for the processes to end together."""
    items.sort(key=lambda item: LONGEST.index(room) if (room := _room(item.path)) in LONGEST else len(LONGEST))
    for item in items:
        if _room(item.path) in REAL:
            item.add_marker(ONCE_MORE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import FilesTogether  # only where there are several processes

    config.option.loadscopereorder = False
    return FilesTogether(config, log)


def _room(path: Path) -> str:
    return path.relative_to(HERE).parts[0]
