"""Takes the lease of a conversation and the head of its queue, where they can be had."""

from __future__ import annotations

from collections.abc import Callable

from shared.core.chat_events import EventName
from shared.core.conflict import events
from shared.core.conflict.protocol import Rules
from shared.core.turns import Claim, Turn, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Busy, Lessee, Peek, Provider
from shared.turn.wait_in_line import WaitInLine

CLAIM_MARGIN = 0.25  # of the start margin: a claim cut off by the deadline would keep others away for a whole lease
YOUNG = 0.5  # of the first pause: a look at the turn that another request of this process made since is not repeated


class QueueHead:
    """The head of the queue in which `turn` waits. `position` is where the turn was seen last."""

    def __init__(
        self,
        instance: Instance,
        rules: Rules,
        lessee: Lessee,
        turn: Turn,
        deadline: Callable[[], float],
        line: WaitInLine,
    ) -> None:
        """`deadline` says when the request ends as things stand: `rules` do not know of a shutdown."""
        self.position = turn.position
        self._deadline, self._line = deadline, line
        self._instance, self._rules, self._lessee, self._turn = instance, rules, lessee, turn

    async def claim(self) -> Claim | events.TurnEnded | events.TurnWaits | events.Queued:
        """The claim, which may be on another turn of the queue. Nothing is claimed too late before the deadline.

        Raises StoreUnavailable.
        """
        if (handed := self._line.take()) is not None:
            return handed
        clock, rules = self._instance.clock, self._rules
        peek = await peek_at(self._instance, self._turn, rules.pace.min_seconds)
        if peek.turn.status.final:
            return events.TurnEnded()
        if peek.turn.status is TurnStatus.WAITING and not peek.claimable:
            return events.TurnWaits()
        # what could not be started any more is left as it is: a claim would commit an intent for nothing
        late = clock.now() >= self._deadline() - rules.start_margin_seconds
        self._instance.see(peek.turn)
        self.position = peek.turn.position
        self._line.note(peek)
        if not peek.claimable or (late and peek.turn.status is TurnStatus.QUEUED):
            return events.Queued(self.position)
        sent_at = clock.now()
        if sent_at >= self._deadline() - rules.start_margin_seconds * CLAIM_MARGIN:
            return events.Queued(self.position)
        conversation = self._turn.conversation
        claim = await self._instance.store.claim_turn(conversation.user_id, conversation.conversation_id, self._lessee)
        self._instance.reads.forget(conversation)
        return events.Queued(self.position) if isinstance(claim, Busy) else claim.sent(sent_at)

    def take_up(self, hold: HeldTurn, claim: Claim, provider: Provider) -> events.TurnCame:
        """What the claim says of earlier attempts. Raises Stopped where the turn only has to be brought to its end."""
        hold.drop_thread(provider)
        hold.log(EventName.TURN_CLAIMED, epoch=claim.epoch, status=claim.turn.status.value)
        hold.check()
        turn = claim.turn
        if turn.status in (TurnStatus.RUNNING, TurnStatus.REQUIRES_ACTION):
            return events.TurnCame(events.Intent.STARTED, failures=turn.failures)
        # every create on a thread is preceded by the thread's id on record: none there, none sent
        unsent = claim.fresh or (provider.keeps_threads and hold.thread is None)
        if turn.status is TurnStatus.QUEUED or unsent:
            return events.TurnCame(events.Intent.NONE, failures=turn.failures)
        return events.TurnCame(
            events.Intent.UNKNOWN,
            still_seconds=provider.create_seconds - (turn.starting_ms or 0) / 1000,
            failures=turn.failures,
        )


async def peek_at(instance: Instance, turn: Turn, poll_min_seconds: float) -> Peek:
    """How the turn stands, by a look that all requests of this process that wait for it share. As `Store.get_turn`."""
    return await instance.reads.read(turn.conversation, turn.turn_id, poll_min_seconds * YOUNG)
