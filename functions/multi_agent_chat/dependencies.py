"""What all endpoints share: how a request gets to its handler, who asks, and how long anything may take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.requests import Request

from functions.asgi.call import call_of
from functions.multi_agent_chat.health import Health
from functions.multi_agent_chat.stream.response import TurnStream
from functions.multi_agent_chat.user_shares import UserShares
from shared.auth import TokenVerifier, bearer_token
from shared.core.error_codes import ErrorCode
from shared.core.errors import Forbidden, StoreUnavailable
from shared.core.model import User
from shared.core.new_message import NewMessage
from shared.core.person_calls import PersonAnswer
from shared.core.turns import MultitaskStrategy, Turn
from shared.ports import Accepted, Clock, ImagePiece, Store

T = TypeVar("T")

# What an answer may be late, the service's own last look included: the promise is half a second.
OVERTIME_SECONDS = 0.45
# A caller that does not want to wait still wants its message accepted: the database gets this long for it.
ACCEPT_SECONDS = 2.0
READ_SECONDS = 10.0
_PREFERRED_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,6})\s*(?=$|[,;])", re.IGNORECASE)


class Service(Protocol):
    """What endpoints need of shared.chat.ChatService."""

    async def take_turn(
        self, user: User, message: NewMessage, deadline: float, on_accepted: Callable[[Accepted], None] | None = None
    ) -> tuple[Turn, bool]: ...
    async def wait_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def cancel_turn(self, user: User, turn_id: str, deadline: float) -> Turn: ...
    async def delete_conversation(self, user: User, conversation_id: str, deadline: float) -> None: ...
    async def delete_conversations(self, user: User, deadline: float) -> None: ...
    async def carry_on(self, run_id: str, deadline: float) -> None: ...
    async def answer_call(self, user: User, turn_id: str, answer: PersonAnswer, deadline: float) -> Turn: ...
    async def open_answers(
        self, user: User, turn_id: str, answers: Sequence[PersonAnswer], deadline: float
    ) -> TurnStream: ...
    async def edit_turn(self, user: User, turn_id: str, text: str) -> Turn: ...
    async def open_stream(self, user: User, message: NewMessage, deadline: float) -> TurnStream: ...
    async def attach(self, user: User, conversation_id: str, deadline: float) -> TurnStream | None: ...


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything endpoints call, put together by app.py."""

    service: Service
    store: Store
    verifier: TokenVerifier
    health: Health
    shares: UserShares
    clock: Clock
    default_strategy: MultitaskStrategy
    wait_budget_seconds: float
    cancel_wait_seconds: float
    max_own_agents: int = 0  # of one user
    check_signature: Callable[[bytes, Mapping[str, str]], bool] | None = None  # of the provider's webhooks

    async def user(self, request: Request) -> User:
        """Who asks, counted among the requests of this user until the answer has left."""
        user = await self.verifier.verify(bearer_token(request.headers.get("authorization")))
        call_of(request).afterwards.append(self.shares.enter(user.id))
        return user

    async def reader(self, request: Request) -> User:
        """Who asks with a request that takes no new message: these have a rate."""
        user = await self.user(request)
        self.shares.count_read(user.id)
        return user

    async def operator(self, request: Request) -> User:
        """Who asks, if the project calls this user an operator. Raises Forbidden."""
        user = await self.reader(request)
        if not user.operator:
            raise Forbidden(code=ErrorCode.OPERATORS_ONLY)
        return user

    def longest_wait(self, request: Request) -> float:
        """Seconds that an answer may take: WAIT_BUDGET_SECONDS, or less where `Prefer: wait=N` (RFC 7240) asks for it.

        A proxy says so that cannot wait as long as its caller would.
        """
        preferences = ",".join(request.headers.getlist("prefer"))
        return min([self.wait_budget_seconds, *(float(seconds) for seconds in _PREFERRED_WAIT.findall(preferences))])

    async def in_time(self, work: Awaitable[T], deadline: float) -> T:
        """The result of `work`, not later than the promise allows, even where a call below hangs."""
        accept = min(ACCEPT_SECONDS, self.wait_budget_seconds)
        return await _limited(work, max(deadline - self.clock.now(), accept) + OVERTIME_SECONDS)

    async def read(self, work: Awaitable[T]) -> T:
        return await _limited(work, min(READ_SECONDS, self.wait_budget_seconds))

    async def image_pieces(self, user_id: str, image_id: str, first: ImagePiece) -> AsyncIterator[ImagePiece]:
        """An image to its end, the first piece included. Raises NotFound where it is deleted meanwhile."""
        piece = first
        yield piece
        while piece.end < piece.size:
            piece = await self.read(self.store.read_image(user_id, image_id, piece.end))
            yield piece


async def _limited(work: Awaitable[T], seconds: float) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise StoreUnavailable(retry_after=1.0) from None
