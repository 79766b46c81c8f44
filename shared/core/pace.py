"""How long to pause: between two looks at a run, and before a provider is asked once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from shared.core.errors import ProviderError

# By how much the pause grows with every look. The factors differ because what is waited for does.
CONFLICT_GROWTH = 1.6  # other people's runs: many may wait for the same one, and each of their looks is a request
CANCEL_GROWTH = 2.0  # a run that is asked to end does so at once or not for long

FIRST_LOOK_SECONDS = 0.03  # at a run that cannot be heard
UNSEEN_SHARE = 0.05  # of the time that an answer took: the longest that it may lie unseen
RETRY_SECONDS = 1.0  # before a provider is asked once more, where it names no time
LONGEST_EXPONENT = 40  # a float overflows long before a waiting request gives up


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at a run: the first pause, and the longest."""

    min_seconds: float
    max_seconds: float

    def pause(self, number: int, growth: float) -> float:
        """Seconds of the pause with this number, counted from 0."""
        return float(min(self.min_seconds * growth ** min(number, LONGEST_EXPONENT), self.max_seconds))

    def answer_pause(self, waited_seconds: float) -> float:
        """Before the next look at a run that has been waited for so long."""
        return min(max(UNSEEN_SHARE * waited_seconds, FIRST_LOOK_SECONDS), self.max_seconds)

    def pauses(self, growth: float) -> Iterator[float]:
        """All pauses of one wait, one after the other, without an end."""
        return (self.pause(number, growth) for number in count())


def retry_pause(error: ProviderError) -> float:
    """Seconds to wait after this error before the provider is asked once more."""
    return RETRY_SECONDS if error.retry_after is None else error.retry_after
