"""One call of a database function: a deadline, a few attempts, and nothing of the database in its errors.

Every function is safe to repeat, so an answer that did not arrive or cannot be read is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import httpx

# Part of the `supabase` package; imported alone it costs a cold start a third less than the whole.
from postgrest import AsyncPostgrestClient

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import StoreFault, StoreRefused, StoreUnavailable
from shared.core.model import JsonObject
from shared.stores.error_answer import ErrorAnswer
from shared.stores.lane import Lane, Rank
from shared.stores.storable import storable

T = TypeVar("T")

CALL_SECONDS = 5.0
BACKOFF_SECONDS = (0.1, 0.3)  # between attempts: one more attempt than entries
RETRY_AFTER_SECONDS = 1.0
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
_JWT_DOTS = 2
_UNCHANGED: Mapping[str, Any] = MappingProxyType({})


def new_op() -> str:
    """One a call, the same for all its attempts: so the database knows a repeated write."""
    return str(uuid.uuid4())


class DatabaseCalls(Protocol):
    """How functions of the database are called. `read` makes a value of the answer, or raises what the answer means."""

    async def call(
        self,
        function: str,
        read: Callable[[JsonObject], T],
        *,
        rank: Rank = Rank.LOOK,
        refusable: bool = False,
        in_crowd: Mapping[str, Any] = _UNCHANGED,
        seconds: float | None = None,
        **arguments: Any,
    ) -> T:
        """`rank` is the call's place in line, which turns `refusable` ones away where it is too long.

        `in_crowd` are the arguments that change where the call is sent while many messages wait to be accepted.
        `seconds`: for a call with its attempts, where they are not as many as for all others.
        """
        ...


class Rpc:
    """Functions of one project, called with its secret key; `call_seconds` bounds a call with its attempts.

    Calls wait in the `lane`; without one they go straight through. `http` is shared with other clients and closed by
    its owner.
    """

    def __init__(
        self,
        url: str,
        secret_key: str,
        http: httpx.AsyncClient,
        *,
        call_seconds: float = CALL_SECONDS,
        lane: Lane | None = None,
    ) -> None:
        headers = key_headers(secret_key)
        self._client = AsyncPostgrestClient(f"{url}/rest/v1", headers=headers, http_client=http, retry_enabled=False)
        self._call_seconds = call_seconds
        self._lane = lane

    async def call(
        self,
        function: str,
        read: Callable[[JsonObject], T],
        *,
        rank: Rank = Rank.LOOK,
        refusable: bool = False,
        in_crowd: Mapping[str, Any] = _UNCHANGED,
        seconds: float | None = None,
        **arguments: Any,
    ) -> T:
        """What `read` makes of the answer; what it raises of our own passes. Raises StoreUnavailable, StoreRefused.

        Either is logged here once, as `store.failed`: with the function, never with its arguments. The call waits for
        its place in the lane first, within its caller's own deadline: ChatError (`overloaded`) where it is refused.
        """
        if self._lane is None:
            return await self._call(function, read, arguments, seconds or self._call_seconds)
        async with self._lane.place(rank, refusable=refusable):
            if self._lane.crowded:
                arguments |= in_crowd
            return await self._call(function, read, arguments, seconds or self._call_seconds)

    async def _call(
        self, function: str, read: Callable[[JsonObject], T], arguments: Mapping[str, Any], seconds: float
    ) -> T:
        parameters = {f"p_{name}": storable(value) for name, value in arguments.items()}
        attempts, seen = 0, "TimeoutError"
        answer: ErrorAnswer | None = None
        try:
            async with asyncio.timeout(seconds):
                for pause in (*BACKOFF_SECONDS, None):
                    attempts, answer = attempts + 1, None
                    try:
                        # half of the deadline: one answer that never comes leaves time to ask again
                        async with asyncio.timeout(seconds / 2):
                            response = await self._send(function, parameters)
                        if response.is_success:
                            return read(response.json())
                        answer = ErrorAnswer.of(response)
                        if answer.is_our_fault or answer.is_definite:
                            break
                    except (httpx.HTTPError, TimeoutError, *_UNREADABLE) as error:
                        seen = type(error).__name__
                    if pause is not None:
                        await asyncio.sleep(pause)
        except TimeoutError:
            pass
        fault = StoreFault.DATABASE_AWAY if answer is None else answer.fault
        fields: dict[str, Any] = {"error": seen} if answer is None else {"status": answer.status, "code": answer.code}
        fields["function"] = function
        if answer is not None and answer.is_our_fault:
            logs.event(EventName.STORE_FAILED, level=logging.ERROR, fault="call_refused", **fields)
            raise StoreRefused
        logs.event(EventName.STORE_FAILED, level=logging.WARNING, fault=fault.value, attempts=attempts, **fields)
        raise StoreUnavailable(fault=fault, retry_after=RETRY_AFTER_SECONDS)

    async def _send(self, function: str, parameters: dict[str, Any]) -> httpx.Response:
        # Not `execute()`: its errors leave the HTTP status out. `send` is typed for a blocking client alone.
        sending: Any = self._client.rpc(function, parameters).request.send(httpx.Headers())
        response: httpx.Response = await sending
        return response


def key_headers(key: str) -> dict[str, str]:
    """A key of the old form is a JWT and goes into both headers. A new one is none, and belongs in `apikey` alone."""
    headers = {"apikey": key}
    if key.count(".") == _JWT_DOTS:
        headers["Authorization"] = f"Bearer {key}"
    return headers
