"""The events of a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.core.runs import RunState
from shared.providers import fields
from shared.providers.refusals.error_body import read_error
from shared.providers.responses.event_numbers import EventNumbers
from shared.providers.responses.heard_output import HeardOutput
from shared.providers.responses.items import in_background, item_text, may_speak, response_state
from shared.providers.streams.events import RunEvents, place_in, raw_text
from shared.providers.streams.text_assembly import StreamUnreliable
from shared.providers.text import clean

_QUEUE = ("response.created", "response.queued")
_UNDER_WAY = (*_QUEUE, "response.in_progress")
# The event says how it ended, also where the response in it says something else, or nothing.
_ENDS = {f"response.{word}": word for word in ("completed", "failed", "incomplete", "cancelled")}
_ENDS["response.done"] = "completed"
_SAYS_NOTHING = frozenset({"error", "unknown", "none", "null", "api_error"})


class ResponseEvents(RunEvents):
    """The end of a response is what its last event holds and, where that holds no output, what was told before it."""

    def __init__(self, *, attached_to: str | None = None) -> None:
        """`attached_to`: not the create's own stream, but one of a run of this turn, as far as its id tells.

        So that it begins at the beginning, and that the run does not name another turn, has to be seen.
        """
        super().__init__()
        self._attached_to = attached_to
        self._places: dict[str, int] = {}  # by item id
        self._numbers = EventNumbers()
        self._heard = HeardOutput()

    def look(self, response: Mapping[str, Any]) -> None:
        """Take the response as a plain answer has it."""
        self._status(response)
        if self.end is not None:
            self.run_text.complete(self.end.text)

    def finished(self, *, said_so: bool) -> None:
        """A response in the foreground ends with its stream: without a last event, what was told is all of it."""
        if self.end is not None or self.run is None or in_background(self.run):
            return
        if self._heard.closed or (said_so and any(self.run_text.spoken().values())):
            self.look({**self.run, "status": "completed"})

    def resumed(self) -> None:
        self._numbers.resumed()

    def read(self, name: str, data: Mapping[str, Any], raw: str) -> None:
        kind = raw_text(data, "type") or name
        response = fields.inner(data, "response") or (data if fields.text(data, "object") == "response" else {})
        number = place_in(data, "sequence_number")
        if self._attached_to and self.run is None and number not in (0, 1) and kind != "response.created":
            raise StreamUnreliable("a stream that does not begin at the beginning")
        if kind in _ENDS:  # never left out, with any number
            self.begun = True
            self._status({"status": _ENDS[kind], **response}, ends=_ENDS[kind])
            return
        repeated = not self.muted and self._numbers.repeated(number, raw)
        self.number = self._numbers.last
        if repeated:
            return
        if kind in ("error", "response.error") or (not response and not kind.startswith("response.") and _error(data)):
            self.failed(raw)
            return
        self.begun = self.begun or kind not in _QUEUE
        if response:
            self._status(response, under_way=kind in _UNDER_WAY)
        elif kind.startswith("response."):
            place = self._place(data, fields.inner(data, "item"))
            self._heard.take(kind.removeprefix("response."), place, data)
            if not self.muted:
                self._item(kind.removeprefix("response."), place, data)

    def failed(self, raw: str) -> None:
        """An error after the run was named: the end of one in the foreground, where the server says what went wrong.

        One in the background goes on beside its stream: it is asked for, as one of which nothing certain was said.
        """
        fault = read_error(raw)
        refused = fault.status is not None and 400 <= fault.status < 500 and fault.status != 408
        typed = [code for code in fault.codes if code not in _SAYS_NOTHING]
        if self.run is None or in_background(self.run) or not (typed or refused):
            super().failed(raw)
            return
        error = {"code": typed[0] if typed else "invalid_request_error", "message": fault.message}
        self._status({**self.run, "status": "failed", "error": error})

    def _status(self, response: Mapping[str, Any], *, ends: str | None = None, under_way: bool = False) -> None:
        """`ends`: how the event itself says that the response has ended; `under_way`: it says that it has not."""
        state = response_state(response)
        if self._attached_to and state.turn_id not in (None, self._attached_to):
            raise StreamUnreliable("a response of another turn")
        if under_way and _over(state):
            response = {**response, "status": "in_progress"}
        elif ends is not None and not _over(state):
            response = {**response, "status": ends}
        if not under_way and (ends is not None or _over(state)):
            response = self._heard.completed(response, self.run_text.spoken())
            state = response_state(response)
            self.run = self.run or response
            self.end, self.over = replace(state, run_id=state.run_id or fields.identifier(self.run)), True
            self._heard = HeardOutput()  # images are megabytes, and the end has them
        elif self.run is None and fields.identifier(response):
            self.run = response

    def _item(self, kind: str, place: int, data: Mapping[str, Any]) -> None:
        item, part = fields.inner(data, "item"), fields.inner(data, "part")
        at = place_in(data, "content_index") or 0
        match kind:
            case "output_item.added":
                self.run_text.message(place, silent=bool(item) and not may_speak(item))
            case "output_item.done":
                speaks = may_speak(item)
                self.run_text.message(place, silent=not speaks).end(item_text(item) if speaks else "")
            case "output_text.delta" | "refusal.delta":
                self.run_text.message(place).add(at, raw_text(data, "delta"))
            case "output_text.done":
                self.run_text.message(place).end_part(at, clean(raw_text(data, "text")))
            case "refusal.done":
                self.run_text.message(place).end_part(at, clean(raw_text(data, "refusal")))
            case "content_part.done":
                told = fields.text(part, "text") or fields.text(part, "refusal")
                if fields.text(part, "type") not in ("reasoning_text", "summary_text"):
                    self.run_text.message(place).end_part(at, told)

    def _place(self, data: Mapping[str, Any], item: Mapping[str, Any]) -> int:
        """Where the item stands in the output; by its id, or the order in which items come, where no index is given."""
        place = place_in(data, "output_index")
        item_id = fields.identifier(data, "item_id") or fields.identifier(item)
        last = max(self.run_text.last_place, self._heard.last_place)
        if place is None and item_id is not None:
            place = self._places.get(item_id, last + 1)
        if place is None:
            place = max(last, 0)
        if item_id is not None:
            self._places.setdefault(item_id, place)
        return place


def _over(state: RunState) -> bool:
    return state.terminal or state.status == "requires_action"


def _error(data: Mapping[str, Any]) -> bool:
    return bool(data.get("error"))
