"""What a stream has told of one run so far. The wires differ in the events only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.core.runs import RunState
from shared.providers.sse import ServerEvent
from shared.providers.streams.text_assembly import RunText, StreamUnreliable

DONE = "[DONE]"


class RunEvents:
    """Takes one event after the other; `take` raises StreamUnreliable where the text cannot be certain any more."""

    def __init__(self, base: str = "") -> None:
        self.run_text = RunText(base)
        self.run: Mapping[str, Any] | None = None  # the first object that named the run
        self.refusal: str | None = None  # an error that came before the run was named
        self.begun = False  # past its queue: may be let go
        self.over = False  # nothing more is to come
        self.end: RunState | None = None  # how it ended, or that it waits for outputs, where the stream told
        self.number: int | None = None  # of the last event, on servers that number them
        self.muted = False  # its words are not certain any more: only its end counts

    def take(self, event: ServerEvent) -> None:
        if event.data.strip() == DONE:
            self.finished(said_so=True)
            self.over = True
            return
        try:
            data = json.loads(event.data, strict=False)
        except (ValueError, RecursionError) as error:
            raise StreamUnreliable("an event that cannot be read") from error
        if not isinstance(data, dict):
            raise StreamUnreliable("an event that is no object")
        self.read(event.name, data, event.data)
        if not self.muted:
            self.run_text.flow()
        if self.end is not None:
            self.run_text.complete(self.end.text)

    def read(self, name: str, data: Mapping[str, Any], raw: str) -> None:
        raise NotImplementedError

    def finished(self, *, said_so: bool) -> None:
        """The server has ended the stream; `said_so`: with a word of its own, behind everything else."""

    def resumed(self) -> None:
        """The next event comes from a new stream of the same run."""

    def failed(self, raw: str) -> None:
        """An `error` event: a refusal where nothing was named yet, else the end of what this stream can say."""
        if self.run is None:
            self.refusal = raw
        self.over = True


def raw_text(value: Any, key: str) -> str:
    """The string under `key` as it came: half a character may stand at its end."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def place_in(value: Any, key: str) -> int | None:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
