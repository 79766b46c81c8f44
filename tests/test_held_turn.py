"""What becomes of work that is given up."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from shared.clock import LoopClock
from shared.core.errors import OutcomeUnknown, StoreRefused
from shared.core.model import Agent
from shared.core.turns import Claim
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.instance.wakeups import LocalWakeups
from tests.http.fakes import make_turn


def held() -> HeldTurn:
    store: Any = None  # nothing here lasts until a heartbeat
    agent = Agent("writer", "Writer", "Writes.", agent_id="a", assistant_id=None, model="m", instructions="")
    claim = Claim(1, make_turn("u"), agent, None, fresh=True, last_run_id=None, message_count=0)
    return HeldTurn(Instance(store, LoopClock(), LocalWakeups(), 15.0), claim.sent(LoopClock().now()))


async def test_work_that_fails_in_the_moment_it_is_given_up_is_not_reported_as_lost() -> None:
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise OutcomeUnknown("after the caller has left")

    keeping = asyncio.create_task(held().keep(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    await asyncio.sleep(0)  # the work has failed, and the one who waits for it has not been told yet
    keeping.cancel()
    await asyncio.wait({keeping})
    assert keeping.cancelled()
    del keeping
    await asyncio.sleep(0)
    gc.collect()
    assert lost == []


async def test_giving_a_lease_back_never_fails() -> None:
    class Refusing:
        async def release(self, *_: object) -> None:
            raise StoreRefused("chat_release_lease was refused with 23514.")

    hold = held()
    hold._store = Refusing()  # type: ignore[assignment]  # nothing else is asked of it
    await hold.release()
