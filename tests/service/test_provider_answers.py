"""For every answer of a provider: the turn ends as the table says, and never with a second run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from dev.emulator.testing import RunningEmulator, running_emulator
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.provider_answers import TABLE, WIRES, Row
from tests.service.scripted import scripted

CREATE = {"responses": "/responses$", "assistants": "/threads/[^/]+/runs$"}
LOOK = {"responses": "/responses/[^/]+$", "assistants": "/threads/[^/]+/runs/[^/]+$"}
OPEN = ("queued", "starting")
AT_ONCE = 16  # every row waits most of its time
ONCE_MORE = 2  # for the rows that a busy machine may have failed
CASES = [(wire, row) for wire in WIRES for row in TABLE if wire in row.wires]


@dataclass(frozen=True)
class Seen:
    status: str
    code: str | None
    reply: str | None
    runs: int
    struck: int
    active: int


async def play(row: Row, wire: str, dsn: str, emulator: RunningEmulator) -> Seen:
    """One conversation with a provider of its own in front: a turn that goes well, then the one of the row."""
    async with scripted(emulator.base_url) as front, Instances(dsn, front.base_url, wire) as made:
        one, user = await made.make(provider_timeout_seconds="1.5", lease_seconds="6"), new_user()
        first = await one.send(user, "hello")
        assert first.status == "completed", first
        pattern = (CREATE if row.at == "create" else LOOK)[wire]
        method = "POST" if row.at == "create" else "GET"
        times = 0 if row.always else 1 if row.at == "create" else 2
        front.answer(method, pattern, *[row.answer] * times, for_ever=row.answer if row.always else None)
        turn = await one.send(user, "again", first.conversation_id, wait=row.wait)
        jobs = [*emulator.emulator.runs.values(), *emulator.emulator.responses.values()]
        runs = sum(job.metadata.get("turn_id") == turn.turn_id for job in jobs)
        places = [*emulator.emulator.threads.values(), *emulator.emulator.conversations.values()]
        active = max(place.max_active for place in places)
        code = None if turn.error is None else str(turn.error["code"])
        return Seen(turn.status.value, code, turn.reply, runs, front.struck, active)


async def play_all(
    cases: list[tuple[str, Row]], dsn: str, habits: dict[str, str], at_once: int
) -> dict[tuple[str, str], Seen | BaseException]:
    gate = asyncio.Semaphore(at_once)
    async with running_emulator() as emulator:
        await emulator.configure(**habits)

        async def one(wire: str, row: Row) -> Seen:
            async with gate:
                return await play(row, wire, dsn, emulator)

        seen = await asyncio.gather(*(one(wire, row) for wire, row in cases), return_exceptions=True)
    return {(wire, row.name): result for (wire, row), result in zip(cases, seen, strict=True)}


@pytest.fixture(scope="module")
def seen(server: Database) -> dict[tuple[str, str], Seen | BaseException]:
    """All rows at once, each with a user of its own: one after the other they would take minutes.

    What can be heard is not looked at, so looks are answered by a server that does not stream. A row that fails is
    played once more with few others beside it.
    """
    found: dict[tuple[str, str], Seen | BaseException] = {}
    for at, habits in (("create", dict[str, str]()), ("look", {"stream": "ignore"})):
        server.run("update public.chat_agents set assistant_id = null")
        cases = [case for case in CASES if case[1].at == at]
        found |= asyncio.run(play_all(cases, server.dsn, habits, AT_ONCE))
        failed = [(wire, row) for wire, row in cases if not fits(row, found[wire, row.name])]
        found |= asyncio.run(play_all(failed, server.dsn, habits, ONCE_MORE))
    server.run("update public.chat_agents set assistant_id = null")
    return found


def fits(row: Row, result: Seen | BaseException) -> bool:
    try:
        judge(row, result)
    except Exception:
        return False
    return True


def judge(row: Row, result: Seen | BaseException) -> None:
    if isinstance(result, BaseException):
        raise result
    assert result.status == row.status or (row.status == "open" and result.status in OPEN), result
    assert row.code is None or result.code == row.code, result
    assert result.runs <= row.runs, result
    assert result.active == 1
    assert result.struck > 0  # else the answer was never given, and nothing was tested
    assert row.attempts is None or result.struck <= row.attempts, result
    if row.status == "completed":
        assert result.runs >= 1
        assert result.reply is not None
        assert result.reply.endswith("to: again")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("wire", "row"), CASES, ids=[f"{wire}: {row.name}" for wire, row in CASES])
def test_what_follows(wire: str, row: Row, seen: dict[tuple[str, str], Seen | BaseException]) -> None:
    judge(row, seen[wire, row.name])


def test_the_table_is_large_enough() -> None:
    assert len({row.name for row in TABLE if row.at == "create"}) >= 40
    assert len({row.name for row in TABLE if row.at == "look"}) >= 20
