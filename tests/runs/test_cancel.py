"""The end of a run that is cancelled is heard where its stream tells it, and else found by the next look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clock import LoopClock
from shared.core.pace import Pace
from shared.core.runs import RunState, RunStatus, Thread
from shared.runs.cancel import CancelResult, end_run
from tests.http import virtual

ENDS_AFTER = 0.6  # seconds behind the cancel
PACE = Pace(0.25, 2.0)
NEXT_LOOK = 0.25 + 0.5  # the pause behind the cancel, and the one behind it


class FakeRun:
    """Ends some time after it was cancelled. `stream`: whether that is told, and how."""

    def __init__(self, stream: str) -> None:
        self.attachable, self._stream = stream != "none", stream
        self.looks = self.streams = 0
        self._over = asyncio.Event()

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        asyncio.get_running_loop().call_later(ENDS_AFTER, self._over.set)
        return RunState(run_id, RunStatus.CANCELLING)

    async def get_run(self, thread: Thread, run_id: str, turn_id: str) -> RunState:
        self.looks += 1
        return RunState(run_id, RunStatus.CANCELLED if self._over.is_set() else RunStatus.CANCELLING)

    async def listen(self, thread: Thread, run_id: str, turn_id: str) -> AsyncGenerator[RunState, None]:
        self.streams += 1
        try:
            if self._stream == "breaks off":
                return
            await self._over.wait()
            yield RunState(run_id, RunStatus.CANCELLED)
        finally:
            self.streams -= 1


class FakeHold:
    turn = SimpleNamespace(run_id="run_1", turn_id="turn_1")

    def heard_of(self, run_id: str) -> str:
        return "so far"

    def thread_or_new(self, provider: object) -> Thread:
        return Thread("responses", "conv_1")

    async def keep(self, work: Coroutine[Any, Any, Any], **_: object) -> Any:
        return await work


@pytest.mark.parametrize(
    ("stream", "seconds", "looks"), [("tells", ENDS_AFTER, 3), ("breaks off", NEXT_LOOK, 3), ("none", NEXT_LOOK, 3)]
)
def test_the_end_of_a_cancelled_run_is_heard(stream: str, seconds: float, looks: int) -> None:
    async def play() -> tuple[float, FakeRun, CancelResult]:
        hold, run, began = FakeHold(), FakeRun(stream), asyncio.get_running_loop().time()
        result = await end_run(hold, run, LoopClock(), PACE, 5.0)  # type: ignore[arg-type]
        return asyncio.get_running_loop().time() - began, run, result

    took, run, result = virtual.run(play)

    assert result.run is not None
    assert result.run.status == RunStatus.CANCELLED
    assert took == pytest.approx(seconds)
    assert (run.looks, run.streams) == (looks, 0)
