"""What the provider tests are made of: agents, starts, a client without surprises."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from openai import AsyncOpenAI

from dev.emulator.testing import local_client
from shared.clock import LoopClock
from shared.core.model import Agent, Message
from shared.core.run_start import RunStart
from shared.core.runs import Thread, ToolOutput
from shared.providers.assistants.provider import AssistantsProvider
from shared.providers.responses.habits import Background
from shared.providers.responses.provider import ResponsesProvider, State

BASE_URL = "http://provider.test/v1"
KEY = "sk-test"
TURN = "turn-1"  # that a start is of, where a test says nothing else


def agent(**fields: Any) -> Agent:
    given: dict[str, Any] = {
        "agent_id": "agent-1",
        "assistant_id": "asst_1",
        "model": "emulated-model",
        "instructions": "Be brief.",
        **fields,
    }
    return Agent("writer", "Writer", "Writes.", **given)


def line(role: str, text: str, seq: int = 1, turn_id: str = "earlier") -> Message:
    return Message(f"m{seq}", seq, turn_id, seq, role, None, text, "2026-01-01T00:00:00Z")


def start(thread: Thread, text: str | None = "Hello", **fields: Any) -> RunStart:
    given: dict[str, Any] = {"turn_id": TURN, "run_key": "key-1", "agent": agent(), **fields}
    return RunStart(thread=thread, text=text, **given)


def outputs(*pairs: tuple[str, str]) -> tuple[ToolOutput, ...]:
    return tuple(ToolOutput(call_id, output) for call_id, output in pairs)


@contextlib.asynccontextmanager
async def openai_client(base_url: str = BASE_URL) -> AsyncIterator[AsyncOpenAI]:
    # Any: the client is typed for another package than the httpx that it also takes.
    http: Any = local_client(base_url)
    async with AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0, http_client=http) as client:
        yield client


class Assistants:
    """The store's memory of assistants."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.begun: list[str] = []

    async def begin_assistant(self, mark: str) -> None:
        self.begun.append(mark)

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str:
        if self.known.get(agent_id) == instead_of is not None:
            del self.known[agent_id]
        return self.known.setdefault(agent_id, assistant_id)


def assistants(client: AsyncOpenAI, seconds: float = 5, memory: Assistants | None = None) -> AssistantsProvider:
    return AssistantsProvider(client, records=memory or Assistants(), clock=LoopClock(), timeout_seconds=seconds)


def responses(
    client: AsyncOpenAI,
    seconds: float = 5,
    *,
    budget: float = 20,
    state: State = "conversation",
    background: Background = "auto",
) -> ResponsesProvider:
    return ResponsesProvider(
        client,
        clock=LoopClock(),
        timeout_seconds=seconds,
        run_budget_seconds=budget,
        state=state,
        background=background,
    )


class RawServer:
    """Sends what it is told, byte for byte, and does to the connection what servers do."""

    def __init__(self, pieces: Sequence[bytes], *, pause: float = 0.0, then: str = "close") -> None:
        self.pieces = pieces
        self.pause = pause
        self.then = then
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.talks: set[asyncio.Task[Any]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self.talks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        self.asked.set()
        for piece in self.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(self.pause)
        if self.then == "hang":
            await reader.read()
        elif self.then == "reset":
            writer.transport.abort()


@contextlib.asynccontextmanager
async def raw_server(
    *pieces: bytes, pause: float = 0.0, then: str = "close"
) -> AsyncIterator[tuple[RawServer, AsyncOpenAI]]:
    """A server of few words, and a client that talks to it."""
    server = RawServer(pieces, pause=pause, then=then)
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, openai_client(f"http://127.0.0.1:{port}/v1") as client:
        try:
            yield server, client
        finally:
            for talk in server.talks:
                talk.cancel()
            await asyncio.gather(*server.talks, return_exceptions=True)


def answer(body: bytes, status: str = "200 OK", *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n".encode() + body


def page(*data: dict[str, Any]) -> httpx.Response:
    """A list as both wires have it."""
    return httpx.Response(200, json={"object": "list", "data": list(data), "has_more": False})
