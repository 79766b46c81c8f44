"""The server's ASGI application: the routes, and what is counted of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from dev.data_api import transaction
from dev.data_api.api_keys import ApiKeys, GatewayRefusal
from dev.data_api.errors import ApiError, invalid_body, method_refused, no_such_path
from dev.data_api.faults import GATEWAY_PAGE, GATEWAY_STATUS, Faults, error_of
from dev.data_api.pool import Pool
from dev.data_api.schema_cache import SchemaCache
from dev.data_api.upstream import Upstream, read_body
from dev.supabase_local import Keys

_RPC = "/rest/v1/rpc/"
_READY = "/rest-admin/v1/ready"
_STATISTICS = "/_statistics"


@dataclass(frozen=True)
class Options:
    """`dsn` is the login role's, `authenticator`. `latency_seconds` is added to every call before it is run."""

    dsn: str
    keys: Keys
    pool_size: int = 10
    acquire_seconds: float = 10.0
    latency_seconds: float = 0.0
    upstream: str | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class DataApi:
    """`running()` keeps it: the schema cache and the pool live as long as that context."""

    def __init__(self, options: Options) -> None:
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.schema_cache = SchemaCache(options.dsn)
        self.pool = Pool(options.dsn, options.pool_size, options.acquire_seconds)
        self._keys = ApiKeys(options.keys)
        self._latency_seconds = options.latency_seconds
        self._upstream = None if options.upstream is None else Upstream(options.upstream)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self.schema_cache.keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self.pool.close()
            if self._upstream is not None:
                await self._upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path.startswith(_RPC):
            answer = await self._function(scope, path.removeprefix(_RPC), receive)
            self.statuses[answer.status] += 1
        elif path == _READY:
            answer = Answer(200 if self.schema_cache.loaded.is_set() else 503, b"{}")
        elif path == _STATISTICS:
            answer = Answer(200, json.dumps(self.statistics()).encode())
        elif self._upstream is not None:
            await self._upstream.pass_on(scope, receive, send)
            return
        else:
            answer = _refusal(no_such_path())
        await _send(send, answer)

    def statistics(self) -> dict[str, Any]:
        """Calls by function and by status, and the longest wait for a connection in milliseconds."""
        longest = round(self.pool.longest_wait_seconds * 1000, 1)
        return {"calls": dict(self.calls), "statuses": dict(self.statuses), "longest_pool_wait_ms": longest}

    async def _function(self, scope: Scope, name: str, receive: Receive) -> Answer:
        body = await read_body(receive)
        if scope["method"] != "POST":
            return _refusal(method_refused(scope["method"]))
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        fault = self.faults.strike()
        try:
            if fault is not None and (error := error_of(fault)) is not None:
                raise error
            answer = await self._call(headers, name, body)
        except GatewayRefusal as refusal:
            return Answer(401, json.dumps({"message": str(refusal)}).encode())
        except ApiError as error:
            return _refusal(error)
        # The gateway gives up on an answer that comes too late: what was called has been done.
        return Answer(GATEWAY_STATUS, GATEWAY_PAGE, "text/html; charset=UTF-8") if fault == "gateway" else answer

    async def _call(self, headers: Mapping[str, str], name: str, body: bytes) -> Answer:
        caller = self._keys.caller(headers)
        given = _arguments(body)
        routine = self.schema_cache.routine(name, given)
        self.calls[name] += 1
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        async with self.pool.session() as session:
            settings = self.schema_cache.settings_of(caller.role)
            result = await transaction.run(session, caller, routine, given, body, settings)
        return Answer(204, b"") if routine.returns_void else Answer(200, result)


def _arguments(body: bytes) -> list[str]:
    """The names in the body. Raises ApiError (PGRST102)."""
    try:
        given = json.loads(body.decode() or "{}")
    except (ValueError, RecursionError):
        raise invalid_body() from None
    if not isinstance(given, dict):
        raise invalid_body()
    return sorted(given)


def _refusal(error: ApiError) -> Answer:
    headers = {"proxy-status": f"PostgREST; error={error.code}"}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Answer(error.status, error.body(), headers=headers)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
