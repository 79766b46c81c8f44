"""A turn as its watcher sees it: its events as they come, and its work, which goes on when the watcher leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from itertools import pairwise, takewhile

from shared.core.chat_events import (
    ChatEvent,
    HandoffMade,
    ImageMade,
    MessageSteered,
    PersonAsked,
    RunStarted,
    ToolCalled,
    TurnQueued,
)
from shared.core.errors import ChatError, NotFound, StoreUnavailable
from shared.core.runs import Handoff, RunState, Thread
from shared.core.turns import RunRecord, Steered, Turn, TurnStatus
from shared.instance.instance import Instance
from shared.instance.turn_log import LogReader, TurnLog
from shared.ports import Provider


class LiveTurn:
    """`turn` is the last that is known of it: once `events` has ended, how it stood then, final or at the deadline.

    Its owner must `close` it. `work` brings the turn as far as it gets by the caller's deadline.
    """

    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        turn: Turn,
        work: Callable[[], Awaitable[Turn]],
        *,
        replayed: bool = False,
        follows: bool = False,
    ) -> None:
        """`follows`: another stream of this turn came before, and how that one ended is not known here."""
        self.turn, self.replayed = turn, replayed
        self._store, self._broken = instance.store, follows or turn.stream_broken
        self._watching = ExitStack()
        watched = instance.logs.watched(turn, lambda log: RemoteProgress(instance, providers, log).run())
        self._log = self._watching.enter_context(watched)
        retell(self._log, turn)
        self._work = asyncio.ensure_future(work())

    async def admitted(self) -> None:
        """Returns once a run was started, or the turn is as far as it gets. Raises what the work raised."""
        admitted = asyncio.ensure_future(self._log.admitted.wait())
        try:
            await asyncio.wait({admitted, self._work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            admitted.cancel()
        if self._work.done():
            self.turn = self._work.result()

    async def events(self) -> AsyncIterator[ChatEvent]:
        """From the beginning, as far as it is known here, to the end or the deadline. Raises what the work did."""
        reader = LogReader(self._log)
        while not self._work.done():
            for event in reader.take():
                yield event
            changed = asyncio.ensure_future(self._log.changed())
            try:
                await asyncio.wait({changed, self._work}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
        self.turn = self._work.result()
        retell(self._log, self.turn)
        for event in reader.take():
            yield event

    async def note_whole(self) -> None:
        """The watcher has the end. Known to every process, where another stream of the turn may have broken off."""
        if self._broken or self.turn.stream_broken:
            await self._store.note_stream(self.turn.user_id, self.turn.turn_id, whole=True)

    async def note_broken(self) -> None:
        """The watcher has not got the end: the turn can be followed once more, also when it is over."""
        await self._store.note_stream(self.turn.user_id, self.turn.turn_id, whole=False)

    async def close(self) -> None:
        """The watcher has left: wait for the work, which goes on to its deadline. Raises none of its errors."""
        try:
            with suppress(ChatError):
                await self._work
        finally:
            self._work.cancel()  # where this very wait is cancelled
            await asyncio.gather(self._work, return_exceptions=True)
            self._watching.close()


MOST_STREAMS = 3  # of one run that are listened to


class RemoteProgress:
    """Tells `log` of a turn that another process serves: from its row, and from its run's stream at the provider."""

    def __init__(self, instance: Instance, providers: Callable[[str | None], Provider], log: TurnLog) -> None:
        self._instance, self._providers, self._log = instance, providers, log
        self._streams: dict[str, int] = {}

    async def run(self) -> None:
        """As often as a request of this process reads the turn's row. Ends only by being cancelled."""
        while True:
            turn = await self._log.next_row()
            retell(self._log, turn)
            with suppress(StoreUnavailable, NotFound):  # the next look may succeed
                leader = await self._leader(turn)
                if leader.status is TurnStatus.RUNNING and not self._instance.logs.is_fed(leader):
                    await self._listen(leader)

    async def _leader(self, turn: Turn) -> Turn:
        """The turn whose run answers this one, told as far as it does. The row of one that joined it says so late."""
        if turn.status.final or turn.leading_id == turn.turn_id:
            return turn
        leader = (await self._instance.store.get_turn(turn.user_id, turn.leading_id)).turn
        if not leader.status.final:
            retell(self._log, _as_joined(turn, leader))
        return leader

    async def _listen(self, turn: Turn) -> None:
        run_id = turn.run_id
        if run_id is None:
            return
        provider = await self._provider(turn)
        self._log.add(RunStarted(run_id, turn.agent))
        if turn.draft:
            self._log.say(run_id, turn.agent, 0, turn.draft)
        if not provider.attachable or self._streams.get(run_id, 0) >= MOST_STREAMS:
            return
        self._streams[run_id] = self._streams.get(run_id, 0) + 1
        async with aclosing(provider.listen(Thread(provider.name), run_id, turn.leading_id)) as stream:
            async for one in stream:
                if isinstance(one, RunState):
                    self._log.say(run_id, turn.agent, 0, one.text)
                else:
                    self._log.say(run_id, turn.agent, one.at, one.text)

    async def _provider(self, turn: Turn) -> Provider:
        try:
            agent = await self._instance.store.get_agent(turn.user_id, turn.agent)
        except NotFound:
            return self._providers(None)
        return self._providers(agent.fallen_back(turn.fallback).provider)


