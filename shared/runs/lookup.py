"""What an admission asks the provider about runs: its own, lost ones, and the active one. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.core.conflict import events
from shared.core.errors import (
    NotCancellable,
    NotFoundAtProvider,
    ProviderError,
    ProviderRefused,
    RunsInForeground,
    ThreadGone,
)
from shared.core.run_start import RunStart
from shared.core.runs import RunState, RunStatus, Thread
from shared.held_turn import HeldTurn
from shared.ports import Provider
from shared.runs.start import RunRequests

Cancelled = events.CancelAccepted | events.CancelRefused | events.LookFailed


class RunLookup:
    """The looks of one turn's admission. A run of this turn is handed back as it is, everything else as an event.

    All of them raise Stopped, Fenced, StoreUnavailable.
    """

    def __init__(self, hold: HeldTurn, provider: Provider, requests: RunRequests) -> None:
        self._hold, self._provider, self._requests = hold, provider, requests
        self._own_ended = False

    async def find(self) -> RunState | events.RunNotFound | events.LookFailed:
        """The run of an attempt whose answer was lost."""
        return await self._find(lambda start: start)

    async def find_beside(self, repeat: RunState) -> RunState | events.RunNotFound | events.LookFailed:
        """The run of a lost attempt that had its answer when `repeat` was accepted."""
        own = tuple(known for known in (repeat.run_id, repeat.cursor) if known is not None)
        found = await self._find_answer(own)
        if not isinstance(found, RunState) or found.run_id is not None or repeat.run_id is None:
            return found
        # known by what it left alone, it may be the repeat itself, which has ended meanwhile
        try:
            ended = await self._hold.keep(self._get(repeat.run_id))
        except NotFoundAtProvider:
            return found
        except ProviderError:
            return events.LookFailed()
        if ended.cursor is None or ended.cursor != found.cursor:
            return found
        return await self._find_answer((*own, ended.cursor))  # the other one stands before it

    async def _find_answer(self, own: tuple[str, ...]) -> RunState | events.RunNotFound | events.LookFailed:
        """An answer of this turn that is none of `own`: runs, or the last items they left."""
        found = await self._find(lambda start: replace(start, known_run_ids=(*start.known_run_ids, *own)))
        if isinstance(found, RunState) and (found.status != RunStatus.COMPLETED or not _answers(found)):
            return events.RunNotFound()
        return found

    async def active_run(self, run_id: str | None) -> RunState | events.ActiveRunStatus | events.LookFailed:
        """The active run: the one of this id, or else the one that the record or the provider's list names."""
        hold, provider = self._hold, self._provider
        try:
            found = await hold.keep(self._status(run_id)) if run_id is not None else None
            if found is None and (own := self._own_record()) is not None:
                found = await hold.keep(self._status(own))
                if found is None or found.terminal:
                    found, self._own_ended = None, True
            if found is None:
                found = await hold.keep(provider.find_active_run(self._thread))
        except ThreadGone:
            return events.ActiveRunStatus(None)  # the next create will say so too, and then the thread is made again
        except ProviderError:
            return events.LookFailed()
        if found is None:
            return events.ActiveRunStatus(None)
        turn_id = hold.turn.turn_id
        if found.turn_id == turn_id and not found.terminal and self._is_new(found):
            return found
        # our own queue lets no two turns run, so another turn's run on this thread is followed by no instance
        orphan = found.turn_id is not None and found.turn_id != turn_id
        return events.ActiveRunStatus(found.status, found.run_id, found.poll_after_seconds, orphan=orphan)

    async def cancel(self, run_id: str) -> Cancelled:
        """Ask for the end of the active run."""
        try:
            await self._hold.keep(self._provider.cancel_run(self._thread, run_id))
        except NotCancellable as refusal:
            return events.CancelRefused(never=isinstance(refusal, RunsInForeground))
        except (NotFoundAtProvider, ProviderRefused):
            return events.CancelRefused()
        except ProviderError:
            return events.LookFailed()
        return events.CancelAccepted()

    async def _find(
        self, narrowed: Callable[[RunStart], RunStart]
    ) -> RunState | events.RunNotFound | events.LookFailed:
        try:
            start = narrowed(await self._requests.lost_start(self._hold))
            found = await self._hold.keep(self._provider.find_run(start))
        except (ThreadGone, NotFoundAtProvider):
            return events.RunNotFound()
        except ProviderError:
            return events.LookFailed()
        return events.RunNotFound() if found is None else found

    async def _status(self, run_id: str) -> RunState | None:
        try:
            return await self._get(run_id)
        except NotFoundAtProvider:
            return None

    async def _get(self, run_id: str) -> RunState:
        return await self._provider.get_run(self._thread, run_id, self._hold.turn.turn_id, with_text=False)

    @property
    def _thread(self) -> Thread:
        return self._hold.thread_or_new(self._provider)

    def _own_record(self) -> str | None:
        """Our newest run on this thread, as long as it has not been seen to end."""
        return None if self._own_ended else self._hold.last_run_id

    def _is_new(self, run: RunState) -> bool:
        return run.run_id not in {record.run_id for record in self._hold.turn.runs}


def _answers(run: RunState) -> bool:
    return bool(run.text.strip() or run.images)


async def answer_left_in_thread(hold: HeldTurn, provider: Provider, requests: RunRequests) -> RunState | None:
    """What the run on record has left in the thread, where the server does not show the run itself any more.

    Raises Stopped, Fenced, StoreUnavailable.
    """
    start = await requests.run_start(hold)
    others = tuple(known for known in start.known_run_ids if known != hold.turn.run_id)
    try:
        found = await hold.keep(provider.find_run(replace(start, known_run_ids=others)))
    except ProviderError:
        return None
    return None if found is None else replace(found, run_id=hold.turn.run_id)
