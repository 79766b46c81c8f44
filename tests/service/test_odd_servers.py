"""Turns at servers that are odd in ways that were seen: each is answered once, or fails for a reason that is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dev.emulator.ids import thread_wire_id
from dev.emulator.responses import response as emulated_responses
from dev.emulator.testing import RunningEmulator
from shared.clock import LoopClock
from shared.core.turns import MultitaskStrategy, TurnStatus
from shared.instance.rate_limits import RateLimits
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.provider_answers import TOO_LARGE
from tests.service.scripted import Answer, Scripted, error, scripted
from tests.service.teams import Team, calls, says
from tests.service.test_provider_answers import CREATE, LOOK

WIRES = ("responses", "assistants")
LOOKS = {"responses": 2, "assistants": 1}  # where a stream can be attached to, it is asked for before the first look


@pytest.fixture
async def front(emulator: RunningEmulator, db: Database) -> AsyncIterator[Scripted]:
    """In front of a server that does not stream: what can be heard is not looked at."""
    db.run("update public.chat_agents set assistant_id = null, assistant_made = false")
    await emulator.configure(stream="ignore")
    async with scripted(emulator.base_url) as made:
        yield made


def changed(**fields: Any) -> Answer:
    return Answer(rewrite=lambda body: {**body, **fields})


def failing(code: str, message: str) -> Answer:
    told = {"code": code, "message": message}
    return changed(status="failed", error=told, last_error=told, output=[])


def texts(emulator: RunningEmulator) -> list[str]:
    """All that stands in each thread, as text; the newest thread last."""
    state = emulator.emulator
    threads = [[repr(message) for message in thread.messages.values()] for thread in state.threads.values()]
    conversations = [list(one.items.values()) for one in state.conversations.values()]
    return [json.dumps(one, default=str) for one in (threads or conversations)]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "refusal", [error(400, "content_filter", "flagged"), error(400, "invalid_prompt", "Invalid prompt: flagged.")]
)
async def test_what_was_flagged_is_not_carried_along(
    front: Scripted, emulator: RunningEmulator, db: Database, wire: str, refusal: Answer
) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "harmless words")
        front.answer("POST", CREATE[wire], for_ever=refusal)
        flagged = await one.send(user, "evil words", first.conversation_id)
        assert flagged.error is not None
        assert (flagged.status, flagged.error["code"]) == (TurnStatus.FAILED, "content_flagged")
        assert front.struck == 2
        front.answer("POST", "^$")
        after = await one.send(user, "kind words", first.conversation_id)
        again = await one.send(user, "more words", first.conversation_id)

    assert (after.status, again.status) == (TurnStatus.COMPLETED, TurnStatus.COMPLETED)
    newest = texts(emulator)[-1]
    assert "kind words" in newest
    assert "more words" in newest
    assert "evil words" not in newest


SEEDED = {"responses": "/(responses|conversations)$", "assistants": "/threads(/[^/]+/runs)?$"}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_thread_that_cannot_be_seeded_begins_with_the_message(
    front: Scripted, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "odd words")
        refusals = [error(400), error(400, "content_filter")]  # of the create, and of the seeds
        front.answer("POST", SEEDED[wire], *refusals)
        turn = await one.send(user, "kind words", first.conversation_id)

    assert turn.status is TurnStatus.COMPLETED
    assert "kind words" in texts(emulator)[-1]
    assert "odd words" not in texts(emulator)[-1]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_run_that_fails_for_its_thread_is_made_once_more_on_a_new_one(
    front: Scripted, emulator: RunningEmulator, db: Database, wire: str
) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "hello")
        front.answer("GET", LOOK[wire], *[failing("context_length_exceeded", "too long")] * LOOKS[wire])
        turn = await one.send(user, "again", first.conversation_id)

    assert turn.status is TurnStatus.COMPLETED
    assert len(turn.runs) == 2
    assert len(texts(emulator)) >= 2


@pytest.mark.parametrize("wire", WIRES)
async def test_a_failed_run_is_repeated_when_the_provider_says(front: Scripted, db: Database, wire: str) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        told = failing("rate_limit_exceeded", "Rate limit. Please try again in 2s.")
        front.answer("GET", LOOK[wire], *[told] * LOOKS[wire])
        sent_at = LoopClock().now()
        turn = await one.send(user, "patience")
        waited = LoopClock().now() - sent_at

    assert turn.status is TurnStatus.COMPLETED
    assert [run.status for run in turn.runs] == ["failed", "completed"]
    assert 2 <= waited < 8


async def test_more_than_the_limit_ever_allows_is_tried_twice(front: Scripted, db: Database) -> None:
    async with Instances(db.dsn, front.base_url, "responses") as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "hello")
        front.answer("POST", CREATE["responses"], for_ever=error(429, "rate_limit_exceeded", TOO_LARGE))
        turn = await one.send(user, "big", first.conversation_id)

    assert turn.error is not None
    assert turn.error["code"] == "context_too_long"
    assert front.struck == 2


@pytest.mark.parametrize("wire", WIRES)
async def test_a_thread_is_given_up_for_what_was_rolled_back_there(front: Scripted, db: Database, wire: str) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "[[never]] first", wait=0.5)
        await one.wait_while(user, first, TurnStatus.QUEUED, TurnStatus.STARTING)
        front.answer("POST", CREATE[wire], error(400, "context_length_exceeded", "Maximum context length exceeded."))
        turn = await one.send(user, "other", first.conversation_id, strategy=MultitaskStrategy.ROLLBACK)

    assert turn.status is TurnStatus.COMPLETED
    assert front.struck == 2


async def test_turns_of_one_process_share_their_pauses(
    front: Scripted, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limiter that names no time and counts what it refuses: ten turns do not ask ten times as often as one."""
    monkeypatch.setattr(RateLimits, "_pause", lambda _, limit: 2.0**limit.bursts / 2)  # jitter in its middle
    async with Instances(db.dsn, front.base_url, "responses") as made:
        one = await made.make()
        front.answer("POST", CREATE["responses"], for_ever=error(429, "rate_limit_exceeded", "Slow down."))
        turns = await asyncio.gather(*(one.send(new_user(), "hello", wait=6.0) for _ in range(10)))
        refused = front.struck
        front.answer("POST", "^$")

    assert {turn.status for turn in turns} == {TurnStatus.QUEUED}
    assert 10 <= refused <= 15  # with the same pauses, each for itself, there would be thirty