def retell(log: TurnLog, turn: Turn) -> None:
    """What the turn's row says has happened, in the order in which it did."""
    if turn.steered_into is not None:
        log.add(MessageSteered(turn.turn_id, turn.steered_into, turn.text))
    elif turn.status is TurnStatus.QUEUED and not turn.runs:
        log.add(TurnQueued(turn.position))
    handoffs, steered = list(turn.handoffs), list(turn.steered)
    # one that was steered begins behind a run, or with the handoff that it was told with
    agent = handoffs[0].from_agent if turn.steered_into is not None and handoffs else None
    for number, (run_id, run) in enumerate(turn.named_runs, start=1):
        if agent is not None and run.agent != agent and handoffs:
            _tell_handoff(log, handoffs.pop(0))
        _tell_steered(log, turn, steered, number)
        agent = run.agent
        log.add(RunStarted(run_id, run.agent))
        if turn.reply is not None and number == len(turn.own_runs):
            log.say(run_id, run.agent, 0, _last_words(turn, run.agent))
        elif run.text:
            log.say(run_id, run.agent, 0, run.text)
        _tell_images(log, turn, run)
    for handoff in handoffs:
        _tell_handoff(log, handoff)
    _tell_steered(log, turn, steered, len(turn.own_runs) + 1)
    for call in turn.calls:
        log.add(ToolCalled(call.call_id, call.name, call.arguments, turn.agent, call.kind))
        log.add(PersonAsked(call))


def _as_joined(turn: Turn, leader: Turn) -> Turn:
    """The turn with what its leader has come to since it joined: as its own row will have it in the end."""
    since = next((one.runs for one in leader.steered if one.turn_id == turn.turn_id), 0)
    before = [run.agent for run in leader.own_runs[:since]]
    made = sum(one != other for one, other in pairwise(before))
    return replace(turn, runs=leader.own_runs[since:], handoffs=leader.handoffs[made:])


def _tell_images(log: TurnLog, turn: Turn, own: RunRecord) -> None:
    """What this run has drawn, and the agents that it has asked."""
    behind = turn.runs[turn.runs.index(own) + 1 :]
    for run in (own, *takewhile(lambda one: one.asked_by is not None, behind)):
        for image in run.images:
            log.add(ImageMade(run.agent, image))


def _tell_steered(log: TurnLog, turn: Turn, steered: list[Steered], number: int) -> None:
    """Those that were told to the run of this number, or before it."""
    while steered and steered[0].runs < number:
        one = steered.pop(0)
        log.add(MessageSteered(one.turn_id, turn.turn_id, one.text))


def _tell_handoff(log: TurnLog, made: Handoff) -> None:
    log.add(HandoffMade(made.from_agent, made.to_agent, made.reason, made.task))


def _last_words(turn: Turn, agent: str) -> str:
    """What the last run said: the reply without what its agent had said in runs before, since control came to it."""
    reply = turn.reply or ""
    before: list[str] = []
    for run in reversed(turn.own_runs[:-1]):
        if run.agent != agent:
            break
        if run.text and run.text.strip():
            before.insert(0, run.text)
    # behind a message that was steered to it the reply begins anew
    for first in range(len(before)):
        prefix = "".join(f"{text}\n\n" for text in before[first:])
        if reply.startswith(prefix):
            return reply.removeprefix(prefix)
    return reply
