"""What the end of a run means for its turn, where the run asks for nothing more."""

from __future__ import annotations

from collections.abc import Callable

from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.pace import RETRY_SECONDS, Pace
from shared.core.runs import SERVER_ERROR, RunState, RunStatus
from shared.held_turn import HeldTurn
from shared.instance.instance import Instance
from shared.ports import Provider
from shared.runs.follow import WORDS_LAG_SECONDS, RunLooks, with_words
from shared.runs.kept_images import keep_images
from shared.runs.start import CONTENTS, RunRequests
from shared.turn import outcome
from shared.turn.fallback import fall_back

# As the vendor documents `last_error.code`; the last is ours, for a run that knew nothing of its conversation.
CONVERSATION_IGNORED = "conversation_ignored"
PASSING_RUN_ERRORS = frozenset({SERVER_ERROR, "rate_limit_exceeded", CONVERSATION_IGNORED})
NAMED = frozenset({ErrorCode.PROVIDER_MODEL, ErrorCode.PROVIDER_QUOTA})  # failures that say more than the status does


class RunEnd:
    def __init__(
        self,
        instance: Instance,
        providers: Callable[[str | None], Provider],
        requests_for: Callable[[Provider], RunRequests],
        pace: Pace,
    ) -> None:
        self._instance, self._providers = instance, providers
        self._requests_for, self._pace = requests_for, pace

    async def completed(self, hold: HeldTurn, provider: Provider, run: RunState, deadline: float) -> None:
        """The turn has its reply; a run without words is looked at again for a while, because lists may lag."""
        clock = self._instance.clock
        words_by = min(clock.now() + WORDS_LAG_SECONDS, deadline)
        looks = RunLooks(
            provider, hold.thread_or_new(provider), hold.turn.run_id, hold.turn.turn_id, hold, clock, self._pace
        )
        run = await with_words(looks, run, lambda seen: outcome.said(hold, seen), clock, words_by)
        run = await keep_images(hold, self._instance, run, hold.agent.slug)  # which may be as late as words
        if (reply := outcome.said(hold, run)).strip() or outcome.has_images(hold, run):
            await outcome.complete(hold, run, reply, in_thread=provider.keeps_threads)
        elif run.unshown is not None or run.kept_images:
            await outcome.fail(hold, ErrorCode.UNSUPPORTED_REPLY, run)
        elif words_by == deadline:
            hold.log(EventName.TURN_DETACHED)  # the next holder looks for its words again
        else:
            await outcome.fail(hold, ErrorCode.EMPTY_REPLY, run)

    async def failed(self, hold: HeldTurn, provider: Provider, run: RunState, deadline: float) -> bool:
        """The turn fails with its run; True where it is to be started once more instead."""
        if run.status == RunStatus.FAILED and run.refusal in CONTENTS:
            return await self._without_contents(hold, provider, run, run.refusal)
        ours = run.error_code == CONVERSATION_IGNORED  # another start mends that
        if run.status == RunStatus.FAILED and not ours and await fall_back(hold, self._providers, _code_of(run), run):
            return True
        passes = run.error_code in PASSING_RUN_ERRORS or run.refusal is ErrorCode.PROVIDER_RATE_LIMITED
        if run.status == RunStatus.FAILED and passes:
            told = run.retry_after_seconds
            pause = RETRY_SECONDS * 2**hold.turn.failures if told is None else told
            return await outcome.retry_or_fail(hold, ErrorCode.RUN_FAILED, run, pause_seconds=pause, latest=deadline)
        await outcome.fail(hold, _code_of(run), run)
        return False

    async def _without_contents(self, hold: HeldTurn, provider: Provider, run: RunState, code: ErrorCode) -> bool:
        """The run has failed for what stands in its thread: give the thread up, once, and start the turn anew."""
        if not await self._requests_for(provider).may_start_afresh(hold, code):
            if await fall_back(hold, self._providers, code, run):
                return True
            await outcome.fail(hold, code, run, forget_thread=True)
            return False
        hold.note_given_up(code)
        return await outcome.retry_or_fail(hold, code, run, pause_seconds=0.0, forget_thread=True)


def _code_of(run: RunState) -> ErrorCode:
    return run.refusal if run.refusal in NAMED else ErrorCode(f"run_{run.status}")
