"""Outputs are submitted until the run has them: what the run shows tells where an answer was lost."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from shared.core.errors import OutcomeUnknown, ProviderError, ProviderRefused, RateLimited
from shared.core.runs import RunState, RunStatus, Thread, ToolCall, ToolOutput
from shared.runs.submit import SUBMIT_TRIES, submit_outputs

T = TypeVar("T")

THREAD = Thread("assistants", "thread_1")
WAITING = RunState("run_1", RunStatus.REQUIRES_ACTION, text="so far", tool_calls=(ToolCall("call_1", "look", "{}"),))
GOES_ON = replace(WAITING, status=RunStatus.IN_PROGRESS, tool_calls=())
OUTPUTS = (ToolOutput("call_1", "seen"),)


class Server:
    """Answers every submission with the next of `answers`; `seen` is the run as a look shows it."""

    def __init__(self, *answers: ProviderError | RunState, seen: RunState | ProviderError = WAITING) -> None:
        self.answers, self.seen = list(answers), seen
        self.submitted: list[tuple[Any, ...]] = []
        self.slept: list[float] = []

    async def submit_tool_outputs(self, *given: Any, stream: bool, said: str) -> RunState:
        self.submitted.append((*given, stream, said))
        return _told(self.answers.pop(0))

    async def get_run(self, thread: Thread, run_id: str, turn_id: str) -> RunState:
        assert (thread, run_id, turn_id) == (THREAD, "run_1", "turn")
        return _told(self.seen)

    async def keep(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def _told(answer: RunState | ProviderError) -> RunState:
    if isinstance(answer, ProviderError):
        raise answer
    return answer


async def submitted(server: Server, run: RunState = WAITING) -> RunState:
    provider: Any = server
    return await submit_outputs(provider, THREAD, run, "turn", OUTPUTS, server, stream=True)


async def test_outputs_are_submitted_once_where_the_answer_comes() -> None:
    server = Server(GOES_ON)
    assert await submitted(server) is GOES_ON
    assert server.submitted == [(THREAD, "run_1", "turn", OUTPUTS, True, "so far")]
    assert server.slept == []


@pytest.mark.parametrize("lost", [OutcomeUnknown, ProviderRefused])
async def test_a_run_that_has_moved_on_has_its_outputs(lost: Callable[[], ProviderError]) -> None:
    server = Server(lost(), seen=GOES_ON)
    assert await submitted(server) is GOES_ON
    assert len(server.submitted) == 1


async def test_a_run_that_still_waits_is_given_them_again_when_the_provider_says() -> None:
    server = Server(RateLimited(retry_after=3.0), OutcomeUnknown(), GOES_ON)
    assert await submitted(server) is GOES_ON
    assert server.slept == [3.0, 1.0]


async def test_after_the_last_try_the_last_error_is_raised() -> None:
    last = OutcomeUnknown()
    server = Server(*(OutcomeUnknown() for _ in range(SUBMIT_TRIES - 1)), last, seen=OutcomeUnknown())
    with pytest.raises(OutcomeUnknown) as raised:
        await submitted(server)
    assert raised.value is last
    assert len(server.submitted) == SUBMIT_TRIES


async def test_a_run_without_an_id_is_given_nothing() -> None:
    server = Server(GOES_ON)
    with pytest.raises(ProviderRefused):
        await submitted(server, replace(WAITING, run_id=None))
    assert server.submitted == []
