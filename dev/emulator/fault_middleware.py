"""Applies the faults that were set to the requests that they name, and keeps the list of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev.emulator.connection import reset_connection
from dev.emulator.errors import Json
from dev.emulator.faults import Action
from dev.emulator.ids import now
from dev.emulator.request import ACCEPTED
from dev.emulator.state import Emulator


class Faults:
    """ASGI middleware around everything but the admin routes; also keeps the list of requests."""

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self.app = app
        self.emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_emulator"):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        record: Json = {"at": now(), "method": method, "path": path, "status": None}
        self.emulator.requests.append(record)
        fault = next((each for each in self.emulator.faults if each.strikes(method, path)), None)

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record["status"] = message["status"]
            await send(message)

        if fault is None:
            await self.app(scope, receive, recorded)
            return
        action = fault.rule.action
        record["fault"] = action.kind
        if action.kind == "cut":
            await self._cut(scope, receive, recorded, action.chunks)
        elif action.when == "before":
            if action.kind == "delay":
                receive = await _read_ahead(receive)
            if await self._strike(action, scope, receive, recorded):
                await self.app(scope, receive, recorded)
        else:
            await self._strike_after(action, scope, receive, recorded)

    async def _strike(self, action: Action, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the request goes on afterwards, as only a delayed one does, its client still there or not."""
        if action.kind == "delay":
            return not await self._held(scope, asyncio.sleep(action.seconds))
        if action.kind == "hang":
            await self._held(scope, _until_gone(receive))
        elif action.kind == "reset":
            reset_connection(scope)
            await _until_gone(receive)
        else:
            await _answer(action, send)
        return False

    async def _held(self, scope: Scope, until: Coroutine[Any, Any, None]) -> bool:
        """Waits. True: the emulator was reset first, and what was held must not reach the state that comes after."""
        waiting, reset = asyncio.ensure_future(until), asyncio.ensure_future(self.emulator.epoch.wait())
        await asyncio.wait({waiting, reset}, return_when=asyncio.FIRST_COMPLETED)
        over = not waiting.done()
        for each in (waiting, reset):
            each.cancel()
        if over:
            reset_connection(scope)
        return over

    async def _strike_after(self, action: Action, scope: Scope, receive: Receive, send: Send) -> None:
        accepted, released = asyncio.Event(), asyncio.Event()
        scope[ACCEPTED] = accepted

        async def held(message: Message) -> None:
            accepted.set()
            if action.kind == "delay":
                await released.wait()
                await send(message)

        app = asyncio.ensure_future(self.app(scope, receive, held))
        app.add_done_callback(lambda _: accepted.set())
        await accepted.wait()
        if await self._strike(action, scope, receive, send):
            released.set()
            await app
        else:
            # What was accepted goes on by itself; only the handler that waits to answer has no client left.
            app.cancel()
            await asyncio.wait({app})

    async def _cut(self, scope: Scope, receive: Receive, send: Send, chunks: int) -> None:
        sent = 0

        async def counted(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.body":
                if sent >= chunks:
                    # The application learns of it as of any lost client; what it still says goes nowhere.
                    reset_connection(scope)
                    return
                sent += 1
            await send(message)

        await self.app(scope, receive, counted)


async def _read_ahead(receive: Receive) -> Receive:
    """The request is on its way already: it arrives whole, also where its client leaves meanwhile."""
    read = [await receive()]
    while read[-1].get("more_body"):
        read.append(await receive())
    read.reverse()

    async def replayed() -> Message:
        return read.pop() if read else await receive()

    return replayed


async def _answer(action: Action, send: Send) -> None:
    response: Response
    if isinstance(action.body, str):
        response = PlainTextResponse(action.body, action.status, action.headers)
    else:
        response = JSONResponse(action.body, action.status, action.headers)
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
