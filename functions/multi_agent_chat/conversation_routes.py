"""Endpoints of conversations: list them, read one and its transcript, change what its user may change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.asgi.body import read_json, read_nothing
from functions.asgi.call import MARKDOWN, call_of
from functions.asgi.errors import json_response
from functions.multi_agent_chat import (
    body_fields,
    markdown,
    query_schemas,
    render_conversations,
    ui_transcript,
    url_fields,
)
from functions.multi_agent_chat.body_fields import MAX_SEQ
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.url_fields import id_in
from shared.core.model import Message

EXPORTED = 500  # lines in one read of an export


class ConversationRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def list_conversations(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        asked = url_fields.read(request.query_params, query_schemas.CONVERSATIONS)
        limit, before, q = asked["limit"], asked.get("before"), url_fields.search(asked.get("q"))
        found = await self._deps.read(
            self._deps.store.list_conversations(user.id, limit, before, archived=asked["archived"], q=q)
        )
        return json_response(render_conversations.conversation_list(found, limit))

    async def get_conversation(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        found = await self._deps.read(self._deps.store.get_conversation(user.id, id_in(request)))
        return json_response(render_conversations.conversation_detail(found))

    async def change_conversation(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        fields = body_fields.conversation_change(await read_json(request))
        changed = await self._deps.read(self._deps.store.change_conversation(user.id, id_in(request), fields))
        return json_response(render_conversations.conversation_detail(changed))

    async def rotate_conversation(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        await read_nothing(request)
        await self._deps.read(self._deps.store.rotate_conversation(user.id, id_in(request)))
        return Response(status_code=204)

    async def delete_conversation(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        await read_nothing(request)
        deadline = call_of(request).arrived_at + self._deps.wait_budget_seconds
        await self._deps.in_time(self._deps.service.delete_conversation(user, id_in(request), deadline), deadline)
        return Response(status_code=204)

    async def list_messages(self, request: Request) -> Response:
        """A page of the transcript, forwards, or backwards from `before_seq`; all of it where Markdown is wanted."""
        user = await self._deps.reader(request)
        if call_of(request).media_type == MARKDOWN:
            return await self._export(user.id, id_in(request))
        asked = url_fields.read(request.query_params, query_schemas.MESSAGES)
        limit, after_seq = asked["limit"], min(asked["after_seq"], MAX_SEQ)
        before_seq = min(asked["before_seq"], MAX_SEQ) if "before_seq" in asked else None
        as_ui_messages = "format" in asked
        if as_ui_messages and before_seq is None and not after_seq:
            before_seq = MAX_SEQ  # a page of a chat shows the newest lines
        backwards = before_seq is not None
        found = await self._deps.read(
            self._deps.store.list_messages(
                user.id, id_in(request), after_seq=after_seq, limit=limit, newest=backwards, before_seq=before_seq
            )
        )
        if as_ui_messages:
            approvals = url_fields.reads_part(request, "approval")
            return json_response(ui_transcript.ui_message_list(found, limit, backwards=backwards, approvals=approvals))
        return json_response(render_conversations.message_list(found, limit, backwards=backwards))

    async def _export(self, user_id: str, conversation_id: str) -> Response:
        """The answer begins once the first lines are there, so that what is wrong until then has its status."""
        conversation = await self._deps.read(self._deps.store.get_conversation(user_id, conversation_id))
        first = await self._lines(user_id, conversation_id, 0)

        async def document() -> AsyncIterator[str]:
            yield markdown.heading(conversation.title)
            lines = first
            while lines:
                yield "".join(markdown.line(message) for message in lines)
                full = len(lines) == EXPORTED
                lines = await self._lines(user_id, conversation_id, lines[-1].seq) if full else ()

        return StreamingResponse(document(), media_type=MARKDOWN)

    async def _lines(self, user_id: str, conversation_id: str, after_seq: int) -> Sequence[Message]:
        return await self._deps.read(
            self._deps.store.list_messages(user_id, conversation_id, after_seq=after_seq, limit=EXPORTED)
        )
