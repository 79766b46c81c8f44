"""What one process of the function holds, without the process: a store, both wires and the chat service."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from dev.emulator.testing import local_client
from functions.composition import Built, compose
from shared.chat import ChatService
from shared.clock import LoopClock
from shared.core.model import JsonObject, User
from shared.core.new_message import NewMessage
from shared.core.turns import MultitaskStrategy, Turn, TurnStatus
from shared.settings import Settings, load_settings
from shared.stores.lane import Rank
from shared.stores.storable import storable
from shared.stores.supabase import SupabaseStore

T = TypeVar("T")


class DirectRpc:
    """The database functions over a connection of Postgres' own, as service_role; counts what was called."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: list[psycopg.AsyncConnection[dict[str, Any]]] = []
        self.called: list[str] = []
        self._returned = asyncio.Event()

    async def call(
        self,
        function: str,
        read: Callable[[JsonObject], T],
        *,
        rank: Rank = Rank.LOOK,
        refusable: bool = False,
        in_crowd: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        **arguments: Any,
    ) -> T:
        self.called.append(function)
        named = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(f"p_{name}"), sql.Placeholder(name)) for name in arguments
        )
        query = sql.SQL("select public.{}({}) as answer").format(sql.Identifier(function), named)
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            cursor = await connection.execute(query, {name: storable(value) for name, value in arguments.items()})
            row = await cursor.fetchone()
        except BaseException:
            await connection.close()  # a caller that gave up has left it in the middle of an answer
            raise
        self._idle.append(connection)
        self._returned.set()
        assert row is not None
        return read(row["answer"])

    async def _connect(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, row_factory=dict_row)
        await connection.execute("set role service_role")
        return connection

    async def next_call(self) -> None:
        """Waits until one more call has had its answer."""
        self._returned.clear()
        await self._returned.wait()

    async def called_for(self, function: str) -> None:
        """Waits until this function, of those called from now on, has been called."""
        self.called.clear()
        while function not in self.called:
            await self.next_call()

    async def close(self) -> None:
        for connection in self._idle:
            await connection.close()


@dataclass
class Instance:
    chat: ChatService
    store: SupabaseStore
    rpc: DirectRpc

    async def send(
        self,
        user: User,
        text: str | None,
        conversation_id: str | None = None,
        *,
        wait: float = 20.0,
        key: str | None = None,
        strategy: MultitaskStrategy = MultitaskStrategy.ENQUEUE,
        agent: str | None = None,
        replaces: str | None = None,
    ) -> Turn:
        turn, _ = await self.chat.take_turn(
            user,
            NewMessage(
                text=text,
                conversation_id=conversation_id,
                strategy=strategy,
                idempotency_key=key,
                agent=agent,
                replaces=replaces,
            ),
            LoopClock().now() + wait,
        )
        return turn

    async def wait(self, user: User, turn: Turn, seconds: float = 20.0) -> Turn:
        return await self.chat.wait_turn(user, turn.turn_id, LoopClock().now() + seconds)

    async def wait_while(self, user: User, turn: Turn, *statuses: TurnStatus) -> Turn:
        """Waits in short pieces for as long as the turn has one of these statuses."""
        while turn.status in statuses:
            turn = await self.wait(user, turn, 0.2)
        return turn


class Instances:
    def __init__(self, dsn: str, base_url: str, wire: str) -> None:
        self._dsn, self._base_url, self.wire = dsn, base_url, wire
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def settings(self, **given: str) -> Settings:
        return load_settings(
            {
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": self._base_url,
                "PROVIDER": self.wire,
                "SUPABASE_URL": "http://127.0.0.1:1",
                "SUPABASE_SECRET_KEY": "unused",
                "POLL_MIN_SECONDS": "0.02",
                "POLL_MAX_SECONDS": "0.1",
                "PROVIDER_TIMEOUT_SECONDS": "1",
                **{name.upper(): value for name, value in given.items()},
            }
        )

    async def make(self, **settings: str) -> Instance:
        rpc = DirectRpc(self._dsn)
        self._stack.push_async_callback(rpc.close)
        client: httpx.AsyncClient = await self._stack.enter_async_context(local_client(self._base_url))
        store = SupabaseStore(rpc)
        built: Built = compose(self.settings(**settings), store, client, LoopClock(), settle_seconds=0.5)
        assert isinstance(built.service, ChatService)
        return Instance(built.service, store, rpc)


def new_user() -> User:
    return User(str(uuid.uuid4()), "authenticated")
