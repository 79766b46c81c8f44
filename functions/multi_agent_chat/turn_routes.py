"""Endpoints of turns: take one, follow one, read, cancel and change one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi.body import read_json, read_nothing
from functions.asgi.call import EVENT_STREAM, JSON, base_of, call_of
from functions.asgi.errors import json_response
from functions.asgi.presence import while_connected
from functions.asgi.request_checks import chosen
from functions.multi_agent_chat import answer_fields, body_fields, chat_body, render, request_schemas, url_fields
from functions.multi_agent_chat.dependencies import OVERTIME_SECONDS, Dependencies
from functions.multi_agent_chat.request_check import check, invalid
from functions.multi_agent_chat.stream.response import HEADERS, EventStream, TurnStream
from functions.multi_agent_chat.stream.ui_messages import Known, UiStream
from functions.multi_agent_chat.url_fields import id_in
from shared.core.errors import InvalidRequest, NotFound, StoreUnavailable
from shared.core.model import User
from shared.core.new_message import NewMessage
from shared.core.turns import MultitaskStrategy
from shared.ports import Accepted

ENQUEUE = MultitaskStrategy.ENQUEUE  # what a message in another's place does: what it names is ended by the store


class TurnRoutes:
    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def take_turn(self, request: Request) -> Response:
        user = await self._deps.user(request)
        key = body_fields.idempotency_key(request.headers.get("idempotency-key"))
        document = await read_json(request)
        if chat_body.carries_answers(document):
            return await self._take_answers(request, user, document)
        if chat_body.is_chat_body(document):  # which reads streams and says so nowhere
            message = chat_body.new_message(user, document, key, self._deps.default_strategy)
            call_of(request).media_type = chosen(request.headers, (EVENT_STREAM, JSON))
        else:
            check(document, request_schemas.NEW_MESSAGE)
            message = self._new_message(document, key)
        wait = body_fields.wait_in_body(document, self._deps.longest_wait(request))
        deadline = call_of(request).arrived_at + wait
        if call_of(request).media_type == EVENT_STREAM:
            stream = await self._deps.in_time(self._deps.service.open_stream(user, message, deadline), deadline)
            return await self._streamed(request, stream, deadline)
        return await self._answered(request, user, message, deadline)

    def _new_message(self, document: Mapping[str, Any], key: str | None) -> NewMessage:
        replaces = body_fields.replaced_in(document)
        return NewMessage(
            text=body_fields.text_of(document["message"], "message") if "message" in document else None,
            conversation_id=document.get("conversation_id"),
            scope=body_fields.scope(document),
            agent=document.get("agent"),
            strategy=body_fields.strategy(document, self._deps.default_strategy if replaces is None else ENQUEUE),
            metadata=document.get("metadata", {}),
            idempotency_key=key,
            replaces=replaces,
        )

    async def _answered(self, request: Request, user: User, message: NewMessage, deadline: float) -> Response:
        known: list[Accepted] = []
        work = self._deps.service.take_turn(user, message, deadline, known.append)
        try:
            turn, replayed = await self._deps.in_time(work, deadline)
        except StoreUnavailable:
            if not known:
                raise
            turn, replayed = known[0].turn, known[0].replayed  # no failure behind it undoes that
        if error := render.error_of(turn, replayed):
            raise error
        if turn.status.final:
            return json_response(render.turn_answer(turn, replayed))
        headers = {
            "location": f"{base_of(request)}/turns/{turn.turn_id}",
            "retry-after": str(render.next_poll_seconds(turn)),
        }
        return json_response(render.turn_handle(turn) | {"replayed": replayed}, 202, headers)

    async def _streamed(self, request: Request, stream: TurnStream, deadline: float) -> Response:
        if error := render.error_of(stream.turn, stream.replayed):  # known before anything was sent: a status says it
            await self._deps.read(stream.close())
            raise error
        return self._event_stream(request, stream, deadline)

    def _event_stream(
        self, request: Request, stream: TurnStream, deadline: float, *, known: Known | None = None
    ) -> Response:
        approvals, steering = (url_fields.reads_part(request, name) for name in ("approval", "steering"))
        ui = UiStream(approvals=approvals, steering=steering, known=known)
        limit = deadline + OVERTIME_SECONDS
        return EventStream(stream, call_of(request), clock=self._deps.clock, limit=limit, ui=ui)

    async def _take_answers(self, request: Request, user: User, document: Mapping[str, Any]) -> Response:
        """A chat's last message is the agent's, with what the user has said to its calls: no new turn comes of it."""
        turn_id, answers = chat_body.answers(document)
        deadline = call_of(request).arrived_at + body_fields.wait_in_body(document, self._deps.longest_wait(request))
        call_of(request).media_type = chosen(request.headers, (EVENT_STREAM, JSON))
        opening = self._deps.service.open_answers(user, turn_id, answers, deadline)
        stream = await self._deps.in_time(opening, deadline)
        if call_of(request).media_type == EVENT_STREAM:
            return self._event_stream(request, stream, deadline, known=chat_body.known_of(document))
        await self._deps.in_time(stream.close(), deadline)
        turn = (await self._deps.read(self._deps.store.get_turn(user.id, turn_id))).turn
        return json_response(render.state_of(turn), 200 if turn.status.final else 202)

    async def answer_call(self, request: Request) -> Response:
        """What the user says to one call that waits. Unless asked to, it does not wait for what comes of it."""
        user, turn_id = await self._deps.reader(request), id_in(request)
        document = await read_json(request)
        answer = answer_fields.answer(document)
        budget = self._deps.longest_wait(request)
        wait = body_fields.wait_in_body(document, budget) if "wait_seconds" in document else 0.0
        deadline = call_of(request).arrived_at + wait
        answering = self._deps.service.answer_call(user, turn_id, answer, deadline)
        try:
            turn = await self._deps.in_time(answering, deadline)
        except InvalidRequest as error:  # what may be said depends on the call, which is on record
            raise invalid("approve", answer_fields.WRONG) from error
        headers = {"location": f"{base_of(request)}/turns/{turn.turn_id}"}
        return json_response(render.state_of(turn), 200 if turn.status.final else 202, headers)

    async def follow_conversation(self, request: Request) -> Response:
        """The turn that is being answered now, from its beginning; or the last one where a stream of it broke off."""
        user = await self._deps.reader(request)
        return await self._follow(request, user, id_in(request))

    async def follow_chat(self, request: Request) -> Response:
        """The same by a chat's id. A chat asks before its first message too: it is told 204 then, and not 404."""
        user = await self._deps.reader(request)
        try:
            return await self._follow(request, user, chat_body.conversation_of(user, url_fields.chat_id_in(request)))
        except NotFound:
            return Response(status_code=204)

    async def _follow(self, request: Request, user: User, conversation_id: str) -> Response:
        if request.method == "HEAD":  # its answer has no body: nothing is worked on, and nothing waited for
            found = await self._deps.read(self._deps.store.follow_conversation(user.id, conversation_id))
            return Response(status_code=204) if found is None else Response(headers=dict(HEADERS))
        budget = self._deps.longest_wait(request)
        wait = url_fields.wait_in_query(request.query_params, budget, default=budget)
        deadline = call_of(request).arrived_at + wait
        stream = await self._deps.read(self._deps.service.attach(user, conversation_id, deadline))
        return Response(status_code=204) if stream is None else self._event_stream(request, stream, deadline)

    async def get_turn(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        wait = url_fields.wait_in_query(request.query_params, self._deps.longest_wait(request))
        deadline = call_of(request).arrived_at + wait
        turn_id = id_in(request)
        work = self._deps.service.wait_turn(user, turn_id, deadline)
        turn = await self._deps.in_time(while_connected(request, work) if wait else work, deadline)
        if turn is None:  # a client that waits no longer is told how far its turn has come
            turn = (await self._deps.read(self._deps.store.get_turn(user.id, turn_id))).turn
        headers = {} if turn.status.final else {"retry-after": str(render.next_poll_seconds(turn))}
        return json_response(render.state_of(turn), headers=headers)

    async def cancel_turn(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        await read_nothing(request)
        wait = min(self._deps.cancel_wait_seconds, self._deps.wait_budget_seconds)
        deadline = call_of(request).arrived_at + wait
        turn = await self._deps.in_time(self._deps.service.cancel_turn(user, id_in(request), deadline), deadline)
        return json_response(render.state_of(turn))

    async def edit_turn(self, request: Request) -> Response:
        user = await self._deps.reader(request)
        document = await read_json(request)
        check(document, request_schemas.EDIT)
        text = body_fields.text_of(document["message"], "message")
        turn = await self._deps.read(self._deps.service.edit_turn(user, id_in(request), text))
        return json_response(render.turn_state(turn))
