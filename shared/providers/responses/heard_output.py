"""The output of a response as its stream has told it, for last events that hold none of it.

Servers were seen to end a stream with an empty `output`, or with no response at all, after every word of it was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.providers import fields
from shared.providers.responses.items import item_kind, item_text, items_text, made_images, may_speak, tool_calls
from shared.providers.streams.events import raw_text


class HeardOutput:
    def __init__(self) -> None:
        self._items: dict[int, Mapping[str, Any]] = {}  # by place: as they ended, or else as they began
        self._done: set[int] = set()  # places of items that have ended
        self._arguments: dict[int, str] = {}  # of function calls

    @property
    def closed(self) -> bool:
        """Whether anything was told, and every item of it to its end."""
        return bool(self._items) and self._items.keys() == self._done

    @property
    def last_place(self) -> int:
        return max(self._items, default=-1)

    def take(self, kind: str, place: int, data: Mapping[str, Any]) -> None:
        if kind == "output_item.done":
            self._done.add(place)
        match kind:
            case "output_item.added" | "output_item.done":
                self._items[place] = {**self._items.get(place, {}), **fields.inner(data, "item")}
            case "function_call_arguments.delta":
                self._arguments[place] = self._arguments.get(place, "") + raw_text(data, "delta")
            case "function_call_arguments.done":
                self._arguments[place] = raw_text(data, "arguments") or self._arguments.get(place, "")

    def completed(self, response: Mapping[str, Any], spoken: Mapping[int, str]) -> Mapping[str, Any]:
        """The response with what it lacks of its output. `spoken`: what each message has said, by its place."""
        if fields.text(response, "status") == "cancelled":
            return response  # a cancel clears the output, as the vendor documents
        own = fields.objects(response, "output")
        heard = [self._item(place, spoken.get(place, "")) for place in sorted({*self._items, *spoken})]
        lacks_text = not (items_text(own) or fields.text(response, "output_text")) and bool(items_text(heard))
        lacks_calls = not tool_calls(own) and bool(tool_calls(heard))
        lacks_images = not made_images(own) and bool(made_images(heard))
        if not own and heard:
            return {**response, "output": heard}
        if not (lacks_text or lacks_calls or lacks_images):
            return response
        more = [
            item
            for item in heard
            if (lacks_text and may_speak(item))
            or (lacks_calls and item_kind(item) in ("function_call", "mcp_approval_request"))
            or (lacks_images and item_kind(item) == "image_generation_call")
        ]
        kept = [item for item in own if not _is_replaced(item, words=lacks_text, images=lacks_images)]
        return {**response, "output": [*kept, *more]}

    def _item(self, place: int, text: str) -> Mapping[str, Any]:
        item = self._items.get(place, {"type": "message", "role": "assistant"})
        if fields.text(item, "type") == "function_call" and not item.get("arguments"):
            return {**item, "arguments": self._arguments.get(place, "")}
        if may_speak(item) and text and not item_text(item):
            return {**item, "content": [{"type": "output_text", "text": text}]}
        return item


def _is_replaced(item: Mapping[str, Any], *, words: bool, images: bool) -> bool:
    return (words and may_speak(item)) or (images and item_kind(item) == "image_generation_call")
