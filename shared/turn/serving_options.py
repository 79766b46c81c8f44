"""What the settings say of how turns are served."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.pace import Pace
from shared.runs.start import HistoryLimits


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Times in seconds, from the settings of the same names."""

    default_provider: str
    pace: Pace
    settle_seconds: float
    run_budget_seconds: float
    cancel_wait_seconds: float
    carry: HistoryLimits
    max_handoffs: int
    max_tool_calls: int
    approval_seconds: float = 86_400.0
