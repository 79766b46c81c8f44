"""What stands in a thread: its newest messages and runs, and what a run has said."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.core.errors import ProviderError
from shared.core.images import MadeImage
from shared.core.runs import RunState
from shared.providers import fields
from shared.providers.assistants.runs import answer_text, image_files, unshown
from shared.providers.refusals.meaning import is_gone, lacks_route
from shared.providers.wire import TOO_LARGE, Wire

NEWEST_RUNS = 20
NEWEST_MESSAGES = 100  # the most a list gives, as the vendor documents


class ThreadReads:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def with_answer(self, thread_id: str, run: RunState) -> RunState:
        """The run with what it has said and drawn."""
        run_id = str(run.run_id)
        listed = await self.messages(thread_id, {"run_id": run_id})
        files = image_files(listed, run_id) if run.terminal else ()
        images = tuple([await self._image(file_id) for file_id in files])
        return replace(run, text=answer_text(listed, run_id), images=images, unshown=unshown(listed, run_id))

    async def _image(self, file_id: str) -> MadeImage:
        """Without data where the server does not give them: it is told of as one that cannot be shown."""
        try:
            content = await self._wire.content("files", file_id, "content")
        except ProviderError as error:
            if is_gone(error) or lacks_route(error) or error.details.get("about") == TOO_LARGE:
                return MadeImage("")
            raise
        return MadeImage(base64.b64encode(content).decode())

    async def messages(self, thread_id: str, query: Mapping[str, str] | None = None) -> list[Mapping[str, Any]]:
        """Newest first, so that a server that ignores the query still answers with the end of a long thread."""
        wanted: dict[str, str | int] = {"order": "desc", "limit": NEWEST_MESSAGES, **(query or {})}
        answer = await self._wire.get("threads", thread_id, "messages", query=wanted)
        return _newest_first(fields.objects(answer.body, "data"))

    async def runs(self, thread_id: str, limit: int = NEWEST_RUNS) -> list[Mapping[str, Any]]:
        answer = await self._wire.get("threads", thread_id, "runs", query={"order": "desc", "limit": limit})
        return _newest_first(fields.objects(answer.body, "data"))


def _newest_first(listed: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The list in the order that was asked for, also from a server that did not listen."""
    first, last = (listed[0], listed[-1]) if listed else ({}, {})
    made = first.get("created_at"), last.get("created_at")
    if isinstance(made[0], int) and isinstance(made[1], int) and made[0] < made[1]:
        return listed[::-1]
    return listed
