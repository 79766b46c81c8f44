"""Drives `core.conflict`: from a turn in the queue to a run of its own. The only await loop of the protocol.

Nothing else in the project starts a turn's run, and nothing is appended to a thread before admission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from shared.core.chat_events import EventName
from shared.core.conflict import commands, events
from shared.core.conflict.protocol import ConflictProtocol, Rules
from shared.core.error_codes import ErrorCode
from shared.core.runs import RunState, RunStatus, is_terminal
from shared.core.turns import Claim, MultitaskStrategy, Turn, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Lessee, Provider, TurnUpdate
from shared.runs.cancel import cancel_repeat
from shared.runs.lookup import RunLookup
from shared.runs.start import RunRequests
from shared.turn.claim import QueueHead
from shared.turn.create import RunCreate
from shared.turn.wait_in_line import WaitInLine


@dataclass(frozen=True, slots=True)
class _Wire:
    """What the agent at work needs of its provider."""

    provider: Provider
    requests: RunRequests
    lookup: RunLookup
    create: RunCreate


class Admission:
    """One turn's way to its run. `hold` and `run` say what came of it, also when `run_to_end` raises."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        requests_for: Callable[[Provider], RunRequests],
        rules: Rules,
        lessee: Lessee,
        turn: Turn,
        *,
        serve_other: Callable[[Claim], Awaitable[None]],
    ) -> None:
        self.hold: HeldTurn | None = None
        self.run: RunState | None = None
        self._instance, self._providers, self._requests_for = instance, providers, requests_for
        self._rules, self._turn = rules, turn
        self._serve_other = serve_other
        margin = rules.start_margin_seconds
        self._line = WaitInLine(instance, providers, lessee, turn, lambda: self._deadline, margin)
        self._head = QueueHead(instance, rules, lessee, turn, lambda: self._deadline, self._line)
        self._wire: _Wire | None = None
        self._adopted: RunState | None = None  # found instead of started
        self._answered: RunState | None = None  # found beside a repeat

    async def run_to_end(
        self, event: events.Submitted | events.TurnCame
    ) -> commands.Admit | commands.Refuse | commands.Detach:
        """Raises Stopped, Fenced, StoreUnavailable; the turn then stands as its row says."""
        begun = self.hold is not None and bool(self.hold.turn.runs)
        # what has begun to be answered cannot be taken back
        rejects = self._rules.strategy is MultitaskStrategy.REJECT
        rules = replace(self._rules, strategy=MultitaskStrategy.ENQUEUE) if begun and rejects else self._rules
        bounded = ConflictProtocol(replace(rules, deadline=self._deadline))
        state, command = bounded.fold(event, self._instance.clock.now())
        try:
            while not isinstance(command, commands.Admit | commands.Refuse | commands.Detach):
                came = await self._perform(command)
                bounded = replace(state, rules=replace(state.rules, deadline=self._deadline))
                state, command = bounded.fold(came, self._instance.clock.now())
        finally:
            await self._line.give_back()
        return command

    async def _perform(self, command: commands.Command) -> events.Event:
        match command:
            case commands.ClaimTurn():
                return await self._claim()
            case commands.Sleep(until=until):
                return await self._sleep(until)
            case commands.StartRun(repeats_lost=lost):
                return await self._start(lost)
            case commands.CheckActiveRun(run_id=run_id):
                found = await self._work.lookup.active_run(run_id)
                return await self._adopt(found) if isinstance(found, RunState) else found
            case commands.CancelRun(run_id=run_id):
                return await self._cancel_active_run(run_id)
            case commands.RotateThread():
                await self._held.advance(TurnUpdate(forget_thread=True))
                self._held.log(EventName.THREAD_ROTATED, code=ErrorCode.RUN_NOT_ENDING)
                return events.ThreadRotated()
            case commands.FindRun():
                return await self._find()
            case commands.LookBack():
                return await self._look_back()
            case commands.EndRepeat():
                return await self._end_repeat()
            case _:
                raise AssertionError(f"{command} ends an admission")

    @property
    def _deadline(self) -> float:
        """The request's, or that of the process: a create too late to be awaited is left to another instance.

        What has not been claimed when the process is told to end has its deadline behind it: it waits better elsewhere.
        """
        shutdown = self._instance.shutdown
        return float("-inf") if shutdown.begun and self.hold is None else shutdown.bound(self._rules.deadline)

    @property
    def _held(self) -> HeldTurn:
        if self.hold is None:
            raise AssertionError("no claim yet")
        return self.hold

    @property
    def _work(self) -> _Wire:
        """For the agent at work: a handoff may lead to another wire."""
        hold = self._held
        provider = self._providers(hold.agent.provider)
        if self._wire is None or self._wire.provider is not provider:
            requests = self._requests_for(provider)
            lookup = RunLookup(hold, provider, requests)
            create = RunCreate(self._instance, hold, provider, requests, self._rules.strategy)
            self._wire = _Wire(provider, requests, lookup, create)
        return self._wire

    def forget_run(self) -> None:
        """Only the record of the turn's run is to be trusted from now on."""
        self.run = None

    @property
    def requests(self) -> RunRequests:
        """Prepares the creates of the agent at work."""
        return self._work.requests

    # --- our own queue ----------------------------------------------------------------------------------------------

    async def _claim(self) -> events.Event:
        claim = await self._head.claim()
        if not isinstance(claim, Claim):
            return claim
        if claim.turn.turn_id != self._turn.turn_id:
            await self._serve_other(claim)
            return events.Queued(max(self._head.position - 1, 0))
        return self.take_over(claim)

    def take_over(self, claim: Claim) -> events.TurnCame:
        """Take a claim up. Raises Stopped where the turn only has to be brought to its end."""
        self.hold, self._wire = HeldTurn(self._instance, claim), None
        return self._head.take_up(self.hold, claim, self._providers(self.hold.agent.provider))

    async def _sleep(self, until: float) -> events.Woke:
        seconds = until - self._instance.clock.now()
        if self.hold is None:
            await self._line.wait(seconds)
        else:
            await self.hold.sleep(seconds)
        return events.Woke()

    # --- the create and the active run ------------------------------------------------------------------------------

    async def _start(self, repeats_lost: bool) -> events.Event:
        create = self._work.create
        outcome = await create.send(repeats_lost=repeats_lost)
        if not isinstance(outcome, RunState):
            return outcome
        self.run = outcome
        await create.record(outcome, EventName.RUN_STARTED)
        return events.StartAccepted()

    async def _cancel_active_run(self, run_id: str) -> events.Event:
        answer = await self._work.lookup.cancel(run_id)
        if isinstance(answer, events.CancelAccepted):
            self._held.log(EventName.RUN_CANCELLED, run_id=run_id)
        return answer

    # --- the run of a lost attempt ----------------------------------------------------------------------------------

    async def _find(self) -> events.Event:
        found = await self._work.lookup.find()
        if not isinstance(found, RunState):
            return found
        if found.status != RunStatus.COMPLETED or (repeat := self._open_repeat(found)) is None:
            return await self._adopt(found)
        answered = await self._work.lookup.find_beside(repeat)  # what was found may be the repeat's own
        if isinstance(answered, events.RunNotFound):
            return await self._adopt(found)
        if isinstance(answered, RunState):
            self.run, self._answered = repeat, answered
            return events.RunFound(repeated=True)
        return answered

    def _open_repeat(self, found: RunState) -> RunState | None:
        """The newest run on record, where a holder before this one was about to end it for the sake of `found`."""
        own = self._held.turn.own_runs
        newest = own[-1] if own else None
        if newest is None or newest.run_id in (None, found.run_id) or is_terminal(newest.status):
            return None
        return RunState(newest.run_id, newest.status)

    async def _adopt(self, found: RunState) -> events.Event:
        """A run of this turn, from an attempt whose answer was lost."""
        if self._held.turn.status is TurnStatus.QUEUED:
            await self._held.advance(TurnUpdate(to=TurnStatus.STARTING))
        self.run = self._adopted = found
        await self._work.create.record(found, EventName.RUN_FOUND)
        return events.RunFound()

    # --- a run too many ---------------------------------------------------------------------------------------------

    async def _look_back(self) -> events.Event:
        if self.run is None:  # a holder before this one started it
            self.run = RunState(self._held.turn.run_id, RunStatus.UNKNOWN)
        found = await self._work.lookup.find_beside(self.run)
        # a run that was found says nothing of the other lost attempt, which may still arrive
        adopted = self.run is self._adopted
        if isinstance(found, events.RunNotFound) and not adopted:
            self._held.trust_thread()
        if not isinstance(found, RunState):
            return found
        if adopted and self.run.terminal:
            return events.RunNotFound()  # both have answered, and which of them is the repeat is unknown
        self._answered = found
        return events.RunFound()

    async def _end_repeat(self) -> events.Event:
        hold, work, rules, repeat, answered = self._held, self._work, self._rules, self.run, self._answered
        if repeat is None or answered is None:
            raise AssertionError("nothing was found beside the repeat")
        hold.mark_sent()
        status = await cancel_repeat(
            hold,
            work.provider,
            work.requests,
            self._instance.clock,
            rules.pace,
            rules.cancel_wait_seconds,
            repeat=repeat,
            answered=answered,
        )
        hold.trust_thread()  # it was cleared, or given up
        hold.log(EventName.RUN_DROPPED, run_id=repeat.run_id, status=status)
        self.run = answered
        return events.RepeatEnded()
