"""How long a request waits for a turn."""

from __future__ import annotations

from dataclasses import dataclass

LATEST_START_SECONDS = 2.0  # of the wait budget, or a fifth of a short one: no create is sent later than that


@dataclass(frozen=True, slots=True)
class WaitBudget:
    """When a request stops waiting, on the clock, and how long before that it starts nothing any more."""

    deadline: float
    start_margin_seconds: float
    may_withdraw: bool  # strategy reject: by the request that brought the turn, which no other request knows of yet

    @classmethod
    def of(cls, deadline: float, now: float, *, may_withdraw: bool = False) -> WaitBudget:
        return cls(deadline, min(LATEST_START_SECONDS, max(deadline - now, 0) / 5), may_withdraw)
