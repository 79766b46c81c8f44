"""A slow provider, a slow database and a reader that stops reading, all at once: what is promised still holds.

The whole function on virtual time: gateway, routes and streams around the real service and the real database functions.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from functions.multi_agent_chat.app import build_app
from shared.clock import LoopClock
from shared.core.model import User
from shared.settings import load_settings
from tests.http.conftest import ENVIRONMENT
from tests.http.tokens import bearer
from tests.simulation.database import Database
from tests.simulation.instance import SETTINGS, Instance
from tests.simulation.modes import Network, Profile
from tests.simulation.people import users
from tests.simulation.run import play
from tests.simulation.sweep import sweep
from tests.simulation.world import World

CONVERSATION, TEXT, STREAM = str(uuid.UUID(int=1000)), "hello", "text/event-stream"
SLOW = Profile(
    users=4,
    call_seconds=1.0,
    network=Network(slow=0.5),
    run_seconds=(45.0, 60.0),
    long_runs=0.0,
    kinds=("threads", "responses"),
    hears=1.0,
    team=0.0,
    cold_starts=0.0,
)


@dataclass
class Reader:
    """A client's side of one request: what left for it and when, and whether it goes on reading."""

    app: Any
    key: str
    user: User
    wait_seconds: float = 150.0
    accept: str = "application/json"
    stops_after: int | None = None  # pieces of the answer
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    status: int = 0
    stopped_at: float | None = None
    cut_off_at: float | None = None
    began: float = 0.0

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        headers = bearer(self.user.id) | {"content-type": "application/json", "accept": self.accept}
        headers["idempotency-key"] = self.key
        body = {"message": TEXT, "conversation_id": CONVERSATION, "wait_seconds": self.wait_seconds}
        sent = iter([{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}])

        async def receive() -> dict[str, Any]:
            if (message := next(sent, None)) is not None:
                return message
            return dict(await loop.create_future())

        async def send(message: dict[str, Any]) -> None:
            self.status = message.get("status", self.status)
            if self.stops_after is not None and len(self.pieces) >= self.stops_after:
                self.stopped_at = loop.time()
                try:
                    await loop.create_future()  # the server below has no room for more
                finally:
                    self.cut_off_at = loop.time()
            self.pieces.append((loop.time(), message.get("body", b"")))

        scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b""}
        await self.app(scope | {"headers": [(a.encode(), b.encode()) for a, b in headers.items()]}, receive, send)

    @property
    def text(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode()

    @property
    def ended_after(self) -> float:
        return self.pieces[-1][0] - self.began


def test_slow_on_all_sides(simulated: Database) -> None:
    readers: dict[str, Reader] = {}

    async def story(world: World) -> None:
        apps, (first, second, third, fourth) = [], users(world)
        for one in (Instance(world), Instance(world)):
            service: Any = one.chat
            settings = load_settings(ENVIRONMENT)
            app = build_app(settings, service=service, store=one.store, ping_provider=one.store.ping, clock=LoopClock())
            apps.append((one, app))
        (here, app), (there, other) = apps
        readers["stops"] = Reader(app, "a", first, accept=STREAM, stops_after=4)
        readers["watches"] = Reader(app, "b", second, accept=STREAM)
        readers["waits"] = Reader(app, "c", third)
        readers["hurries"] = Reader(app, "d", fourth, wait_seconds=5)
        world.sent.update({(reader.user.id, reader.key): (CONVERSATION, TEXT) for reader in readers.values()})
        reading = [here.run(reader.read()) for reader in readers.values()]
        await asyncio.sleep(10)
        # the same messages once more, at an instance that takes a turn over as soon as its heartbeat is late
        again = [Reader(other, key, user) for key, user in (("a", first), ("b", second), ("c", third))]
        await asyncio.gather(*reading, *(there.run(reader.read()) for reader in again))
        assert [json.loads(reader.text)["replayed"] for reader in again] == [True] * 3
        while world.database.open_turns():
            await sweep(there)

    result = play(simulated, "slow on all sides", 1, SLOW, story)
    assert not result.violations, result.report()
    turns = {turn["key"]: turn for turn in simulated.turns()}
    assert {key: turn["status"] for key, turn in turns.items()} == dict.fromkeys("abcd", "completed")
    claims = {key: turn["events"].count("turn.claimed") for key, turn in turns.items()}
    assert claims == {"a": 1, "b": 1, "c": 1, "d": 2}, "a heartbeat came too late: another instance took the turn over"
    stops, watches, waits, hurries = (readers[name] for name in ("stops", "watches", "waits", "hurries"))
    # who reads nothing is cut off, and takes nothing with it
    assert stops.stopped_at is not None
    assert stops.cut_off_at is not None
    assert 0 < stops.cut_off_at - stops.stopped_at <= 30.1
    # others are served, each within what it was promised
    assert (waits.status, json.loads(waits.text)["reply"]["text"]) == (200, turns["c"]["reply"])
    assert waits.ended_after <= SETTINGS.wait_budget_seconds + 0.5
    assert (hurries.status, hurries.ended_after <= 5.5) == (202, True)
    assert watches.status == 200
    assert watches.text.rstrip().endswith("data: [DONE]")
    at = [when for when, _ in watches.pieces]
    assert max(after - before for before, after in itertools.pairwise(at)) <= 15.1
