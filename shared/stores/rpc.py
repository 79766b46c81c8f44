"""One call of a database function: a deadline, a few attempts, and nothing of the database in its errors.

Every function is safe to repeat, so an answer that did not arrive or cannot be read is asked for again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

# Part of the `supabase` package; imported alone it costs a cold start a third less than the whole.
from postgrest import APIError, AsyncPostgrestClient

from shared.core.errors import StoreRefused, StoreUnavailable
from shared.core.model import JsonObject
from shared.stores.storable import storable

T = TypeVar("T")

BACKOFF_SECONDS = (0.1, 0.3)  # between attempts: one more attempt than entries
RETRY_AFTER_SECONDS = 1.0
# PostgREST gives Postgres' SQLSTATE, a code of its own, or the bare HTTP status. These say no whenever asked: missing
# rights and functions, a refused key.
_DEFINITE = re.compile(r"(?:28|42)[0-9A-Z]{3}|PGRST[123]\d\d|4(?!08|29)\d\d")
# And these say that what we asked cannot be: bad arguments, broken constraints, our triggers.
_OUR_FAULT = re.compile(r"(?:22|23|55)[0-9A-Z]{3}|P0001")
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


class Rpc:
    """Functions of one project, called with its secret key over a shared HTTP client."""

    def __init__(self, url: str, secret_key: str, http: httpx.AsyncClient, *, call_seconds: float) -> None:
        headers = {"apikey": secret_key, "Authorization": f"Bearer {secret_key}"}
        self._client = AsyncPostgrestClient(f"{url}/rest/v1", headers=headers, http_client=http, retry_enabled=False)
        self._call_seconds = call_seconds

    async def call(self, function: str, read: Callable[[JsonObject], T], **arguments: Any) -> T:
        """What `read` makes of the answer; what it raises of our own passes. Raises StoreUnavailable, StoreRefused."""
        parameters = {f"p_{name}": storable(value) for name, value in arguments.items()}
        try:
            async with asyncio.timeout(self._call_seconds):
                for pause in (*BACKOFF_SECONDS, None):
                    try:
                        # half of the deadline: one answer that never comes leaves time to ask again
                        async with asyncio.timeout(self._call_seconds / 2):
                            answer: Any = (await self._client.rpc(function, parameters).execute()).data
                        return read(answer)
                    except APIError as error:
                        if _OUR_FAULT.fullmatch(str(error.code)):
                            raise StoreRefused(f"{function} was refused with {error.code}.") from None
                        if _DEFINITE.fullmatch(str(error.code)):
                            break
                    except (httpx.HTTPError, TimeoutError, *_UNREADABLE):
                        pass
                    if pause is not None:
                        await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise StoreUnavailable("The database cannot be reached.", retry_after=RETRY_AFTER_SECONDS)
