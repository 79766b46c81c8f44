"""What a create consists of: its thread, made and seeded where there is none, and everything that travels with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.errors import ContentsRefused, NotSent, OutcomeUnknown
from shared.core.handoff import since_handoff
from shared.core.model import Message
from shared.core.run_start import RunStart, safety_identifier
from shared.core.runs import RunState, Step, Thread, ToolOutput
from shared.core.tool_messages import OUTCOME_UNKNOWN, offers
from shared.held_turn import HeldTurn
from shared.ports import Provider, Store, TurnUpdate
from shared.tools.registry import Registry, specs

CONTENTS = frozenset({ErrorCode.CONTEXT_TOO_LONG, ErrorCode.CONTENT_FLAGGED})
"""Failures of what was said, before a turn's message or in it."""
MOST_REPAIRS = 6  # each costs a refused create and a pause


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much of the transcript travels when the provider has none: in lines."""

    seed_lines: int  # into a new thread (rotation)
    transcript_lines: int  # with every create, where the server keeps no thread
    thread_lines: int = 0  # in a thread before the next message gets a new one; 0: as many as there are


class RunRequests:
    """Prepares the creates of one turn."""

    def __init__(self, store: Store, provider: Provider, registry: Registry, carry: HistoryLimits) -> None:
        self._store, self._provider, self._registry, self._carry = store, provider, registry, carry
        self._repairs: dict[str, ToolOutput] = {}
        self._sent: set[str] = set()  # the repairs that a create has brought along

    def is_for(self, provider: Provider) -> bool:
        return provider is self._provider

    async def repair(self, hold: HeldTurn, call_id: str) -> bool:
        """Answer a call that no holder will ever answer, with the next create: with what is on record of it.

        False where that was tried, or where there are so many of them that a new thread is the shorter way. Raises
        StoreUnavailable.
        """
        if call_id in self._repairs or len(self._repairs) >= MOST_REPAIRS:
            return False
        turn = hold.turn
        recorded = await self._store.get_tool_output(turn.user_id, turn.conversation_id, call_id)
        self._repairs[call_id] = ToolOutput(call_id, OUTCOME_UNKNOWN if recorded is None else recorded)
        return True

    def started(self) -> None:
        """A run was accepted, and has brought the outputs along: no later one of the turn is to bring them again."""
        self._repairs.clear()

    async def ensure_thread(self, hold: HeldTurn) -> bool:
        """Make the thread where there is none, and put it on record before anything is started in it.

        True where one was made. Raises RateLimited, NotSent, ProviderRefused: nothing was started.
        """
        if not self._provider.keeps_threads:
            return False
        most = self._carry.thread_lines
        if hold.thread is not None and most and hold.thread_lines >= most and hold.turn.attempt == 1 and not hold.steps:
            await hold.advance(TurnUpdate(forget_thread=True))
            hold.log(EventName.THREAD_ROTATED, lines=hold.thread_lines)
        if hold.thread is not None:
            return False
        seeds = await self._history(hold, self._carry.seed_lines)
        try:
            thread = await hold.keep(self._seeded(seeds))
        except OutcomeUnknown as unknown:
            # a thread that is on no record is harmless, so this is a definite "nothing was started"
            raise NotSent(unknown.message, status=unknown.status) from unknown
        self._repairs.clear()
        await hold.seed_thread(thread)
        return thread.thread_id is not None

    async def _seeded(self, seeds: Sequence[Message]) -> Thread:
        """A new thread with these lines, or without them where they are what the provider refuses."""
        try:
            return await self._provider.create_thread(seeds)
        except ContentsRefused:
            if not seeds:
                raise
        return await self._provider.create_thread(())

    def note_sent(self) -> None:
        """A create is about to bring along every repair that there is."""
        self._sent.update(self._repairs)

    async def lost_start(self, hold: HeldTurn) -> RunStart:
        """What a create whose answer was lost consisted of: without the repairs that the next one is to bring."""
        start = await self.run_start(hold)
        unsent = self._repairs.keys() - self._sent
        return replace(start, tool_outputs=tuple(one for one in start.tool_outputs if one.call_id not in unsent))

    async def run_start(self, hold: HeldTurn) -> RunStart:
        """What a create of this turn consists of, now.

        A later run of the turn adds what the thread lacks: on the same thread the outputs of the run before it, on a
        new one, or where the server keeps none, the message and every step so far.
        """
        turn, keeps = hold.turn, self._provider.keeps_threads
        last = hold.steps[-1] if hold.steps else None
        told = last is not None and keeps and hold.thread is not None and last.thread_id == hold.thread.thread_id
        outputs, steps = tuple(self._repairs.values()), hold.steps
        if told and last is not None and self._provider.outputs_start_run:
            outputs, steps = (*outputs, *last.outputs), ()
        elif told:
            steps = _unheard(hold.steps)
        heard = len(hold.steps) - len(steps)
        return RunStart(
            turn_id=turn.turn_id,
            run_key=turn.run_key or turn.turn_id,
            agent=hold.agent,
            thread=hold.thread_or_new(self._provider),
            text=None if told else turn.whole_text,
            tools=offers(hold.agent, specs(self._registry.of(hold.agent))),
            tool_outputs=outputs,
            steps=steps,
            handoff=None if last is None or self._provider.outputs_start_run else last.handoff,
            steered=tuple(replace(one, after=one.after - heard) for one in turn.steered if one.after >= heard),
            history=() if keeps else await self._history(hold, self._carry.transcript_lines),
            displaced=hold.displaced if keeps and not told else (),
            repeated=turn.attempt > 1,
            safety_identifier=safety_identifier(turn.user_id),
            after_calls=bool(since_handoff(hold.steps)),
            known_run_ids=tuple(record.run_id for record in turn.runs if record.run_id is not None),
        )

    async def may_start_afresh(self, hold: HeldTurn, code: ErrorCode) -> bool:
        """Whether a new thread, or a shorter transcript, is worth a try after a refusal of what stood in the last one.

        Once, and only where anything was said before this turn's message, or the thread was there: what a rollback took
        out of the transcript may still stand in it. A transcript is only ever made shorter: it holds nothing but what
        people and models have said, so no part of it is damaged.
        """
        if hold.given_up_for is not None or not (self._provider.keeps_threads or code is ErrorCode.CONTEXT_TOO_LONG):
            return False
        kept = self._provider.keeps_threads and hold.came_with_thread
        return kept or bool(hold.steps) or bool(await self._history(hold, 1))

    async def _history(self, hold: HeldTurn, lines: int) -> tuple[Message, ...]:
        """The last lines before this turn; none where they were refused as flagged, fewer where they were refused."""
        if hold.given_up_for is not None:
            lines = 0 if hold.given_up_for is ErrorCode.CONTENT_FLAGGED else min(lines, self._carry.seed_lines)
        if hold.message_count == 0 or lines == 0:
            return ()
        own = {hold.turn.turn_id, *hold.turn.covers}
        newest = await self._store.list_messages(
            hold.turn.user_id, hold.turn.conversation_id, after_seq=0, limit=lines + len(own), newest=True
        )
        before = [line for line in newest if line.turn_id not in own][-lines:]
        return tuple(before[await self._fit_from(hold, before) :])

    async def _fit_from(self, hold: HeldTurn, lines: Sequence[Message]) -> int:
        """Where the lines begin that may be carried along: behind the last turn that failed for what had been said."""
        answered = {line.turn_id for line in lines if line.role == "assistant" and not line.partial}
        for at in range(len(lines), 0, -1):
            line = lines[at - 1]
            if line.role != "user" or line.turn_id in answered:
                continue
            turn = (await self._store.get_turn(hold.turn.user_id, line.turn_id)).turn
            if turn.error is not None and turn.error.get("code") in CONTENTS:
                said = (behind for behind, one in enumerate(lines[at:]) if one.turn_id != line.turn_id)
                return at + next(said, len(lines) - at)
        return 0


def _unheard(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """On a wire where tool outputs leave with their run: those since the last handoff. What was said stands there.

    A run that waited for a person was ended before it was given its outputs: where it has handed over as well, no agent
    has read what came of its calls.
    """
    first = 0
    for at, step in enumerate(steps):
        if step.handoff is not None and not step.waited:
            first = at + 1
    return tuple(replace(step, text="") for step in steps[first:])


async def start_run(provider: Provider, start: RunStart, *, stream: bool = False) -> RunState:
    """Sent once, never retried; what it raises is told at `Provider.start_run`."""
    return await provider.start_run(start, stream=stream)
