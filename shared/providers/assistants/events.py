"""The events of a run on the Assistants wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.providers import fields
from shared.providers.assistants.runs import IMAGE_FILE, message_text, run_state
from shared.providers.streams.events import RunEvents, place_in, raw_text

_KINDS = ("thread.run", "thread.message")


class ThreadRunEvents(RunEvents):
    """Run objects tell the status, message objects and their deltas the words."""

    def __init__(self, said: str = "") -> None:
        """`said`: the run's text before this stream."""
        super().__init__(said)
        self._places: dict[str, int] = {}  # by message id
        self.has_images = False  # among what it said: only the list of messages leads to them

    def read(self, name: str, data: Mapping[str, Any], raw: str) -> None:
        kind = name or _unnamed(data)
        if kind == "error":
            self.failed(raw)
        elif kind.startswith("thread.message."):
            self.begun = True
            self._message(kind.removeprefix("thread.message."), data)
        elif kind.startswith("thread.run.") and not kind.startswith("thread.run.step"):
            self._status(kind.removeprefix("thread.run."), data)

    def _status(self, kind: str, run: Mapping[str, Any]) -> None:
        """The event says how the run ended, also where the run in it is without a status."""
        if self.run is None and fields.identifier(run):
            self.run = run
        state = run_state({"status": kind, **run})
        self.begun = self.begun or state.status != "queued"
        if state.terminal or state.status == "requires_action":
            self.end, self.over = state, True

    def _message(self, kind: str, data: Mapping[str, Any]) -> None:
        place = self._places.setdefault(fields.identifier(data) or "", len(self._places))
        silent = kind != "delta" and fields.text(data, "role") != "assistant"
        message = self.run_text.message(place, silent=silent)
        if kind == "delta":
            for part in fields.objects(fields.inner(data, "delta"), "content"):
                words = raw_text(fields.inner(part, "text"), "value") or raw_text(part, "text")
                message.add(place_in(part, "index") or 0, words or raw_text(part, "refusal"))
        elif kind in ("completed", "incomplete"):
            message.end(message_text(data))
            kinds = [fields.text(part, "type") for part in fields.objects(data, "content")]
            self.has_images = self.has_images or IMAGE_FILE in kinds


def _unnamed(data: Mapping[str, Any]) -> str:
    """The kind of an event that has no name: what its object says of itself."""
    what = fields.text(data, "object")
    if what in _KINDS:
        return f"{what}.{fields.status(data, 'unknown')}"
    return what or fields.text(data, "type")
