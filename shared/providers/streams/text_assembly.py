"""What a run says while it says it: only words whose place in the whole text is certain.

A run may say several messages of several parts each, and a stream may mix them. The whole text is the messages in
order, joined as `get_run` joins them; so the words of a message count only once all before it are over.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.providers.text import clean

BETWEEN_MESSAGES = "\n\n"
MAX_TEXT_CHARS = 4 * 1024 * 1024


class StreamUnreliable(Exception):
    """The stream cannot be trusted any further: something was skipped, repeated or cannot be read."""


class _Part:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.taken = 0
        self.done = False
        self._half = ""  # of a surrogate pair: the other half comes with the next words

    def add(self, words: str) -> None:
        words = self._half + words
        self._half = words[-1:] if "\ud800" <= words[-1:] <= "\udbff" else ""
        if self._half:
            words = words[:-1]
        if words := clean(words):
            self.pieces.append(words)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def fresh(self) -> list[str]:
        pieces, self.taken = self.pieces[self.taken :], len(self.pieces)
        return pieces


class MessageText:
    """One message, or another item of the run that says nothing."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.done = silent
        self._parts: dict[int, _Part] = {}

    @property
    def text(self) -> str:
        """All that the message has said so far, certain or not."""
        return "".join(self._parts[index].text for index in sorted(self._parts))

    def add(self, index: int, words: str) -> None:
        if self.silent:
            return
        part = self._part(index)
        if part.done or self.done:
            raise StreamUnreliable("words after the end of their message")
        part.add(words)

    def end_part(self, index: int, whole: str) -> None:
        """`whole` is the part's text as the server tells it at its end; empty where it tells none."""
        part = self._part(index)
        if not self.done:
            part.pieces += _rest(whole, part.text)
            part.done = True

    def end(self, whole: str) -> None:
        """`whole` is the message's text as the server tells it at its end; empty where it tells none."""
        if self.done:
            return
        parts = [self._parts[index] for index in sorted(self._parts)] or [self._parts.setdefault(0, _Part())]
        parts[-1].pieces += _rest(whole, "".join(part.text for part in parts))
        self.done = True

    def fresh(self) -> Iterator[str]:
        """Words that were not told yet and whose place is certain."""
        for index in sorted(self._parts):
            yield from self._parts[index].fresh()
            if not (self._parts[index].done or self.done):
                return

    def _part(self, index: int) -> _Part:
        """Servers count parts from zero or one, or count those that are not shown: only their order says something."""
        if index not in self._parts and any(at > index and part.taken for at, part in self._parts.items()):
            raise StreamUnreliable("a part before one that was told")
        return self._parts.setdefault(index, _Part())


class RunText:
    """All that a run says, from `base` on: `pieces` grows, and together they are a prefix of the whole text."""

    def __init__(self, base: str = "") -> None:
        self.base = base
        self.pieces: list[str] = []
        self.length = len(base)
        self._messages: dict[int, MessageText] = {}
        self._place = 0  # no message before it is waited for
        self._begun = False

    @property
    def text(self) -> str:
        return self.base + "".join(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether every message that began has ended and was told."""
        return all(place < self._place for place in self._messages)

    @property
    def last_place(self) -> int:
        """Of the messages that have begun; -1 where none has."""
        return max(self._messages, default=-1)

    def spoken(self) -> dict[int, str]:
        """What each message has said so far, by its place."""
        return {place: message.text for place, message in self._messages.items()}

    def message(self, place: int, *, silent: bool = False) -> MessageText:
        """The message at this place, which begins with the first look at it.

        Servers count from zero or from one: a place that no message has taken is not waited for. One that begins
        before a place that was told has no place any more.
        """
        if place < self._place and place not in self._messages:
            raise StreamUnreliable("a message before one that was told")
        return self._messages.setdefault(place, MessageText(silent=silent))

    def flow(self) -> None:
        """Take over what has become certain."""
        while (place := self._next()) is not None:
            message = self._messages[place]
            for words in message.fresh() if not message.silent else ():
                if not self._begun and self.length:
                    self._tell(BETWEEN_MESSAGES)
                self._begun, self._place = True, place
                self._tell(words)
            if not message.done:
                return
            self._place, self._begun = place + 1, False

    def _next(self) -> int | None:
        return min((place for place in self._messages if place >= self._place), default=None)

    def complete(self, whole: str) -> None:
        """The whole text, as the end of the run tells it: what was not heard of it follows."""
        if whole.startswith(said := self.text) and len(whole) > len(said):
            self._tell(whole[len(said) :])

    def _tell(self, words: str) -> None:
        self.pieces.append(words)
        self.length += len(words)
        if self.length > MAX_TEXT_CHARS:
            raise StreamUnreliable("more text than a reply may hold")


def _rest(whole: str, said: str) -> list[str]:
    """What is left of `whole` behind what was said of it."""
    if not whole or whole == said:
        return []
    if not whole.startswith(said):
        raise StreamUnreliable("the server tells its own words otherwise")
    return [whole[len(said) :]]
