"""Drives `core.conflict`: from a turn in the queue to a run of its own. The only await loop of the protocol.

Nothing else in the project starts a run, and nothing is appended to a thread before admission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from shared import logs
from shared.core import chat_events
from shared.core.chat_events import EventName
from shared.core.conflict import commands, events
from shared.core.conflict.protocol import ConflictProtocol, Rules
from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ActiveRun,
    ConversationIgnored,
    Fenced,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    StoreUnavailable,
    ThreadGone,
    UnansweredCalls,
)
from shared.core.pace import Pace
from shared.core.runs import RunState, is_terminal
from shared.core.turns import Claim, MultitaskStrategy, RunRecord, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Busy, Lessee, Peek, Provider, TurnUpdate
from shared.runs.cancel import cancel_repeat
from shared.runs.lookup import RunLookup
from shared.runs.start import HistoryLimits, RunRequests, start_run

RETRY_SECONDS = 1.0  # before the next create where the refusal names no time
CLAIM_MARGIN = 0.25  # of the start margin: a claim cut off by the deadline would keep others away for a whole lease
YOUNG = 0.5  # of poll_min_seconds: what another who waits for the same turn has seen since is not looked at again
NOT_THE_SERVER = frozenset({None, 408, 502, 503, 504})  # nobody answered, or a gateway that waited no longer
ANSWERED_SECONDS = 8.0  # a run in the foreground has ended with any answer; one in the background is soon to be seen
ROTATIONS = 3  # threads given up for one turn before the provider is taken for broken


class Admission:
    """One turn's way to its run. `hold` and `run` say what came of it, also when `run_to_end` raises."""

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        rules: Rules,
        carry: HistoryLimits,
        *,
        owner: str,
        user_id: str,
        conversation_id: str,
        turn_id: str,
        serve_other: Callable[[Claim, float], Awaitable[None]],
    ) -> None:
        self.hold: HeldTurn | None = None
        self.run: RunState | None = None
        self._instance, self._providers, self._rules, self._carry = instance, providers, rules, carry
        self._lessee = Lessee(owner, instance.lease_seconds)
        self._user_id, self._conversation_id, self._turn_id = user_id, conversation_id, turn_id
        self._serve_other = serve_other
        self._rotations = 0
        self._requests: RunRequests | None = None
        self._lookup: RunLookup | None = None
        self._answered: RunState | None = None  # found beside a repeat

    async def run_to_end(
        self, event: events.Submitted | events.TurnCame
    ) -> commands.Admit | commands.Refuse | commands.Detach:
        """Raises Stopped, Fenced, StoreUnavailable; the turn then stands as its row says."""
        begun = self.hold is not None and bool(self.hold.turn.runs)
        # what has begun to be answered cannot be taken back
        rules = replace(self._rules, strategy=MultitaskStrategy.ENQUEUE) if begun and self._rejects else self._rules
        bounded = ConflictProtocol(replace(rules, deadline=self._deadline))
        state, command = bounded.fold(event, self._instance.clock.now())
        while not isinstance(command, commands.Admit | commands.Refuse | commands.Detach):
            came = await self._perform(command)
            bounded = replace(state, rules=replace(state.rules, deadline=self._deadline))
            state, command = bounded.fold(came, self._instance.clock.now())
        return command

    async def _perform(self, command: commands.Command) -> events.Event:
        match command:
            case commands.ClaimTurn():
                return await self._claim()
            case commands.Sleep(until=until) if self.hold is None:
                await self._instance.wakeups.wait(self._conversation_id, max(until - self._instance.clock.now(), 0))
                return events.Woke()
            case commands.Sleep(until=until):
                await self._held.sleep(until - self._instance.clock.now())
                return events.Woke()
            case commands.StartRun(repeats_lost=lost):
                return await self._start(lost)
            case commands.CheckActiveRun(run_id=run_id):
                return await self._check_active_run(run_id)
            case commands.CancelRun(run_id=run_id):
                return await self._cancel_active_run(run_id)
            case commands.RotateThread():
                await self._held.advance(TurnUpdate(forget_thread=True))
                self._note(EventName.THREAD_ROTATED, code=ErrorCode.RUN_NOT_ENDING)
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
    def _rejects(self) -> bool:
        return self._rules.strategy is MultitaskStrategy.REJECT

    @property
    def _held(self) -> HeldTurn:
        if self.hold is None:
            raise AssertionError("no claim yet")
        return self.hold

    @property
    def _provider(self) -> Provider:
        return self._providers(self._held.agent.provider)

    @property
    def requests(self) -> RunRequests:
        """For the agent at work: a handoff may lead to another wire."""
        if self._requests is None or not self._requests.is_for(self._provider):
            self._requests, self._lookup = RunRequests(self._instance.store, self._provider, self._carry), None
        return self._requests

    @property
    def lookup(self) -> RunLookup:
        requests = self.requests
        if self._lookup is None:
            self._lookup = RunLookup(self._held, self._provider, requests)
        return self._lookup

    # --- our own queue ----------------------------------------------------------------------------------------------

    async def _claim(self) -> events.Event:
        store = self._instance.store
        peek = await self._peek()
        if peek.turn.status.final:
            return events.TurnEnded()
        # what could not be started any more is left as it is: a claim would commit an intent for nothing
        late = self._instance.clock.now() >= self._deadline - self._rules.start_margin_seconds
        self._instance.see(peek.turn)
        if not peek.claimable or (late and peek.turn.status is TurnStatus.QUEUED):
            return events.Queued(peek.turn.position)
        asked = self._instance.clock.now()
        if asked >= self._deadline - self._rules.start_margin_seconds * CLAIM_MARGIN:
            return events.Queued(peek.turn.position)
        claim = await store.claim_turn(self._user_id, self._conversation_id, self._lessee)
        self._instance.reads.forget(self._conversation_id)
        if isinstance(claim, Busy):
            return events.Queued(peek.turn.position)
        if claim.turn.turn_id != self._turn_id:
            await self._serve_other(claim, asked)
            return events.Queued(max(peek.turn.position - 1, 0))
        return self.take_over(claim, asked)

    async def _peek(self) -> Peek:
        young = self._rules.poll_min_seconds * YOUNG
        return await self._instance.reads.read(self._user_id, self._conversation_id, self._turn_id, young)

    def take_over(self, claim: Claim, claimed_at: float) -> events.TurnCame:
        """Take a claim up. Raises Stopped where the turn only has to be brought to its end."""
        self.hold = hold = HeldTurn(self._instance, claim, claimed_at)
        if hold.thread is not None and hold.thread.provider != self._provider.name:
            hold.thread = None
        self._note(EventName.TURN_CLAIMED, epoch=claim.epoch, status=claim.turn.status.value)
        hold.check()
        turn = claim.turn
        if turn.status in (TurnStatus.RUNNING, TurnStatus.REQUIRES_ACTION):
            return events.TurnCame(events.Intent.STARTED, failures=turn.failures)
        # every create on a thread is preceded by the thread's id on record: none there, none sent
        unsent = claim.fresh or (self._provider.keeps_threads and hold.thread is None)
        if turn.status is TurnStatus.QUEUED or unsent:
            return events.TurnCame(events.Intent.NONE, failures=turn.failures)
        return events.TurnCame(
            events.Intent.UNKNOWN,
            still_seconds=self._provider.create_seconds - (turn.starting_ms or 0) / 1000,
            failures=turn.failures,
        )

    # --- the create -------------------------------------------------------------------------------------------------

    async def _start(self, lost: bool) -> events.Event:
        hold = self._held
        if not hold.fresh:
            await hold.advance(TurnUpdate(to=TurnStatus.STARTING, count_failure=lost))
            hold.check()
        hold.fresh = False
        sent_at = self._instance.clock.now()
        try:
            if await self.requests.ensure_thread(hold):
                self._note(EventName.THREAD_CREATED)
            start = await self.requests.run_start(hold)
            await hold.secure()
            stream, sent_at = self._instance.watched(hold.turn), self._instance.clock.now()
            self.run = await hold.keep(start_run(self._provider, start, stream=stream), through_displacement=True)
        except ActiveRun as conflict:
            return await self._conflicted(conflict)
        except UnansweredCalls as poisoned:
            if poisoned.call_id is None or not self.requests.repair(poisoned.call_id):
                return await self._rotate(poisoned)
            await hold.advance(TurnUpdate(to=TurnStatus.QUEUED))
            self._note(EventName.THREAD_REPAIRED, call_id=poisoned.call_id)
            return events.StartDeferred(0)
        except (ThreadGone, ConversationIgnored) as gone:
            return await self._rotate(gone)
        except (RateLimited, NotSent) as refusal:
            seconds = RETRY_SECONDS if refusal.retry_after is None else refusal.retry_after
            await hold.advance(TurnUpdate(to=TurnStatus.QUEUED, delay_seconds=seconds))
            self._note(EventName.RUN_DEFERRED, code=refusal.code, seconds=seconds)
            return events.StartDeferred(seconds)
        except OutcomeUnknown as unknown:
            self._note(EventName.RUN_LOST, status=unknown.status)
            return events.StartUnknown(self._at_work_seconds(unknown) - (self._instance.clock.now() - sent_at))
        except ProviderError as refusal:
            return events.StartRefused(refusal.code)
        await self._record(EventName.RUN_STARTED)
        return events.StartAccepted()

    def _at_work_seconds(self, unknown: OutcomeUnknown) -> float:
        """How long after it was sent the lost create may be at work: not long where the server itself has answered."""
        longest = self._provider.create_seconds
        return longest if unknown.status in NOT_THE_SERVER else min(longest, ANSWERED_SECONDS)

    async def _conflicted(self, conflict: ActiveRun) -> events.Event:
        await self._held.advance(TurnUpdate(to=TurnStatus.QUEUED, conflict=True))
        self._note(EventName.RUN_CONFLICTED, active_run=conflict.run_id, strategy=self._rules.strategy.value)
        self._instance.tell(self._held.turn, chat_events.RunConflicted(conflict.run_id))
        return events.StartConflicted(conflict.run_id)

    async def _rotate(self, gone: ProviderError) -> events.Event:
        self._rotations += 1
        if self._rotations > ROTATIONS:
            return events.StartRefused(gone.code)
        await self._held.advance(TurnUpdate(to=TurnStatus.QUEUED, forget_thread=True))
        self._note(EventName.THREAD_ROTATED, code=gone.code)
        return events.StartDeferred(0)

    async def _record(self, name: EventName) -> None:
        """Put the run on record. Where a newer holder has not found it, this run is nobody's: ask for its end."""
        hold, run = self._held, self.run
        if run is None:
            raise AssertionError("no run to record")
        hold.fresh = False
        self.requests.started()
        if run.terminal or run.run_id is None:
            return  # its end is the record, or what it asks for: without an id nobody could follow it
        record = RunRecord(run.run_id, hold.agent.slug, run.status)
        try:
            await hold.advance(TurnUpdate(to=TurnStatus.RUNNING, run=record))
        except Fenced:
            if run.run_id is not None and hold.thread is not None and not await self._adopted_elsewhere(run.run_id):
                await _quietly(self._provider.cancel_run(hold.thread, run.run_id))
            raise
        self._note(name, run_id=run.run_id, attempt=hold.turn.attempt)

    async def _adopted_elsewhere(self, run_id: str) -> bool:
        """Whether the newer holder has found this run, and follows it. Raises StoreUnavailable."""
        try:
            return (await self._instance.store.get_turn(self._user_id, self._turn_id)).turn.run_id == run_id
        except NotFound:
            return False

    # --- looking ----------------------------------------------------------------------------------------------------

    async def _find(self) -> events.Event:
        found = await self.lookup.find()
        if not isinstance(found, RunState):
            return found
        if found.status == "completed" and (repeat := self._open_repeat(found)) is not None:
            self.run, self._answered = repeat, found
            return events.RunFound(repeated=True)
        return await self._adopt(found)

    def _open_repeat(self, found: RunState) -> RunState | None:
        """The newest run on record, where a holder before this one was about to end it for the sake of `found`."""
        own = [run for run in self._held.turn.runs if run.asked_by is None]
        newest = own[-1] if own else None
        if newest is None or newest.run_id in (None, found.run_id) or is_terminal(newest.status):
            return None
        return RunState(newest.run_id, newest.status)

    async def _check_active_run(self, run_id: str | None) -> events.Event:
        found = await self.lookup.active_run(run_id)
        return await self._adopt(found) if isinstance(found, RunState) else found

    async def _cancel_active_run(self, run_id: str) -> events.Event:
        answer = await self.lookup.cancel(run_id)
        if isinstance(answer, events.CancelAccepted):
            self._note(EventName.RUN_CANCELLED, run_id=run_id)
        return answer

    async def _adopt(self, found: RunState) -> events.Event:
        """A run of this turn, from an attempt whose answer was lost."""
        if self._held.turn.status is TurnStatus.QUEUED:
            await self._held.advance(TurnUpdate(to=TurnStatus.STARTING))
        self.run = found
        await self._record(EventName.RUN_FOUND)
        return events.RunFound()

    # --- a run too many ---------------------------------------------------------------------------------------------

    async def _look_back(self) -> events.Event:
        if self.run is None:
            self.run = RunState(self._held.turn.run_id, "unknown")  # a holder before this one started it
        found = await self.lookup.find_beside(self.run)
        if not isinstance(found, RunState):
            return found
        self._answered = found
        return events.RunFound()

    async def _end_repeat(self) -> events.Event:
        hold, rules, repeat, answered = self._held, self._rules, self.run, self._answered
        if repeat is None or answered is None:
            raise AssertionError("nothing was found beside the repeat")
        hold.fresh = False
        pace, patience = Pace(rules.poll_min_seconds, rules.poll_max_seconds), rules.cancel_wait_seconds
        clock, requests = self._instance.clock, self.requests
        status = await cancel_repeat(
            hold, self._provider, requests, clock, pace, patience, repeat=repeat, answered=answered
        )
        self._note(EventName.RUN_DROPPED, run_id=repeat.run_id, status=status)
        self.run = answered
        return events.RepeatEnded()

    def _note(self, name: EventName, **fields: Any) -> None:
        logs.event(name, turn_id=self._turn_id, conversation_id=self._conversation_id, **fields)


async def _quietly(request: Awaitable[Any]) -> None:
    try:
        await request
    except (ProviderError, StoreUnavailable):
        logs.event(EventName.RUN_CANCELLED, refused=True)
