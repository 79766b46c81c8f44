"""How many creates may be under way at one provider: fewer after a refusal, one more after a round of accepted ones.

The rule is TCP's (additive increase, multiplicative decrease, RFC 5681): many senders that know nothing of one another
come to share a limit that none of them is told.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST, LEAST, MOST = 32.0, 1.0, 256.0
DECREASE = 0.5


@dataclass(frozen=True, slots=True)
class LaneWidth:
    creates: float = FIRST

    @property
    def whole(self) -> int:
        return int(self.creates)

    def accepted(self) -> LaneWidth:
        """A create was taken: as many of them as the lane is wide make it wider by one."""
        return LaneWidth(min(self.creates + 1 / self.creates, MOST))

    def refused(self, under_way: int) -> LaneWidth:
        """A create came too soon while so many were under way. The lane may have been wider than what was sent."""
        return LaneWidth(max(min(self.creates, under_way) * DECREASE, LEAST))
