"""Looks for the answer of a lost attempt, beside a repeat of it, where runs are known by what they left alone."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from shared.core.conflict import events
from shared.core.errors import NotFoundAtProvider, OutcomeUnknown, ProviderError
from shared.core.model import Agent
from shared.core.run_start import RunStart
from shared.core.runs import RunState, RunStatus, Thread
from shared.providers.responses.item_traces import found_run
from shared.runs.lookup import RunLookup

T = TypeVar("T")

AGENT = Agent("boss", "Boss", "", "m", "", None, None, (), (), "id", False)
THREAD = Thread("responses", "conv_1")
ASKED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
REPEAT = RunState("resp_2", RunStatus.COMPLETED, text="from the repeat", cursor="msg_2")


def said(item_id: str, text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": content}


class Conversation:
    """A turn under a lease, its requests and its provider in one. `ended` is the repeat as a look at it shows it."""

    def __init__(self, *answers: dict[str, Any], ended: RunState | ProviderError = REPEAT) -> None:
        self.items = [item for answer in answers for item in (ASKED, answer)]
        self.ended = ended
        self.name, self.turn = "responses", SimpleNamespace(turn_id="turn", runs=())
        self.keeps_threads, self.create_seconds = True, 8.0

    def thread_or_new(self, provider: Any) -> Thread:
        return THREAD

    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    def started(self) -> None:
        """Nothing is to be brought along again."""

    async def lost_start(self, hold: Any) -> RunStart:
        return RunStart("turn", "turn.2", AGENT, THREAD, text="hello")

    async def find_run(self, start: RunStart) -> RunState | None:
        return found_run(self.items[::-1], start)

    async def get_run(self, thread: Thread, run_id: str, turn_id: str, *, with_text: bool) -> RunState:
        if isinstance(self.ended, ProviderError):
            raise self.ended
        return self.ended


async def beside(conversation: Conversation, cursor: str | None = None) -> RunState | events.Event:
    """What is found beside a repeat of which a new holder knows the id alone, or also its last item."""
    parts: Any = conversation
    return await RunLookup(parts, parts, parts).find_beside(RunState("resp_2", RunStatus.UNKNOWN, cursor=cursor))


@pytest.mark.parametrize("cursor", [None, "msg_2"])
async def test_the_lost_answer_stands_before_that_of_the_repeat(cursor: str | None) -> None:
    found = await beside(Conversation(said("msg_1", "lost"), said("msg_2", "from the repeat")), cursor)
    assert isinstance(found, RunState)
    assert (found.text, found.cursor) == ("lost", "msg_1")


@pytest.mark.parametrize("cursor", [None, "msg_2"])
async def test_the_repeat_alone_is_no_lost_answer(cursor: str | None) -> None:
    assert await beside(Conversation(said("msg_2", "from the repeat")), cursor) == events.RunNotFound()


async def test_an_answer_beside_a_repeat_that_goes_on_is_the_lost_one() -> None:
    going_on = RunState("resp_2", RunStatus.IN_PROGRESS)
    for ended in (going_on, NotFoundAtProvider("gone", status=404)):
        found = await beside(Conversation(said("msg_1", "lost"), ended=ended))
        assert isinstance(found, RunState)
        assert found.cursor == "msg_1"


async def test_a_look_that_fails_says_nothing() -> None:
    conversation = Conversation(said("msg_2", "from the repeat"), ended=OutcomeUnknown("no answer"))
    assert await beside(conversation) == events.LookFailed()
