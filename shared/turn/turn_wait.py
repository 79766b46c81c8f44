"""The wait that every request for a turn ends in: serve its queue, or see others serve it, until it is final."""

from __future__ import annotations

import asyncio
import contextlib

from shared.actions.tool_calls import OutOfTime
from shared.core.errors import ChatError, ConversationDeleted, Fenced, NotFound, StoreUnavailable
from shared.core.turns import Claim, MultitaskStrategy, Turn, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.telemetry import spans
from shared.turn.serve import TurnServer, rejected
from shared.turn.wait_budget import WaitBudget

STUMBLE_SECONDS = 0.5  # after a lost lease, an unreachable database or a start too late, before the next try
LAST_LOOK_SECONDS = 0.2  # what an answer may be late for a fresh position in the queue


class TurnWait:
    def __init__(self, instance: Instance, server: TurnServer) -> None:
        self._instance, self._server = instance, server

    async def see_through(
        self, turn: Turn, claim: Claim | None, deadline: float, *, may_withdraw: bool = False
    ) -> Turn:
        """Serve and wait until the turn is final or the deadline has come; accepted work is never an error here.

        The end of the process is a deadline as well. Raises ConversationDeleted; Conflict where it was taken back.
        """
        ids = {"gen_ai__conversation__id": turn.conversation_id, "multi_agent_chat__turn__id": turn.turn_id}
        with spans.span("turn", **ids) as span:
            turn = await self._serve_and_wait(turn, claim, deadline, may_withdraw=may_withdraw)
            span.set(multi_agent_chat__turn__status=turn.status.value)
        return turn

    async def _serve_and_wait(self, turn: Turn, claim: Claim | None, deadline: float, *, may_withdraw: bool) -> Turn:
        clock, shutdown = self._instance.clock, self._instance.shutdown
        budget = WaitBudget.of(deadline, clock.now(), may_withdraw=may_withdraw)
        fresh = claim is None  # the turn is as the caller has just read it
        with contextlib.suppress(TimeoutError):
            async with shutdown.limit(deadline):
                serves = True
                while not turn.status.final and clock.now() < shutdown.bound(deadline):
                    ours, claim, fresh = claim, None, False
                    try:
                        served = await self._server.serve(turn, ours, budget) if serves else None
                        peek = None if served is not None else await self._server.peek(turn)
                        turn = served or turn if peek is None else peek.turn
                        waits = peek is not None and turn.status is TurnStatus.WAITING and not peek.claimable
                        if turn.status.final or shutdown.begun or waits:
                            break  # what came to a stop here goes on elsewhere at once, or once a person has spoken
                        await self._instance.wakeups.wait(turn.conversation, STUMBLE_SECONDS)
                    except OutOfTime:
                        serves = False  # left to a request that has the time for it
                    except (Fenced, StoreUnavailable):
                        await clock.sleep(STUMBLE_SECONDS)
                    except NotFound:
                        raise await self._why_gone(turn) from None
        if claim is not None:  # it came after the deadline
            await HeldTurn(self._instance, claim).release()
        return turn if turn.status.final or fresh else await self._last_look(turn)

    async def _last_look(self, turn: Turn) -> Turn:
        try:
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                return (await self._instance.store.get_turn(turn.user_id, turn.turn_id)).turn
        except NotFound:
            raise await self._why_gone(turn) from None
        except (TimeoutError, StoreUnavailable):
            return turn

    async def _why_gone(self, turn: Turn) -> ChatError:
        """Only a turn of strategy reject is ever taken back; every other goes with its conversation."""
        deleted = turn.strategy is not MultitaskStrategy.REJECT or await self._instance.store.was_deleted(
            turn.user_id, turn.conversation_id
        )
        return ConversationDeleted() if deleted else rejected()
