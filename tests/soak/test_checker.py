"""The checker finds what it is for: each promise broken once, by hand; and the proxy does what it says."""

from __future__ import annotations

import asyncio
import copy
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.soak import checker
from tests.soak.people import Message
from tests.soak.proxy import Weather, proxy

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class World:
    """Two messages of one conversation, answered as they should be."""

    def __init__(self) -> None:
        conversation = str(uuid.uuid4())
        self.messages = [Message("user", conversation, f"message {n}") for n in (1, 2)]
        self.turns: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        jobs = []
        for seq, message in enumerate(self.messages, start=1):
            turn_id, reply = str(uuid.uuid4()), f"Emulated reply {seq} to: {message.text}"
            self.turns.append(
                {
                    "id": turn_id,
                    "conversation_id": conversation,
                    "seq": seq,
                    "place": seq,
                    "joined_to": None,
                    "steered_step": None,
                    "superseded_by": None,
                    "superseded_how": None,
                    "idempotency_key": message.key,
                    "text": message.text,
                    "status": "completed",
                    "reply": reply,
                    "finished_at": NOON + timedelta(seconds=seq),
                }
            )
            for role, text in (("user", message.text), ("assistant", reply)):
                line = {
                    "conversation_id": conversation,
                    "seq": len(self.lines) + 1,
                    "turn_seq": seq,
                    "partial": False,
                    "handoff_to": None,
                }
                self.lines.append({**line, "role": role, "text": text})
            body = {"turn_id": turn_id, "seq": seq, "status": "completed", "reply": {"text": reply}}
            message.answers = [(200, copy.deepcopy(body)), (200, body)]
            jobs.append({"id": f"resp_{seq}", "metadata": {"turn_id": turn_id}})
        places = [{"id": "conv_1", "jobs": ["resp_1", "resp_2"]}]
        self.emulator: dict[str, Any] = {"violations": [], "max_active": {"conv_1": 1}, "runs": [], "responses": jobs}
        self.emulator |= {"threads": [], "conversations": places}

    def violations(self) -> list[str]:
        return checker.violations(self.messages, self.turns, self.lines, self.emulator)


BREAKS: dict[str, Callable[[World], object]] = {
    "a message was lost": lambda world: world.turns.pop(),
    "a key has two turns": lambda world: world.turns.append({**world.turns[1], "seq": 3}),
    "a turn never ended": lambda world: world.turns[1].update(finished_at=None, status="running"),
    "a reply belongs to another": lambda world: world.turns[0].update(reply="Emulated reply 1 to: message 2"),
    "an outcome changed": lambda world: world.messages[0].answers[0][1].update(status="failed"),
    "a reply changed": lambda world: world.messages[0].answers[0][1].update(reply={"text": "another"}),
    "nothing final was shown": lambda world: world.messages[0].answers.clear(),
    "a number is missing": lambda world: world.turns[1].update(seq=3),
    "a line is missing": lambda world: world.lines.pop(1),
    "lines changed places": lambda world: world.lines[0].update(text="message 2"),
    "the second ended first": lambda world: world.turns[0].update(finished_at=NOON + timedelta(seconds=9)),
    "two runs overlapped": lambda world: world.emulator["violations"].append({"place": "conv_1"}),
    "two were active": lambda world: world.emulator["max_active"].update(conv_1=2),
    "a cancelled one was displaced by no turn": lambda world: world.turns[1].update(status="cancelled", reply=None),
    "a joined one kept an answer of its own": lambda world: world.turns[1].update(joined_to=world.turns[0]["id"]),
    "a steered one was not read": lambda world: world.turns[1].update(
        joined_to=world.turns[0]["id"], steered_step=1, reply=world.turns[0]["reply"]
    ),
    "an edit that was taken is not on record": lambda world: vars(world.messages[0]).update(edited="x", edit=200),
    "one was served behind those it went before": lambda world: world.turns[1].update(place=0.5),
    "a line of a displaced one stayed": lambda world: world.turns[1].update(
        status="cancelled", reply=None, superseded_by=world.turns[0]["id"], superseded_how="rollback"
    ),
    "runs came out of order": lambda world: world.emulator["conversations"][0]["jobs"].reverse(),
}


def test_a_world_without_faults_has_none() -> None:
    assert World().violations() == []


@pytest.mark.parametrize("fault", BREAKS)
def test_each_broken_promise_is_found(fault: str) -> None:
    world = World()
    BREAKS[fault](world)
    assert world.violations() != []


@pytest.mark.parametrize(
    ("weather", "said"),
    [
        (Weather(0, 0, 0), b"hello, hello, hello"),
        (Weather(delay=1, cut=0, reset=0, longest_delay_seconds=0.01), b"hello, hello, hello"),
        (Weather(delay=0, cut=1, reset=0), b""),
        (Weather(delay=0, cut=0, reset=1), None),
    ],
)
async def test_the_proxy_lets_pass_delays_cuts_and_resets(weather: Weather, said: bytes | None) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxy(server.sockets[0].getsockname()[1], weather, random.Random(1)) as between:
        reader, writer = await asyncio.open_connection("127.0.0.1", between.port)
        try:
            writer.write(b"hello, hello, hello")
            heard: bytes | None = await reader.read()
        except ConnectionError:
            heard = None
        writer.close()
    assert heard == said
