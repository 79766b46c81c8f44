"""Fenced writes of a turn: each is refused once another holder has taken over, and each extends the lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ChatError, StoreUnavailable
from shared.core.turns import Claim, Turn, TurnStatus
from shared.instance.instance import Instance
from shared.ports import Lease, TurnUpdate
from shared.telemetry import spans

T = TypeVar("T")

HEARTBEATS_PER_LEASE = 3.75  # 4 s of a lease of 15 s: two may be lost before a third is too late
FENCE_MARGIN = 0.2  # of the lease: stop this long before another instance may take over
RELEASE_SECONDS = 0.2  # what a response may be late for the sake of the next waiter
LAST_RELEASE_SECONDS = 2.0  # where the process ends: the next holder waits for the lease, no client for this answer


class Stopped(Exception):  # not an error: the holder is told to stop, `FencedWrites.turn` says why
    """The turn is final already, was cancelled, or its deadline has passed."""


class FencedWrites:
    """The right to serve the head of one conversation's queue, until released, lost or let lapse.

    Its attributes are for others to read: only its own methods change them.
    """

    def __init__(self, instance: Instance, claim: Claim) -> None:
        self.turn: Turn = claim.turn
        self.fresh = claim.fresh
        self._instance = instance
        self._store, self._clock = instance.store, instance.clock
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
            await FencedWrites(instance, claim).release()

    async def intend_next_run(self, update: TurnUpdate) -> None:
        """Commit the intent to start the turn's next run; its create has not been sent."""
        await self.advance(replace(update, to=TurnStatus.STARTING, next_run=True))
        self.fresh = True

    async def secure(self) -> None:
        """Before a call that no fence can stop: a full lease ahead. Raises Fenced, StoreUnavailable."""
        if self._clock.now() >= self._beat_at:
            await self.advance(TurnUpdate())

    @property
    def _trusted(self) -> bool:
        """Whether no other instance can have taken over, however long ago the last write was heard of."""
        return self._clock.now() < self._until - self._seconds * FENCE_MARGIN

    @property
    def _retry_seconds(self) -> float:
        return self._seconds * FENCE_MARGIN / 4

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
