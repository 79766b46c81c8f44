"""Webhooks out and in, from the message to the receiver: told once where all goes well, again where it does not."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from openai import AsyncOpenAI

from dev.emulator.testing import RunningEmulator
from functions.composition import webhooks_of
from shared.clock import LoopClock
from shared.core.turns import TurnStatus
from tests.db.database import Database
from tests.service.instances import Instances, new_user

SECRET = f"whsec_{base64.b64encode(b'a key that both of us know of').decode()}"

pytestmark = pytest.mark.parametrize("wire", ["responses"])


@dataclass
class Receiver:
    """The other service: keeps what it was sent, and answers with `status`."""

    status: int = 204
    url: str = ""
    sent: asyncio.Queue[tuple[dict[str, str], bytes]] = field(default_factory=asyncio.Queue)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(f"HTTP/1.1 {self.status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        self.sent.put_nowait((headers, body))

    async def next(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.sent.get(), 20)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    server = await asyncio.start_server(one.take, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        yield one


@asynccontextmanager
async def open_client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_the_end_of_a_turn_is_told_signed_and_in_ids(instances: Instances, receiver: Receiver) -> None:
    one, user = await instances.make(webhook_url=receiver.url, webhook_secret=SECRET), new_user()
    turn = await one.send(user, "a secret of mine")
    headers, body = await receiver.next()
    event = json.loads(body)
    assert (event["type"], event["data"]) == (
        "turn.completed",
        {"turn_id": turn.turn_id, "conversation_id": turn.conversation_id},
    )
    assert set(event) == {"type", "timestamp", "data"}
    # another implementation of Standard Webhooks agrees
    AsyncOpenAI(api_key="x").webhooks.verify_signature(body, headers, secret=SECRET)
    while "chat_drop_webhook" not in one.rpc.called:
        await one.rpc.next_call()


async def test_a_message_that_is_cancelled_in_the_queue_is_told(instances: Instances, receiver: Receiver) -> None:
    one, user = await instances.make(webhook_url=receiver.url, webhook_secret=SECRET), new_user()
    turn = await one.send(user, "hello", wait=0)
    await one.chat.cancel_turn(user, turn.turn_id, LoopClock().now() + 5)
    _, body = await receiver.next()
    assert json.loads(body)["type"] == "turn.cancelled"


async def test_what_did_not_arrive_is_told_by_the_sweep_under_the_same_id(
    instances: Instances, receiver: Receiver, db: Database
) -> None:
    one, user = await instances.make(webhook_url=receiver.url, webhook_secret=SECRET), new_user()
    receiver.status = 500
    await one.send(user, "hello")
    first, _ = await receiver.next()
    receiver.status = 204
    db.let_pass(31)
    async with open_client() as client:
        sweeper = webhooks_of(instances.settings(webhook_url=receiver.url, webhook_secret=SECRET), one.store, client)
        assert sweeper is not None
        assert await sweeper.send_due(LoopClock().now() + 20) >= 1
        again = {(await receiver.next())[0]["webhook-id"] for _ in range(receiver.sent.qsize())}
        assert first["webhook-id"] in again
        assert await sweeper.send_due(LoopClock().now() + 20) == 0


async def test_without_an_address_a_turn_costs_no_call_more(instances: Instances, db: Database) -> None:
    one, user = await instances.make(), new_user()
    turn = await one.send(user, "hello")
    assert "chat_take_webhooks" not in one.rpc.called
    assert db.rows("select 1 from public.chat_webhooks where turn_id = %s", turn.turn_id) == []


async def test_a_turn_that_its_client_has_left_ends_when_the_provider_tells_of_its_run(
    instances: Instances, emulator: RunningEmulator
) -> None:
    one, two, user = await instances.make(), await instances.make(), new_user()
    turn = await one.send(user, "[[slow 0.6]] hello", wait=0.0)
    turn = await one.wait_while(user, turn, TurnStatus.QUEUED, TurnStatus.STARTING)
    assert turn.status is TurnStatus.RUNNING
    assert turn.run_id is not None
    await two.chat.carry_on(turn.run_id, LoopClock().now() + 20)
    ended = (await two.store.get_turn(user.id, turn.turn_id)).turn
    assert (ended.status, ended.reply) == (TurnStatus.COMPLETED, "Emulated reply 1 to: hello")


async def test_a_run_that_no_turn_waits_for_is_no_work(instances: Instances) -> None:
    one = await instances.make()
    await one.chat.carry_on("resp_of_another_program", LoopClock().now() + 20)
    assert one.rpc.called == ["chat_find_run"]