LATE: list[tuple[str, str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("assistants", "/threads/[^/]+/messages$", "hello", lambda body: {**body, "data": []}),
    (
        "assistants",
        LOOK["assistants"],
        "[[tool read_project {}]] hello",
        lambda body: {**body, "required_action": None},
    ),
    ("responses", CREATE["responses"], "hello", lambda body: {**body, "conversation": None}),
]


@pytest.mark.parametrize(("wire", "path", "text", "late"), LATE)
async def test_what_shows_late_is_waited_for(
    front: Scripted, db: Database, wire: str, path: str, text: str, late: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(), new_user()
        first = await one.send(user, "before")
        front.answer(
            "POST" if wire == "responses" else "GET", path, *[Answer(rewrite=late)] * (1 if wire == "responses" else 12)
        )
        turn = await one.send(user, text, first.conversation_id)

    assert front.struck == 1 if wire == "responses" else front.struck > 1
    assert turn.status is TurnStatus.COMPLETED
    assert "hello" in (turn.reply or "")
    assert len(turn.runs) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_a_run_that_is_unknown_for_some_seconds_is_waited_for(front: Scripted, db: Database, wire: str) -> None:
    unknown = error(404, message="No run found with id 'run_x'.")
    async with Instances(db.dsn, front.base_url, wire) as made:
        one, user = await made.make(poll_min_seconds="0.5", poll_max_seconds="0.5"), new_user()
        front.answer("GET", LOOK[wire], *[unknown] * 9)
        turn = await one.send(user, "[[slow 6]] hello")

    assert turn.status is TurnStatus.COMPLETED
    assert len(turn.runs) == 1


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ([{"type": "image_generation_call", "id": "ig_1", "result": "aGk="}], "unsupported_reply"),
        ([{"type": "message", "role": "assistant", "content": [{"type": "output_image"}]}], "unsupported_reply"),
        ([], "empty_reply"),
    ],
)
async def test_an_answer_without_text_is_told_from_none(
    front: Scripted, db: Database, output: list[dict[str, Any]], code: str
) -> None:
    async with Instances(db.dsn, front.base_url, "responses") as made:
        one, user = await made.make(), new_user()
        body = {"id": "resp_1", "status": "completed", "output": output}
        front.answer("POST", CREATE["responses"], Answer(rewrite=lambda real: {**real, **body}))
        turn = await one.send(user, "draw", wait=15.0)

    assert turn.error is not None
    assert turn.error["code"] == code


async def test_two_calls_with_one_id_are_both_made(
    instances: Instances, emulator: RunningEmulator, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = thread_wire_id
    monkeypatch.setattr(emulated_responses, "thread_wire_id", lambda kind: "call_0" if kind == "call" else made(kind))
    one, user = await instances.make(), new_user()
    team = Team(db, emulator, user)
    both = calls(("write_project", {"title": "Owls"}), ("write_project", {"script": "INT. BARN"}))
    team.add("boss", both, lambda seen: says(" ".join(each.output for each in seen.outputs)), tools=("write_project",))

    turn = await one.send(user, "save both", agent="boss")

    assert turn.status is TurnStatus.COMPLETED
    saved = await one.store.read_project(user.id, turn.conversation_id)
    assert (saved["title"], saved["script"]) == ("Owls", "INT. BARN")
    assert "title" in (turn.reply or "")
    assert "script" in (turn.reply or "")
