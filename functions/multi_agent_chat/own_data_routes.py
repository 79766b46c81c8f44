"""Endpoints of everything that a user has here: one file of it, and its deletion."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.asgi.body import read_nothing
from functions.asgi.call import JSON, call_of
from functions.multi_agent_chat import render_agents, render_conversations
from functions.multi_agent_chat.dependencies import Dependencies
from shared.core.conversation import Conversation
from shared.core.errors import NotFound
from shared.core.images import Image

LISTED = 100  # conversations in one read
LINES = 500  # of a transcript in one read


class OwnDataRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def delete_all(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        await read_nothing(request)
        deadline = call_of(request).arrived_at + self._deps.wait_budget_seconds
        await self._deps.in_time(self._deps.service.delete_conversations(user, deadline), deadline)
        return Response(status_code=204)

    async def export(self, request: Request) -> Response:
        """The answer begins once the first conversations are there, so that what is wrong until then has its status."""
        user = await self._deps.reader(request)
        first = await self._listed(user.id, None, archived=False)
        headers = {"content-disposition": 'attachment; filename="conversations.json"'}
        return StreamingResponse(self._document(user.id, first), headers=headers, media_type=JSON)

    async def _document(self, user_id: str, first: Sequence[Conversation]) -> AsyncIterator[str]:
        yield f'{{"user_id":{json.dumps(user_id)},"conversations":['
        between = "\n"
        async for one in self._conversations(user_id, first):
            project = await self._deps.read(self._deps.store.read_project(user_id, one.conversation_id))
            feedback = await self._deps.read(self._deps.store.read_feedback(user_id, one.conversation_id))
            more = {"project": dict(project), "feedback": [dict(row) for row in feedback]}
            yield between + _text(render_conversations.conversation(one) | more)[:-1] + ', "lines": ['
            images: list[Image] = []
            with contextlib.suppress(NotFound):  # deleted meanwhile
                async for page in self._pages(user_id, one.conversation_id, images):
                    yield page
            yield '], "images": ['
            for at, image in enumerate(images):
                yield (", " if at else "") + _text({"image_id": image.image_id, "media_type": image.media_type})[:-1]
                yield ', "base64": "'
                with contextlib.suppress(NotFound):
                    async for piece in self._image(user_id, image.image_id):
                        yield piece
                yield '"}'
            yield "]}"
            between = ",\n"
        agents = await self._deps.read(self._deps.store.list_agents(user_id))
        own = [render_agents.own_agent(agent) for agent in agents if agent.owned]
        yield f'\n],"agents":{_text(own)}}}\n'

    async def _conversations(self, user_id: str, first: Sequence[Conversation]) -> AsyncIterator[Conversation]:
        """Each once, also where one moves to the top of the list meanwhile."""
        seen: set[str] = set()
        for archived in (False, True):
            page = await self._listed(user_id, None, archived=True) if archived else first
            while page:
                for one in page:
                    if one.conversation_id not in seen:
                        seen.add(one.conversation_id)
                        yield one
                full = len(page) == LISTED
                page = await self._listed(user_id, page[-1].conversation_id, archived=archived) if full else ()

    async def _listed(self, user_id: str, before: str | None, *, archived: bool) -> Sequence[Conversation]:
        return await self._deps.read(
            self._deps.store.list_conversations(user_id, LISTED, before, archived=archived, q=None)
        )

    async def _image(self, user_id: str, image_id: str) -> AsyncIterator[str]:
        first = await self._deps.read(self._deps.store.read_image(user_id, image_id))
        async for piece in self._deps.image_pieces(user_id, image_id, first):
            yield piece.data

    async def _pages(self, user_id: str, conversation_id: str, images: list[Image]) -> AsyncIterator[str]:
        """The transcript as elements of a list, so many of them at a time. Adds to `images` what was drawn there."""
        after_seq, full = 0, True
        while full:
            found = await self._deps.read(
                self._deps.store.list_messages(user_id, conversation_id, after_seq=after_seq, limit=LINES)
            )
            if found:
                yield ("," if after_seq else "") + ",".join(
                    _text(render_conversations.transcript_line(one)) for one in found
                )
                images += [image for line in found for image in line.images if image.fault is None]
                after_seq = found[-1].seq
            full = len(found) == LINES


def _text(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode()
