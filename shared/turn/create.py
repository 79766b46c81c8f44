"""Sends the one create of an attempt, names every outcome that it can have, and puts its run on record."""

from __future__ import annotations

from shared.core import chat_events
from shared.core.chat_events import EventName
from shared.core.conflict import events
from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ActiveRun,
    ContentsRefused,
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
from shared.core.pace import retry_pause
from shared.core.runs import RunState
from shared.core.turns import MultitaskStrategy, RunRecord, TurnStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.instance.rate_limits import LimitKey
from shared.ports import Provider, TurnUpdate
from shared.runs.start import RunRequests, start_run
from shared.telemetry import spans

NOT_THE_SERVER = frozenset({None, 408, 502, 503, 504})  # no answer, or one of a gateway that waited no longer
ANSWERED_SECONDS = 8.0  # a run in the foreground has ended with any answer; one in the background is soon to be seen
ROTATIONS = 3  # threads given up for one turn before the provider is taken for broken


class RunCreate:
    """The creates of one held turn at one provider."""

    def __init__(
        self,
        instance: Instance,
        hold: HeldTurn,
        provider: Provider,
        requests: RunRequests,
        strategy: MultitaskStrategy,
    ) -> None:
        self._instance, self._hold, self._provider = instance, hold, provider
        self._requests, self._strategy = requests, strategy

    async def send(self, *, repeats_lost: bool) -> RunState | events.Event:
        """The run, or why there is none. `repeats_lost`: the attempt before this one was lost and counts as a failure.

        Raises Stopped, Fenced, StoreUnavailable.
        """
        async with self._instance.limits.place(self._limit) as seconds:
            if seconds > 0 and not repeats_lost:
                return await self._wait(seconds, ErrorCode.PROVIDER_RATE_LIMITED)
            return await self._sent(repeats_lost=repeats_lost)

    async def _sent(self, *, repeats_lost: bool) -> RunState | events.Event:
        hold, clock, limits = self._hold, self._instance.clock, self._instance.limits
        if repeats_lost and hold.has_let_provider_call:
            # the lost one may have brought the word, and a run that has failed since leaves nothing to find it by
            return events.StartRefused(ErrorCode.PROVIDER_UNAVAILABLE)
        if not hold.fresh:
            await hold.advance(TurnUpdate(to=TurnStatus.STARTING, count_failure=repeats_lost))
            hold.check()
        hold.mark_sent()
        sent_at = clock.now()
        try:
            if await self._requests.ensure_thread(hold):
                hold.log(EventName.THREAD_CREATED)
            start = await self._requests.run_start(hold)
            await hold.secure()
            self._requests.note_sent()
            sent_at = clock.now()
            with spans.span(f"start_run {hold.agent.slug}", "client", gen_ai__request__model=hold.agent.model):
                run = await hold.keep(start_run(self._provider, start, stream=True), through_displacement=True)
            limits.accepted(self._limit)
            return run
        except ActiveRun as conflict:
            return await self._conflicted(conflict)
        except UnansweredCalls as unanswered:
            return await self._repair(unanswered)
        except (ThreadGone, ConversationIgnored) as gone:
            return await self._rotate(gone)
        except RateLimited as refusal:
            return await self._wait(limits.refused(self._limit, sent_at, refusal.retry_after), refusal.code)
        except NotSent as refusal:
            return await self._wait(retry_pause(refusal), refusal.code)
        except OutcomeUnknown as unknown:
            hold.log(EventName.RUN_LOST, status=unknown.status)
            return events.StartUnknown(self._at_work_seconds(unknown) - (clock.now() - sent_at))
        except ContentsRefused as refusal:
            return await self._without_contents(refusal)
        except ProviderError as refusal:
            return events.StartRefused(refusal.code)

    async def record(self, run: RunState, name: EventName) -> None:
        """Put the run on record. A run that no newer holder has found is asked to end where this holder is fenced."""
        hold = self._hold
        hold.mark_sent()
        self._requests.started()
        if run.terminal or run.run_id is None:
            return  # its end is the record, or what it asks for: a run without an id cannot be followed
        record = hold.record_of(run)
        # by a holder whose request is over as well: the next one must not take the run for one that was lost
        await hold.finish(self._record(record, run.run_id))
        hold.log(name, run_id=run.run_id, attempt=hold.turn.attempt)

    async def _record(self, record: RunRecord, run_id: str) -> None:
        hold = self._hold
        try:
            await hold.advance_surely(TurnUpdate(to=TurnStatus.RUNNING, run=record))
        except Fenced:
            if not await self._adopted_elsewhere(run_id):
                try:
                    await self._provider.cancel_run(hold.thread_or_new(self._provider), run_id)
                except (ProviderError, StoreUnavailable):
                    hold.log(EventName.RUN_CANCELLED, refused=True)
            raise

    async def _conflicted(self, conflict: ActiveRun) -> events.StartConflicted:
        hold = self._hold
        await hold.advance(TurnUpdate(to=TurnStatus.QUEUED, conflict=True, blocked_by=conflict.run_id))
        hold.log(EventName.RUN_CONFLICTED, active_run=conflict.run_id, strategy=self._strategy.value)
        self._instance.tell(hold.turn, chat_events.RunConflicted(conflict.run_id))
        return events.StartConflicted(conflict.run_id)

    async def _repair(self, unanswered: UnansweredCalls) -> events.StartDeferred | events.StartRefused:
        """Have the next create answer the calls that block the thread, or give the thread up."""
        if unanswered.call_id is None or not await self._requests.repair(self._hold, unanswered.call_id):
            return await self._rotate(unanswered)
        await self._hold.advance(TurnUpdate(to=TurnStatus.QUEUED))
        self._hold.log(EventName.THREAD_REPAIRED, call_id=unanswered.call_id)
        return events.StartDeferred(0)

    async def _rotate(self, gone: ProviderError) -> events.StartDeferred | events.StartRefused:
        if self._hold.rotations >= ROTATIONS:
            return events.StartRefused(gone.code)
        await self._hold.rotate_thread(TurnUpdate(to=TurnStatus.QUEUED, held_up_by=gone.code))
        self._hold.log(EventName.THREAD_ROTATED, code=gone.code)
        return events.StartDeferred(0)

    async def _without_contents(self, refusal: ContentsRefused) -> events.StartDeferred | events.StartRefused:
        """Give the thread up, once, for what stands in it. The next turn does not go on from there in any case."""
        hold = self._hold
        hold.note_refused_contents()
        if not await self._requests.may_start_afresh(hold, refusal.code):
            return events.StartRefused(refusal.code)
        hold.note_given_up(refusal.code)
        return await self._rotate(refusal)

    async def _wait(self, seconds: float, code: ErrorCode) -> events.StartDeferred:
        """Nothing was started, and nothing is to be started for so long."""
        self._hold.mark_sent()
        await self._hold.advance(TurnUpdate(to=TurnStatus.QUEUED, delay_seconds=seconds, held_up_by=code))
        self._hold.log(EventName.RUN_DEFERRED, code=code, seconds=seconds)
        return events.StartDeferred(seconds)

    @property
    def _limit(self) -> LimitKey:
        return self._provider.name, self._hold.agent.model

    def _at_work_seconds(self, unknown: OutcomeUnknown) -> float:
        """How long after it was sent the lost create may be at work: not long where the server itself has answered."""
        longest = self._provider.create_seconds
        return longest if unknown.status in NOT_THE_SERVER else min(longest, ANSWERED_SECONDS)

    async def _adopted_elsewhere(self, run_id: str) -> bool:
        """Whether the newer holder has found this run, and follows it. Raises StoreUnavailable."""
        turn = self._hold.turn
        try:
            return (await self._instance.store.get_turn(turn.user_id, turn.turn_id)).turn.run_id == run_id
        except NotFound:
            return False
