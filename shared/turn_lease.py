"""A turn under its lease: fenced writes, and the heartbeat that keeps the lease alive.

The one task that works also keeps the lease alive, and stops itself when it cannot. A heartbeat from another task would
keep a lease alive for work that hangs, so there is none: every wait goes through `keep`, which heartbeats between two
looks at the work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError, Fenced, StoreUnavailable
from shared.core.turns import Claim, Turn, TurnStatus
from shared.instance.instance import Instance
from shared.ports import Lease, TurnUpdate
from shared.telemetry import spans

T = TypeVar("T")

HEARTBEATS_PER_LEASE = 3.75  # 4 s of a lease of 15 s: two may be lost before a third is too late
FENCE_MARGIN = 0.2  # of the lease: stop this long before another instance may take over
RELEASE_SECONDS = 0.2  # what a response may be late for the sake of the next waiter
LAST_RELEASE_SECONDS = 2.0  # where the process ends: the next holder waits for the lease, no client for this answer
DRAFT_SECONDS = 1.0  # between two records of what a run has said so far


class Stopped(Exception):  # not an error: the holder is told to stop, `TurnLease.turn` says why
    """The turn is final already, was cancelled, or its deadline has passed."""


class TurnLease:
    """The right to serve the head of one conversation's queue, until released, lost or let lapse.

    Its attributes are for others to read: only its own methods change them.
    """

    def __init__(self, instance: Instance, claim: Claim) -> None:
        self.turn: Turn = claim.turn
        self.fresh = claim.fresh
        self._draft = ""  # what the present run has said, to be recorded with a heartbeat
        self._recorded_draft = ""
        self._instance = instance
        self._store, self._clock, self._wakeups = instance.store, instance.clock, instance.wakeups
        self._seconds, self._shutdown = instance.lease_seconds, instance.shutdown
        self._lease = Lease(claim.turn.user_id, claim.turn.conversation_id, claim.epoch)
        self._until = claim.claimed_at + self._seconds
        self._beat_at = claim.claimed_at + self._seconds / HEARTBEATS_PER_LEASE
        self._turn_over_at = claim.claimed_at + claim.turn.remaining_ms / 1000
        self._held = True
        self._unfinished: asyncio.Future[Any] | None = None  # writes that go on when their caller leaves

    @property
    def lease(self) -> Lease:
        return self._lease

    @property
    def overdue(self) -> bool:
        """Whether the turn's own deadline has passed."""
        return self._clock.now() >= self._turn_over_at

    def check(self, *, through_displacement: bool = False) -> None:
        """Raises Stopped where there is nothing left to work for.

        `through_displacement`: being displaced is no reason yet, because the work cannot be taken up again.
        """
        told = self.turn.cancel_requested and not (through_displacement and self.turn.superseded_by is not None)
        if self.turn.status.final or told or self.overdue:
            raise Stopped

    def log(self, name: EventName, **fields: Any) -> None:
        """One event with the ids of the turn, and nothing that a user or a model wrote."""
        turn = self.turn
        logs.event(name, turn_id=turn.turn_id, conversation_id=turn.conversation_id, seq=turn.seq, **fields)

    def mark_sent(self) -> None:
        """The create that the intent on record was for may have been sent from now on."""
        self.fresh = False

    # --- fenced writes ----------------------------------------------------------------------------------------------

    async def advance(self, update: TurnUpdate) -> Turn:
        """One fenced write. Raises Fenced, StoreUnavailable."""
        sent_at = self._clock.now()
        turn = await self._store.advance_turn(self._lease, self.turn.turn_id, update, self._seconds)
        self._note_written(turn, update)
        self._until = sent_at + self._seconds
        self._beat_at = sent_at + self._seconds / HEARTBEATS_PER_LEASE
        return self.turn

    def _note_written(self, turn: Turn, update: TurnUpdate) -> None:
        """The write was accepted, and has left the turn like this."""
        self.turn = turn

    async def advance_surely(self, update: TurnUpdate) -> None:
        """The same for what must not be forgotten: tried for as long as the lease can be trusted."""
        while True:
            try:
                await self.advance(update)
                return
            except StoreUnavailable:
                if not self._trusted:
                    raise
                await self._clock.sleep(self._retry_seconds)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of writes that are not to be left half done: they go on when the caller is cancelled.

        The lease is given back only when they are over.
        """
        task = asyncio.ensure_future(work)
        self._instance.add_write(task)
        self._unfinished = task
        return await asyncio.shield(task)

    async def end(self, update: TurnUpdate) -> None:
        """The write that ends the turn and gives the lease up. Raises Fenced, StoreUnavailable.

        A request of this process that waits in line for the conversation is handed the next turn with it.
        """
        # what a caller has left by now is claimed all the same, and has to come to the one who waits for it
        await self.finish(self._end(self._last_update(update)))

    def _last_update(self, update: TurnUpdate) -> TurnUpdate:
        """The write that ends the turn, with all that goes with it."""
        return update

    async def _end(self, update: TurnUpdate) -> None:
        instance, conversation, sent_at = self._instance, self.turn.conversation, self._clock.now()
        lessee = None if self._shutdown.begun else instance.lines.lessee(conversation, sent_at)
        ended = await self._store.end_turn(self._lease, self.turn.turn_id, update, lessee)
        self._note_written(ended.turn, update)
        self._held = False
        instance.announce(conversation)
        spans.record("multi_agent_chat.turn.waited", ended.turn.waited_ms / 1000, status=ended.turn.status.value)
        if ended.next is None:
            return
        claim = ended.next.sent(sent_at)
        if not instance.lines.hand_over(conversation, claim, self._clock.now()):
            await TurnLease(instance, claim).release()

    async def intend_next_run(self, update: TurnUpdate) -> None:
        """Commit the intent to start the turn's next run; its create has not been sent."""
        await self.advance(replace(update, to=TurnStatus.STARTING, next_run=True))
        self.fresh = True

    # --- waits ------------------------------------------------------------------------------------------------------

    def note_draft(self, text: str) -> None:
        """Have what was said so far recorded soon: other instances cannot hear it by themselves."""
        self._draft = text
        self._beat_at = min(self._beat_at, max(self._clock.now(), self._until - self._seconds + DRAFT_SECONDS))

    async def heartbeat(self) -> None:
        """Raises Fenced once the lease can no longer be trusted."""
        draft = self._draft
        try:
            await self.advance(TurnUpdate(draft=draft) if draft != self._recorded_draft else TurnUpdate())
            self._recorded_draft = draft
        except StoreUnavailable:
            self._beat_at = self._clock.now() + self._retry_seconds
            if not self._trusted:
                raise Fenced from None

    @property
    def _trusted(self) -> bool:
        """Whether no other instance can have taken over, however long ago the last write was heard of."""
        return self._clock.now() < self._until - self._seconds * FENCE_MARGIN

    @property
    def _retry_seconds(self) -> float:
        return self._seconds * FENCE_MARGIN / 4

    async def keep(
        self,
        work: Coroutine[Any, Any, T],
        *,
        stoppable: bool = True,
        through_displacement: bool = False,
        wakeful: bool = False,
    ) -> T:
        """The result of `work`, with the lease kept alive meanwhile. Raises Fenced or Stopped, and ends the work.

        `wakeful`: a wake-up in this process (a cancel, for one) is looked into at once.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                seconds = max(self._beat_at - self._clock.now(), 0)
                if wakeful:
                    if not await self._woken(task, min(seconds, DRAFT_SECONDS)) and self._clock.now() < self._beat_at:
                        continue
                else:
                    await asyncio.wait({task}, timeout=seconds)
                if not task.done():
                    await self.heartbeat()
                    if stoppable:
                        self.check(through_displacement=through_displacement)
            return task.result()
        finally:
            task.add_done_callback(_forget)
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=RELEASE_SECONDS)

    async def _woken(self, task: asyncio.Future[Any], seconds: float) -> bool:
        """Whether a wake-up came within `seconds`; returns at once when the work is done."""
        until = self._clock.now() + seconds
        waking = asyncio.ensure_future(self._wakeups.wait(self.turn.conversation, seconds))
        try:
            await asyncio.wait({task, waking}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done() and self._clock.now() < until
        finally:
            waking.cancel()
            await asyncio.wait({waking})

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass. A wake-up in this process (a cancel, for one) is looked into at once.

        Where it has changed nothing for this turn the pause goes on: no request can shorten the pause before a retry.
        """
        until = self._clock.now() + seconds
        while True:
            await self.keep(self._wakeups.wait(self.turn.conversation, max(until - self._clock.now(), 0)))
            if self._clock.now() >= until:
                return
            await self.heartbeat()
            self.check()

    async def sleep_until_over(self, seconds: float, latest: float) -> None:
        """Let so much time pass, but not beyond `latest` on the clock."""
        await self.sleep(min(seconds, max(latest - self._clock.now(), 0.0)))

    async def secure(self) -> None:
        """Before a call that no fence can stop: a full lease ahead. Raises Fenced, StoreUnavailable."""
        if self._clock.now() >= self._beat_at:
            await self.advance(TurnUpdate())

    async def release(self) -> None:
        """Let the next one claim at once; where that fails the lease lapses by itself. Never raises.

        An intent that came with the claim and was never used goes back with it: else it would be looked for.
        """
        releasing = asyncio.ensure_future(self._release())
        self._instance.add_write(releasing)
        await asyncio.wait({releasing}, timeout=self._release_seconds)

    @property
    def _release_seconds(self) -> float:
        return LAST_RELEASE_SECONDS if self._shutdown.begun else RELEASE_SECONDS

    async def _release(self) -> None:
        if self._unfinished is not None:
            await asyncio.wait({self._unfinished})
        if not self._held:
            return
        self._held = False
        unused = self.fresh and self.turn.status is TurnStatus.STARTING
        with contextlib.suppress(ChatError, TimeoutError):
            async with asyncio.timeout(self._release_seconds):
                if unused:
                    await self._store.advance_turn(
                        self._lease, self.turn.turn_id, TurnUpdate(to=TurnStatus.QUEUED), 0.0
                    )
                else:
                    await self._store.release(self._lease)


def _forget(task: asyncio.Task[Any]) -> None:
    """Take the outcome of abandoned work, so that the event loop does not report it as lost."""
    if not task.cancelled():
        task.exception()
