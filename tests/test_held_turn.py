"""What becomes of work that is given up."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from typing import Any

import pytest

from shared.clock import LoopClock
from shared.core.errors import OutcomeUnknown, StoreRefused, StoreUnavailable
from shared.core.model import Agent
from shared.core.runs import Thread
from shared.core.turns import Claim, Turn, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.instance.wakeups import LocalWakeups
from shared.ports import Ended, Lease, Lessee, TurnUpdate
from tests.http.fakes import make_turn


def held(store: Any = None, *, failures: int = 0) -> HeldTurn:
    """Without a store nothing may last until a heartbeat."""
    agent = Agent("writer", "Writer", "Writes.", agent_id="a", assistant_id=None, model="m", instructions="")
    claim = Claim(
        1, replace(make_turn("u"), failures=failures), agent, None, fresh=True, last_run_id=None, message_count=0
    )
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


async def test_a_lease_goes_back_only_after_the_writes_that_its_holder_has_left() -> None:
    order: list[str] = []
    answered, released = asyncio.Event(), asyncio.Event()

    class Slow:
        async def advance_turn(self, *_: object) -> Turn:
            await answered.wait()
            order.append("written")
            return make_turn("u")

        async def release(self, *_: object) -> None:
            order.append("released")
            released.set()

    hold = held(Slow())
    writing = asyncio.create_task(hold.finish(hold.advance(TurnUpdate(to=TurnStatus.RUNNING))))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    await hold.release()  # does not wait for long
    assert order == []
    answered.set()
    await released.wait()
    assert order == ["written", "released"]


class Recording:
    """Takes every write, and remembers what it was."""

    def __init__(self) -> None:
        self.updates: list[TurnUpdate] = []

    async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, seconds: float) -> Turn:
        self.updates.append(update)
        return make_turn("u")

    async def end_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, next_lessee: Lessee | None) -> Ended:
        return Ended(await self.advance_turn(lease, turn_id, update, 0.0), None)


async def test_what_must_not_be_forgotten_is_written_once_the_database_is_there_again() -> None:
    class Away(Recording):
        async def advance_turn(self, lease: Lease, turn_id: str, update: TurnUpdate, seconds: float) -> Turn:
            turn = await super().advance_turn(lease, turn_id, update, seconds)
            if len(self.updates) < 2:
                raise StoreUnavailable
            return turn

    store = Away()
    hold = held(store)
    hold._seconds = 0.1  # of the lease: how long to wait between two tries goes by it
    await hold.advance_surely(TurnUpdate(to=TurnStatus.RUNNING))
    assert len(store.updates) == 2


KEPT = Thread("responses", "conv_1", "msg_9")
UPDATES = {
    "an attempt before this one was lost": (1, (), True),
    "one was lost, and it was seen that the message stands there once": (1, ("trust",), False),
    "an attempt of this holder was lost after that": (1, ("trust", "lose"), True),
    "the thread was given up since": (1, ("rotate",), False),
    "nothing was lost": (0, (), False),
}


@pytest.mark.parametrize("end", [TurnStatus.COMPLETED, TurnStatus.FAILED, TurnStatus.CANCELLED])
@pytest.mark.parametrize(("failures", "before", "given_up"), UPDATES.values(), ids=UPDATES)
async def test_a_thread_that_may_hold_the_message_twice_goes_with_its_turn(
    failures: int, before: tuple[str, ...], given_up: bool, end: TurnStatus
) -> None:
    store = Recording()
    hold = held(store, failures=failures)
    for what in before:
        match what:
            case "trust":
                hold.trust_thread()
            case "lose":
                await hold.advance(TurnUpdate(to=TurnStatus.STARTING, count_failure=True))
            case _:
                await hold.rotate_thread(TurnUpdate())
    await hold.end(TurnUpdate(to=end, thread=KEPT))
    last = store.updates[-1]
    assert (last.forget_thread, last.thread) == ((True, None) if given_up else (False, KEPT))
