"""The one place that starts a run."""

from __future__ import annotations

from shared.core.runs import RunState
from shared.core.turns import RunStart
from shared.ports import Provider


async def start_run(provider: Provider, start: RunStart, *, stream: bool = False) -> RunState:
    """Sent once, never retried; what it raises is told at `Provider.start_run`."""
    return await provider.start_run(start, stream=stream)
