"""How the pause between two looks grows."""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 2.0  # of the pause between two looks


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at a run: the first pause, and the longest."""

    min_seconds: float
    max_seconds: float
