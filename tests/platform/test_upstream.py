"""What the Data API passes on: to the byte, as it comes, and for as long as the client is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dev.data_api.app import DataApi, Options
from dev.data_api.server import serving
from dev.emulator.testing import local_client
from dev.ports import HOST, free_range
from tests.http.serving import served
from tests.platform.hosted import KEYS, LOGIN, Project, Server


class Behind:
    """An application that says what it was asked, and streams until it is told to go on or is left."""

    def __init__(self) -> None:
        self.go_on, self.left = asyncio.Event(), asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/echo", self.echo, methods=["GET", "POST", "OPTIONS"]),
                Route("/stream", self.stream),
            ]
        )

    async def echo(self, request: Request) -> Response:
        seen = {"query": request.url.query, "body": (await request.body()).decode(), "path": request.url.path}
        seen["host"] = request.headers["x-forwarded-host"]
        return JSONResponse(seen, 418, headers={"x-own": request.headers.get("x-own", "")})

    async def stream(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await self.go_on.wait()
                yield b"second"
            finally:
                self.left.set()

        return StreamingResponse(pieces())


@asynccontextmanager
async def in_front_of(server: Server, upstream: str) -> AsyncIterator[httpx.AsyncClient]:
    api = DataApi(Options(Project("postgres", server.port).dsn(LOGIN), KEYS, upstream=upstream))
    async with serving(api) as port, local_client(f"http://{HOST}:{port}") as http:
        yield http


async def test_all_of_it_is_passed_on(server: Server) -> None:
    async with served(Behind().app) as port, in_front_of(server, f"http://{HOST}:{port}") as http:
        answer = await http.post("/echo?a=%2F&b=", content="ü", headers={"x-own": "kept"})
        assert (answer.status_code, answer.headers["x-own"]) == (418, "kept")
        host = f"{http.base_url.host}:{http.base_url.port}"
        assert answer.json() == {"query": "a=%2F&b=", "body": "ü", "path": "/echo", "host": host}
        assert (await http.options("/echo")).status_code == 418


async def test_a_stream_comes_piece_by_piece(server: Server) -> None:
    behind = Behind()
    async with (
        served(behind.app) as port,
        in_front_of(server, f"http://{HOST}:{port}") as http,
        asyncio.timeout(10),
        http.stream("GET", "/stream") as answer,
    ):
        pieces = answer.aiter_raw()
        assert await anext(pieces) == b"first"
        behind.go_on.set()
        assert await anext(pieces) == b"second"


async def test_a_client_that_leaves_is_missed_behind_it(server: Server) -> None:
    behind = Behind()
    async with served(behind.app) as port, in_front_of(server, f"http://{HOST}:{port}") as http:
        async with http.stream("GET", "/stream") as answer:
            assert await anext(answer.aiter_raw()) == b"first"
        await asyncio.wait_for(behind.left.wait(), 10)


async def test_where_it_leads_to_is_away(server: Server) -> None:
    async with in_front_of(server, f"http://{HOST}:{free_range(1)[0]}") as http:
        assert (await http.get("/auth/v1/health")).status_code == 502
