"""The requests of one process that wait in line for a conversation's queue, and how a claim gets to one of them.

The write that ends a turn may come back with the claim on the next one: it goes to a request that waits here at that
moment. A claim that no request takes is given back by the holder that brought it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.core.turns import Claim, ConversationKey
from shared.ports import Lessee


@dataclass(eq=False, slots=True)
class Place:
    """One request in line. `claim` is what was handed over to it; it is the request's to serve or to give back."""

    turn_id: str
    lessee: Lessee
    latest_start_at: float  # on the clock: later it would start nothing any more
    claim: Claim | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Returns when woken, at the latest after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


class WaitingLines:
    """The lines by conversation; each in the order in which its requests came."""

    def __init__(self) -> None:
        self._places: dict[ConversationKey, list[Place]] = {}

    @contextlib.contextmanager
    def place(
        self, conversation: ConversationKey, turn_id: str, lessee: Lessee, latest_start_at: float
    ) -> Iterator[Place]:
        place = Place(turn_id, lessee, latest_start_at)
        self._places.setdefault(conversation, []).append(place)
        try:
            yield place
        finally:
            line = self._places[conversation]
            line.remove(place)
            if not line:
                del self._places[conversation]

    def lessee(self, conversation: ConversationKey, now: float) -> Lessee | None:
        """In whose name the next turn may be claimed; None where no request could start it."""
        free = self._free(conversation, now)
        return free[0].lessee if free else None

    def hand_over(self, conversation: ConversationKey, claim: Claim, now: float) -> bool:
        """Give the claim to the request that waits for its turn, else to the first; False where there is none."""
        free = self._free(conversation, now)
        if not free:
            return False
        place = next((one for one in free if one.turn_id == claim.turn.turn_id), free[0])
        place.claim = claim
        place.wake()
        return True

    def wake(self, conversation: ConversationKey) -> None:
        for place in self._places.get(conversation, ()):
            place.wake()

    def wake_all(self) -> None:
        for conversation in tuple(self._places):
            self.wake(conversation)

    def _free(self, conversation: ConversationKey, now: float) -> list[Place]:
        line = self._places.get(conversation, ())
        return [place for place in line if place.claim is None and now < place.latest_start_at]
