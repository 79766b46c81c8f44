"""Prints the table of bad requests: what was sent, what has to come back, and what came."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import httpx

from functions.asgi import server
from functions.multi_agent_chat.app import build_app
from shared.settings import load_settings
from tests.http.conftest import ENVIRONMENT
from tests.http.fakes import FakeChat
from tests.http.serving import exchange, served
from tests.http.shapes import ORIGIN
from tests.security.bad_requests import MALFORMED, REFUSED, TAKEN


async def main() -> int:
    logging.disable(logging.CRITICAL)
    server.take_over(lambda: (ORIGIN,), 500)
    chat: Any = FakeChat()
    settings = load_settings(ENVIRONMENT)
    app = build_app(settings, service=chat, store=chat, ping_provider=chat.ping, client=httpx.AsyncClient())
    rows = [(bad.name, bad.sent, f"{bad.status} {bad.code}") for bad in (*MALFORMED, *REFUSED)]
    rows += [(name, sent, "200") for name, sent in TAKEN]
    wrong = 0
    async with served(app) as port:
        for name, sent, wanted in rows:
            last = (await exchange(port, sent)).rpartition(b"HTTP/1.1 ")[2]
            code = last.partition(b'"code":"')[2].partition(b'"')[0].decode()
            got = " ".join(word for word in (last[:3].decode(), code) if word)
            wrong += got != wanted
            print(f"{'' if got == wanted else 'WRONG':6}{name:50}{wanted:32}{got}")  # noqa: T201
    return 1 if wrong else 0


sys.exit(asyncio.run(main()))
