"""An app that its first request puts together."""

from __future__ import annotations

import asyncio
import gc

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.asgi.lazy_app import LazyApp

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(app: LazyApp) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(dict(SCOPE), _receive, send)
    return sent


async def test_it_is_put_together_once_however_many_come_at_first() -> None:
    composed = 0

    async def compose() -> ASGIApp:
        nonlocal composed
        composed += 1
        await asyncio.sleep(0)
        return PlainTextResponse("there")

    app = LazyApp(compose)
    answers = await asyncio.gather(*(_ask(app) for _ in range(5)))
    assert composed == 1
    assert [answer[-1]["body"] for answer in answers] == [b"there"] * 5


async def test_garbage_is_not_looked_for_meanwhile_and_is_again_after_a_failure() -> None:
    collected: list[bool] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        collected.append(gc.isenabled())

    async def compose() -> ASGIApp:
        collected.append(gc.isenabled())
        if len(collected) == 1:
            raise OSError("away")
        return answer

    app = LazyApp(compose)
    with pytest.raises(OSError, match="away"):
        await _ask(app)
    assert gc.isenabled()
    await _ask(app)
    assert collected == [False, False, True]
