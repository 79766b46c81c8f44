"""Endpoints: parse, call, render. No decisions are taken here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from functions.multi_agent_chat import fields, queries, render
from functions.multi_agent_chat.bodies import read_json, read_nothing
from functions.multi_agent_chat.envelope import Call, check_accept
from functions.multi_agent_chat.health import Health
from functions.multi_agent_chat.http_errors import json_response, sentence_of
from shared.auth import TokenVerifier, bearer_token
from shared.chat import Ask
from shared.core.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable, TurnFailed
from shared.core.model import MultitaskStrategy, Turn, TurnStatus, User
from shared.ports import Clock, Store

Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")

# What an answer may be late, the service's own last look included: the promise is half a second.
OVERTIME_SECONDS = 0.45
# A caller that does not want to wait still wants its message accepted: the database gets this long for it.
ACCEPT_SECONDS = 2.0
READ_SECONDS = 10.0
_ASK_FIELDS = ("message", "conversation_id", "scope", "agent", "multitask_strategy", "wait_seconds", "metadata")


class Service(Protocol):
    """What routes need of shared.chat.ChatService."""

    async def take_turn(self, user: User, ask: Ask, deadline: float) -> tuple[Turn, bool]: ...
    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def cancel_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def edit_turn(self, user: User, turn_id: str, text: str) -> Turn: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything endpoints call, put together by app.py."""

    service: Service
    store: Store
    verifier: TokenVerifier
    health: Health
    clock: Clock
    default_strategy: MultitaskStrategy
    wait_budget_seconds: float
    cancel_wait_seconds: float


class Endpoint:
    """One path and its methods; 405 with the whole list for all others, before anybody's token is looked at."""

    def __init__(self, pattern: str, handlers: Mapping[str, Handler]) -> None:
        self._pattern = pattern
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scope["call"].route = self._pattern
        if scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers={"allow": self._allow})
        elif handler := self._handlers.get(scope["method"]):
            check_accept(request.headers)
            response = await handler(request)
        else:
            details = {"allow": self._allow}
            raise InvalidRequest("This method is not allowed here.", code="method_not_allowed", details=details)
        await response(scope, receive, send)


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("Not found.")


class Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def router(self) -> Router:
        table: Mapping[str, Mapping[str, Handler]] = {
            "/": {"POST": self.take_turn},
            "/turns/{id}": {"GET": self.get_turn, "PATCH": self.edit_turn},
            "/turns/{id}/cancel": {"POST": self.cancel_turn},
            "/conversations": {"GET": self.list_conversations},
            "/conversations/{id}": {"GET": self.get_conversation},
            "/conversations/{id}/messages": {"GET": self.list_messages},
            "/agents": {"GET": self.list_agents},
            "/healthz": {"GET": self.get_health},
        }
        routes: list[BaseRoute] = [Route(path, Endpoint(path, handlers)) for path, handlers in table.items()]
        return Router(routes, redirect_slashes=False, default=no_such_route)

    async def take_turn(self, request: Request) -> Response:
        user = await self._user(request)
        key = fields.idempotency_key(request.headers.get("idempotency-key"))
        document = fields.known(await read_json(request), _ASK_FIELDS)
        ask = Ask(
            text=fields.message_text(document),
            conversation_id=fields.conversation_id(document),
            scope=fields.scope(document),
            agent=fields.agent(document),
            strategy=fields.strategy(document, self._parts.default_strategy),
            metadata=fields.metadata(document),
            idempotency_key=key,
        )
        wait = fields.wait_seconds(document, self._parts.wait_budget_seconds)
        deadline = _call(request).arrived_at + wait
        turn, replayed = await self._in_time(self._parts.service.take_turn(user, ask, deadline), deadline)
        if turn.status is TurnStatus.COMPLETED:
            return json_response(render.turn_answer(turn, replayed))
        if turn.status.final:
            raise _ended(turn, replayed)
        headers = {
            "location": f"{_base(request)}/turns/{turn.turn_id}",
            "retry-after": str(render.retry_seconds(turn)),
        }
        return json_response(render.turn_handle(turn) | {"replayed": replayed}, 202, headers)

    async def get_turn(self, request: Request) -> Response:
        user = await self._user(request)
        wait = queries.wait_seconds(request.query_params, self._parts.wait_budget_seconds)
        deadline = _call(request).arrived_at + wait
        turn = await self._in_time(self._parts.service.wait_turn(user, _id(request), deadline), deadline)
        headers = {} if turn.status.final else {"retry-after": str(render.retry_seconds(turn))}
        return json_response(_state(turn), headers=headers)

    async def cancel_turn(self, request: Request) -> Response:
        user = await self._user(request)
        await read_nothing(request)
        wait = min(self._parts.cancel_wait_seconds, self._parts.wait_budget_seconds)
        deadline = _call(request).arrived_at + wait
        turn = await self._in_time(self._parts.service.cancel_turn(user, _id(request), deadline), deadline)
        return json_response(_state(turn))

    async def edit_turn(self, request: Request) -> Response:
        user = await self._user(request)
        document = fields.known(await read_json(request), ("message",))
        text = fields.message_text(document)
        return json_response(
            render.turn_state(await self._read(self._parts.service.edit_turn(user, _id(request), text)))
        )

    async def list_conversations(self, request: Request) -> Response:
        user = await self._user(request)
        limit, before = queries.limit(request.query_params, 20), queries.before(request.query_params)
        found = await self._read(self._parts.store.list_conversations(user.id, limit, before))
        return json_response(render.conversation_list(found, limit))

    async def get_conversation(self, request: Request) -> Response:
        user = await self._user(request)
        return json_response(
            render.conversation_detail(await self._read(self._parts.store.get_conversation(user.id, _id(request))))
        )

    async def list_messages(self, request: Request) -> Response:
        user = await self._user(request)
        limit, after_seq = queries.limit(request.query_params, 50), queries.after_seq(request.query_params)
        found = await self._read(
            self._parts.store.list_messages(user.id, _id(request), after_seq=after_seq, limit=limit)
        )
        return json_response(render.message_list(found, limit))

    async def list_agents(self, request: Request) -> Response:
        user = await self._user(request)
        return json_response(render.agent_list(await self._read(self._parts.store.list_agents(user.id))))

    async def get_health(self, request: Request) -> Response:
        report = await self._parts.health.report()
        return json_response(report, 200 if report["status"] == "ok" else 503)

    async def _user(self, request: Request) -> User:
        return await self._parts.verifier.verify(bearer_token(request.headers.get("authorization")))

    async def _in_time(self, work: Awaitable[T], deadline: float) -> T:
        """The result of `work`, not later than the promise allows, whatever hangs below."""
        now = self._parts.clock.now()
        accept = min(ACCEPT_SECONDS, self._parts.wait_budget_seconds)
        return await _limited(work, max(deadline - now, accept) + OVERTIME_SECONDS)

    async def _read(self, work: Awaitable[T]) -> T:
        return await _limited(work, min(READ_SECONDS, self._parts.wait_budget_seconds))


async def _limited(work: Awaitable[T], seconds: float) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise StoreUnavailable("The database did not answer in time.", retry_after=1.0) from None


def _ended(turn: Turn, replayed: bool) -> Conflict | TurnFailed:
    details = {"turn": render.turn_answer(turn, replayed)}
    if turn.superseded_by is not None:
        return _superseded(turn)
    if turn.status is TurnStatus.CANCELLED:
        return Conflict(sentence_of("cancelled"), code="cancelled", details=details)
    error = render.stored_error(turn.error or {})
    return TurnFailed(error["message"], code=error["code"], retryable=error["retryable"], details=details)


def _superseded(turn: Turn) -> Conflict:
    details = {"turn_id": turn.turn_id, "superseded_by": turn.superseded_by}
    return Conflict(sentence_of("superseded"), code="superseded", details=details)


def _state(turn: Turn) -> dict[str, Any]:
    """A turn as its owner reads it. A displaced one says so, on every way it is asked for."""
    if turn.status.final and turn.superseded_by is not None:
        raise _superseded(turn)
    return render.turn_state(turn)


def _call(request: Request) -> Call:
    call = request.scope["call"]
    assert isinstance(call, Call)  # noqa: S101 (what the door has put there)
    return call


def _id(request: Request) -> str:
    """The path's id; what is no id at all is answered like one that does not exist."""
    value = str(request.path_params["id"])
    if not fields.is_uuid(value):
        raise NotFound("Not found.")
    return value


def _base(request: Request) -> str:
    """What stands before a route in this function's addresses, as its caller sees them."""
    prefix = _call(request).prefix
    host = request.headers.get("host", "").partition(":")[0].lower()
    # this front end takes the function's name off the path before we see it
    return prefix or ("/multi-agent-chat" if host.endswith(".cloudfunctions.net") else "")
