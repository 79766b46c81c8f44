"""What one user may take of one instance: a share of its requests, and a rate of reads.

Both are counted in memory. An instance protects itself with them; what a user may have accepted by all instances
together is counted by the database (MESSAGES_PER_MINUTE, MAX_OPEN_TURNS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from shared.core.error_codes import ErrorCode
from shared.core.errors import TooMany
from shared.ports import Clock

SHARE = 4  # a user may have one of so many parts of an instance's requests
RETRY_SECONDS = 2.0  # where a request of the same user has to end first
FORGET_ABOVE = 10_000  # users; those who could read at full rate again need no entry


class UserShares:
    """`max_concurrent` is the number of requests that the instance takes at the same time."""

    def __init__(self, clock: Clock, *, max_concurrent: int, reads_per_minute: int) -> None:
        self._clock, self._most_open = clock, max(1, max_concurrent // SHARE)
        self._reads_per_minute = reads_per_minute
        self._open: Counter[str] = Counter()
        self._full_at: dict[str, float] = {}  # when the user has all reads of a minute again

    def enter(self, user_id: str) -> Callable[[], None]:
        """Count one more request of this user; what is returned takes it back. Raises TooMany (`too_many_open`)."""
        if self._open[user_id] >= self._most_open:
            raise TooMany(
                "Too many requests of yours are being answered.",
                code=ErrorCode.TOO_MANY_OPEN,
                retry_after=RETRY_SECONDS,
            )
        self._open[user_id] += 1
        return partial(self._leave, user_id)

    def _leave(self, user_id: str) -> None:
        self._open[user_id] -= 1
        if not self._open[user_id]:
            del self._open[user_id]

    def count_read(self, user_id: str) -> None:
        """Reads flow back evenly: those of a minute may come at once, then one each 60 / READS_PER_MINUTE seconds.

        Raises TooMany (`rate_limited`).
        """
        now, seconds_each = self._clock.now(), 60.0 / self._reads_per_minute
        full_at = max(now, self._full_at.get(user_id, now)) + seconds_each
        if full_at - now > 60.0 + seconds_each / 2:  # half a read of rounding
            raise TooMany(retry_after=full_at - now - 60.0)
        self._full_at[user_id] = full_at
        if len(self._full_at) > FORGET_ABOVE:
            self._full_at = {user: at for user, at in self._full_at.items() if at > now}
