"""What is no call of a database function goes on to the local Supabase: sign-in, tables, functions, streams."""

from __future__ import annotations

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

# Headers that concern one connection only (RFC 9110 7.6.1), and those that the next one gets anew.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"host"}
_CONNECT_SECONDS = 5.0


class Upstream:
    """A reverse proxy. Nothing limits how long an answer may take: a turn is waited for, a stream stays open."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        timeout = httpx.Timeout(None, connect=_CONNECT_SECONDS)
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, limits=limits, timeout=timeout)

    async def close(self) -> None:
        await self._http.aclose()

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The upstream's answer as it comes; 502 where it cannot be reached. A client that leaves ends both."""
        body = await read_body(receive)
        relay = asyncio.create_task(self._relay(self._request(scope, body), send))
        gone = asyncio.create_task(_disconnected(receive))
        await asyncio.wait({relay, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in (relay, gone):
            task.cancel()
        await asyncio.gather(relay, gone, return_exceptions=True)

    def _request(self, scope: Scope, body: bytes) -> httpx.Request:
        headers = [(name, value) for name, value in scope["headers"] if name not in _HOP_BY_HOP]
        headers += [(b"x-forwarded-host", value) for name, value in scope["headers"] if name == b"host"]
        query = f"?{scope['query_string'].decode('ascii')}" if scope["query_string"] else ""
        return self._http.build_request(
            scope["method"], scope["raw_path"].decode("ascii") + query, headers=headers, content=body
        )

    async def _relay(self, request: httpx.Request, send: Send) -> None:
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.TransportError:
            await send({"type": "http.response.start", "status": 502, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
