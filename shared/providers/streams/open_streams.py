"""Runs whose streams are open in this process: each is read by a task of its own, and listened to by any number.

Dropping a stream is not always harmless: a response in the background was seen to stay queued for ever when its stream
was dropped at the first event, and one in the foreground ends with its connection. So a stream is let go once it
has no listener and its run has begun, and that of a foreground run is read to its end; the time of each is bounded.
"""

from __future__ import annotations

from shared.providers import fields
from shared.providers.streams.events import RunEvents
from shared.providers.streams.run_stream import RunStream, StreamRules
from shared.providers.wire import Answer, EventSource

KEPT_SECONDS = 30.0
"""How long what was heard is remembered when its stream is over."""
MOST_STREAMS = 100
"""Where no other bound is given. Each holds a connection of a pool that other requests need as well."""
MOST_KEPT = 1024


class OpenStreams:
    """By run id; bounded in number."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._runs: dict[str, RunStream] = {}
        self._open: set[RunStream] = set()

    @property
    def full(self) -> bool:
        return len(self._open) >= (MOST_STREAMS if self._most is None else self._most)

    def get(self, run_id: str) -> RunStream | None:
        return self._runs.get(run_id)

    async def begin(self, source: EventSource, events: RunEvents, rules: StreamRules, seconds: float) -> Answer:
        """Read the stream on, and return once it has named its run. Raises as a create does."""
        stream = self.add(source, events, rules)
        answer = await stream.named(seconds)
        self.name(stream, fields.identifier(answer.body))
        return answer

    def add(self, source: EventSource, events: RunEvents, rules: StreamRules) -> RunStream:
        stream = RunStream(source, events, rules)
        self._open.add(stream)
        stream.task.add_done_callback(lambda _: self._open.discard(stream))
        return stream

    def name(self, stream: RunStream, run_id: str | None) -> None:
        if run_id is None:
            return
        self._runs[run_id] = stream
        if len(self._runs) > MOST_KEPT:
            oldest = next((each for each, other in self._runs.items() if other.over), run_id)
            self._forget(oldest, self._runs[oldest])
        stream.task.add_done_callback(
            lambda _: stream.task.get_loop().call_later(KEPT_SECONDS, self._forget, run_id, stream)
        )

    def drop(self, run_id: str) -> None:
        if (stream := self._runs.pop(run_id, None)) is not None:
            stream.stop()

    def _forget(self, run_id: str, stream: RunStream) -> None:
        if self._runs.get(run_id) is stream:
            del self._runs[run_id]
