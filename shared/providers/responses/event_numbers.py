"""The numbers of a stream's events, as far as they mean something.

The vendor counts the events of a response from zero. Servers were seen to number every event zero, to begin anew with
every item and to leave numbers out; there the order of the events is all that there is.
"""

from __future__ import annotations

from shared.providers.streams.text_assembly import StreamUnreliable

REMEMBERED = 256
"""So many of the newest events are known again where they are repeated."""


class EventNumbers:
    def __init__(self) -> None:
        self.last: int | None = None  # of the last event; None where the numbers mean nothing
        self._counts = False  # one number has followed another
        self._useless = False
        self._resumed = False
        self._events: dict[int, int] = {}  # hashes of the newest events, by number

    def resumed(self) -> None:
        """The next event comes from a new stream: only there the network may have lost some."""
        self._resumed = True

    def repeated(self, number: int | None, raw: str) -> bool:
        """Whether this event was read before. Raises StreamUnreliable where one before it is missing."""
        resumed, self._resumed = self._resumed, False
        if number is None or self._useless:
            return False
        last = self.last
        if last is not None and number <= last:
            known = self._events.get(number)
            if (self._counts or resumed) and known in (None, hash(raw)):
                return True
            return self._give_up()
        if last is not None and number > last + 1:
            if self._counts or resumed:
                raise StreamUnreliable("events were skipped")
            return self._give_up()
        self._counts = self._counts or last is not None
        self.last = number
        self._events[number] = hash(raw)
        self._events.pop(number - REMEMBERED, None)
        return False

    def _give_up(self) -> bool:
        self._useless, self.last = True, None
        return False
