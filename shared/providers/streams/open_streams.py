"""Runs whose streams are open in this process: each is read by a task of its own, and listened to by any number.

Dropping a stream is not always harmless: a response in the background was seen to stay queued for ever when its stream
was dropped at the first event, and one in the foreground ends with its connection. So a stream is let go once it
has no listener and its run has begun, and that of a foreground run is read to its end; the time of each is bounded.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.providers import fields
from shared.providers.streams.events import RunEvents
from shared.providers.streams.run_stream import RunStream, StreamRules
from shared.providers.wire import Answer, EventSource

KEPT_SECONDS = 30.0
"""How long what was heard is remembered when its stream is over."""
MOST_STREAMS = 100
"""Where no other bound is given. Each holds a connection of a pool that other requests need as well."""
MOST_KEPT = 1024


class RunKey(NamedTuple):
    """A run's id is its server's word, and some servers give one twice: what a turn says is kept with the turn."""

    turn_id: str
    run_id: str


class OpenStreams:
    """By turn and run; bounded in number."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._runs: dict[RunKey, RunStream] = {}
        self._open: set[RunStream] = set()

    @property
    def full(self) -> bool:
        return len(self._open) >= (MOST_STREAMS if self._most is None else self._most)

    def get(self, turn_id: str, run_id: str) -> RunStream | None:
        return self._runs.get(RunKey(turn_id, run_id))

    async def begin(
        self, turn_id: str, source: EventSource, events: RunEvents, rules: StreamRules, seconds: float
    ) -> Answer:
        """Read the stream on, and return once it has named its run. Raises as a create does."""
        stream = self.add(source, events, rules)
        answer = await stream.named(seconds)
        self.name(stream, turn_id, fields.identifier(answer.body))
        return answer

    def add(self, source: EventSource, events: RunEvents, rules: StreamRules) -> RunStream:
        stream = RunStream(source, events, rules)
        self._open.add(stream)
        stream.task.add_done_callback(lambda _: self._open.discard(stream))
        return stream

    def name(self, stream: RunStream, turn_id: str, run_id: str | None) -> None:
        if run_id is None:
            return
        key = RunKey(turn_id, run_id)
        self._runs[key] = stream
        if len(self._runs) > MOST_KEPT:
            oldest = next((each for each, other in self._runs.items() if other.over), key)
            self._forget(oldest, self._runs[oldest])
        stream.task.add_done_callback(
            lambda _: stream.task.get_loop().call_later(KEPT_SECONDS, self._forget, key, stream)
        )

    def drop(self, turn_id: str, run_id: str) -> None:
        if (stream := self._runs.pop(RunKey(turn_id, run_id), None)) is not None:
            stream.stop()

    def _forget(self, key: RunKey, stream: RunStream) -> None:
        if self._runs.get(key) is stream:
            del self._runs[key]
