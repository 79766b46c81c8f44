"""What all endpoints share: how a request gets to its handler, who asks, and how long anything may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.multi_agent_chat import fields
from functions.multi_agent_chat.envelope import JSON, Call, chosen
from functions.multi_agent_chat.event_stream import TurnStream
from functions.multi_agent_chat.health import Health
from shared.auth import TokenVerifier, bearer_token
from shared.chat import Ask
from shared.core.errors import InvalidRequest, NotFound, StoreUnavailable
from shared.core.model import MultitaskStrategy, Turn, User
from shared.ports import Clock, Store

Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")

# What an answer may be late, the service's own last look included: the promise is half a second.
OVERTIME_SECONDS = 0.45
# A caller that does not want to wait still wants its message accepted: the database gets this long for it.
ACCEPT_SECONDS = 2.0
READ_SECONDS = 10.0


class Service(Protocol):
    """What endpoints need of shared.chat.ChatService."""

    async def take_turn(self, user: User, ask: Ask, deadline: float) -> tuple[Turn, bool]: ...
    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def cancel_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def edit_turn(self, user: User, turn_id: str, text: str) -> Turn: ...
    async def open_stream(self, user: User, ask: Ask, deadline: float) -> TurnStream: ...
    async def attach(self, user: User, conversation_id: str, deadline: float) -> TurnStream | None: ...


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

    async def user(self, request: Request) -> User:
        return await self.verifier.verify(bearer_token(request.headers.get("authorization")))

    async def in_time(self, work: Awaitable[T], deadline: float) -> T:
        """The result of `work`, not later than the promise allows, whatever hangs below."""
        accept = min(ACCEPT_SECONDS, self.wait_budget_seconds)
        return await _limited(work, max(deadline - self.clock.now(), accept) + OVERTIME_SECONDS)

    async def read(self, work: Awaitable[T]) -> T:
        return await _limited(work, min(READ_SECONDS, self.wait_budget_seconds))


class Endpoint:
    """One path and its methods; 405 with the whole list for all others, before anybody's token is looked at.

    `offers` are the media types it can answer in. Errors are JSON whatever they are.
    """

    def __init__(self, pattern: str, handlers: Mapping[str, Handler], offers: Sequence[str] = (JSON,)) -> None:
        self._pattern, self._offers = pattern, offers
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call_of(request).route = self._pattern
        if scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers={"allow": self._allow})
        elif handler := self._handlers.get(scope["method"]):
            call_of(request).media_type = chosen(request.headers, self._offers)
            response = await handler(request)
        else:
            details = {"allow": self._allow}
            raise InvalidRequest("This method is not allowed here.", code="method_not_allowed", details=details)
        await response(scope, receive, send)


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("Not found.")


async def _limited(work: Awaitable[T], seconds: float) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise StoreUnavailable("The database did not answer in time.", retry_after=1.0) from None


def call_of(request: Request) -> Call:
    call = request.scope["call"]
    assert isinstance(call, Call)  # noqa: S101 (what the door has put there)
    return call


def id_in(request: Request) -> str:
    """The path's id; what is no id at all is answered like one that does not exist."""
    value = str(request.path_params["id"])
    if not fields.is_uuid(value):
        raise NotFound("Not found.")
    return value


def base_of(request: Request) -> str:
    """What stands before a route in this function's addresses, as its caller sees them."""
    prefix = call_of(request).prefix
    host = request.headers.get("host", "").partition(":")[0].lower()
    # this front end takes the function's name off the path before we see it
    return prefix or ("/multi-agent-chat" if host.endswith(".cloudfunctions.net") else "")
