"""The Conversations API: making a conversation, and reading what stands at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.errors import OutcomeUnknown, ProviderError
from shared.core.model import Message
from shared.core.runs import Thread
from shared.providers import fields
from shared.providers.responses.input_items import seeds, whole_item
from shared.providers.responses.items import Item
from shared.providers.wire import TOO_LARGE, Wire

ITEMS_PER_CREATE = 20  # as the vendor documents
ITEMS_PER_PAGE = 100  # as the vendor documents
SMALLER = 5  # times fewer in the next attempt, where so many are too large
_PAGES = 3


@dataclass(frozen=True, slots=True)
class NewestItems:
    """The items after the last one known, newest first."""

    items: Sequence[Item]
    whole: bool  # False: the last one known did not show, so older items may be among these


class Conversations:
    def __init__(self, wire: Wire, provider: str) -> None:
        self._wire = wire
        self._provider = provider

    async def create(self, history: Sequence[Message], *, whole_items: bool = False) -> Thread:
        """A conversation seeded with the transcript, in as many calls as it takes."""
        items = [whole_item(item) if whole_items else item for item in seeds(history)]
        first = {"items": items[:ITEMS_PER_CREATE]} if items else {}
        answer = await self._wire.post("conversations", body=first)
        thread_id = fields.identifier(answer.body)
        if thread_id is None:
            raise OutcomeUnknown("The provider made a conversation and did not name it.")
        for at in range(ITEMS_PER_CREATE, len(items), ITEMS_PER_CREATE):
            more = {"items": items[at : at + ITEMS_PER_CREATE]}
            await self._wire.post("conversations", thread_id, "items", body=more)
        newest = await self._page(thread_id, {"limit": 1}) if items else {}
        cursor = next((made for item in fields.objects(newest, "data") if (made := fields.identifier(item))), None)
        return Thread(self._provider, thread_id, cursor)

    async def end(self, thread_id: str, cursor: str | None) -> NewestItems:
        """What came after `cursor`; the whole conversation where that is None. Bounded to a few pages."""
        items: list[Item] = []
        query: dict[str, str | int] = {"limit": ITEMS_PER_PAGE}
        for _ in range(_PAGES):
            page = await self._page(thread_id, query)
            listed = fields.objects(page, "data")
            for item in listed:
                if cursor is not None and fields.identifier(item) == cursor:
                    return NewestItems(items, whole=True)
                items.append(item)
            last = fields.identifier(listed[-1]) if listed else None
            if page.get("has_more") is not True or last is None or last == query.get("after"):
                return NewestItems(items, whole=cursor is None)
            query["after"] = last
        return NewestItems(items, whole=False)

    async def drop(self, thread_id: str, item_ids: Sequence[str]) -> None:
        """Take items out. Raises what the server answers where it cannot."""
        for item_id in item_ids:
            await self._wire.delete("conversations", thread_id, "items", item_id)

    async def delete(self, thread_id: str) -> None:
        await self._wire.delete("conversations", thread_id)

    async def _page(self, thread_id: str, query: dict[str, str | int]) -> Mapping[str, Any]:
        """Lowers the query's limit where so many items are too large to be read: an image takes megabytes."""
        while True:
            try:
                answer = await self._wire.get("conversations", thread_id, "items", query={"order": "desc", **query})
                return answer.body
            except ProviderError as error:
                limit = int(query["limit"])
                if limit == 1 or error.details.get("about") != TOO_LARGE:
                    raise
                query["limit"] = max(limit // SMALLER, 1)
