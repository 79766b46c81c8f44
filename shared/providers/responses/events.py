"""The events of a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.providers import fields
from shared.providers.responses.items import item_text, response_state
from shared.providers.streams.events import RunEvents, place_in, raw_text
from shared.providers.streams.text_assembly import StreamUnreliable
from shared.providers.text import clean

_QUEUE = ("response.created", "response.queued")


class ResponseEvents(RunEvents):
    """Numbers tell a skipped event from a repeated one; without them the order is trusted as it comes."""

    def __init__(self, *, attached: bool = False) -> None:
        """`attached`: not the create's own stream, so that it begins at the beginning has to be seen."""
        super().__init__()
        self._attached = attached
        self._places: dict[str, int] = {}  # by item id

    def look(self, response: Mapping[str, Any]) -> None:
        """Take the response as a plain answer has it."""
        self._status(response)
        if self.end is not None:
            self.run_text.complete(self.end.text)

    def read(self, name: str, data: Mapping[str, Any], raw: str) -> None:
        kind = raw_text(data, "type") or name
        if self._repeated(place_in(data, "sequence_number"), kind):
            return
        if kind == "error":
            self.failed(raw)
            return
        self.begun = self.begun or kind not in _QUEUE
        response = fields.inner(data, "response")
        if response:
            self._status(response)
        elif kind.startswith("response.") and not self.muted:
            self._item(kind.removeprefix("response."), data)

    def _repeated(self, number: int | None, kind: str) -> bool:
        if self._attached and self.run is None and number not in (0, 1) and kind != "response.created":
            raise StreamUnreliable("a stream that does not begin at the beginning")
        if number is None or self.muted:
            return False
        if self.number is not None and number <= self.number:
            return True
        if self.number is not None and number > self.number + 1:
            raise StreamUnreliable("events were skipped")
        self.number = number
        return False

    def _status(self, response: Mapping[str, Any]) -> None:
        if self.run is None and fields.identifier(response):
            self.run = response
        state = response_state(response)
        if state.terminal or state.status == "requires_action":
            self.run = self.run or response
            self.end, self.over = state, True

    def _item(self, kind: str, data: Mapping[str, Any]) -> None:
        item, part = fields.inner(data, "item"), fields.inner(data, "part")
        at = place_in(data, "content_index") or 0
        match kind:
            case "output_item.added":
                speaks = not item or fields.text(item, "role") == "assistant"
                self.run_text.message(self._place(data, item), silent=not speaks)
            case "output_item.done":
                speaks = fields.text(item, "role") == "assistant"
                message = self.run_text.message(self._place(data, item), silent=not speaks)
                message.end(item_text(item) if speaks else "")
            case "output_text.delta" | "refusal.delta":
                self.run_text.message(self._place(data, item)).add(at, raw_text(data, "delta"))
            case "output_text.done":
                self.run_text.message(self._place(data, item)).end_part(at, clean(raw_text(data, "text")))
            case "refusal.done":
                self.run_text.message(self._place(data, item)).end_part(at, clean(raw_text(data, "refusal")))
            case "content_part.done":
                told = fields.text(part, "text") or fields.text(part, "refusal")
                self.run_text.message(self._place(data, item)).end_part(at, told)

    def _place(self, data: Mapping[str, Any], item: Mapping[str, Any]) -> int:
        """Where the item stands in the output; by its id, or the order in which items come, where no index is given."""
        place = place_in(data, "output_index")
        item_id = fields.identifier(data, "item_id") or fields.identifier(item)
        if place is None and item_id is not None:
            place = self._places.get(item_id, self.run_text.places)
        if place is None:
            place = max(self.run_text.places - 1, 0)
        if item_id is not None:
            self._places.setdefault(item_id, place)
        return place
