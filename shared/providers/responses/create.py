"""The create of a response: in the background or not, streamed or not, as far as the server has shown that it can."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ConversationIgnored, OutcomeUnknown, ProviderError
from shared.core.runs import RunState
from shared.core.turns import RunStart
from shared.ports import Clock
from shared.providers.refusals.meaning import refuses_background, refuses_conversation, refuses_stream, start_refused
from shared.providers.responses.background_probe import created_or_found
from shared.providers.responses.conversation_tail import ConversationTail
from shared.providers.responses.habits import ServerHabits
from shared.providers.responses.items import response_state
from shared.providers.responses.request import create_body
from shared.providers.responses.streams import ResponseStreams, in_background
from shared.providers.wire import Answer, Wire


class ResponseCreates:
    """`timeout_seconds` bounds a create that is answered at once; one in the foreground lasts as long as its run and
    so gets `run_budget_seconds`."""

    def __init__(
        self,
        wire: Wire,
        tail: ConversationTail,
        streams: ResponseStreams,
        habits: ServerHabits,
        clock: Clock,
        timeout_seconds: float,
        run_budget_seconds: float,
    ) -> None:
        self._wire, self._tail, self._streams, self._habits, self._clock = wire, tail, streams, habits, clock
        self._timeout_seconds, self._run_budget_seconds = timeout_seconds, run_budget_seconds

    async def create(self, start: RunStart, conversation: str | None, *, stream: bool) -> RunState:
        habits = self._habits
        if (start.repeated or start.displaced) and conversation is not None:
            start = await self._tail.tidied(start, conversation)
        background = habits.may_run_in_background
        stream = stream and habits.streams and not self._streams.open_streams.full
        while True:
            try:
                return await self._create(start, conversation, background=background, stream=stream)
            except ProviderError as error:
                if stream and refuses_stream(error):
                    habits.streams = stream = False
                elif background and habits.may_fall_back and refuses_background(error):
                    habits.background = background = False
                else:
                    refusal = start_refused(error)
                    habits.note_refusal(refusal)
                    raise refusal from error
                if isinstance(error, OutcomeUnknown):
                    raise
            # The one repetition of a create: the server has just said that it started nothing, and why.

    def give_conversations_up(self) -> None:
        """From now on, in this process, the transcript travels, and no lock of the server's protects it."""
        self._habits.conversations = False
        logs.event(EventName.PROVIDER_CONVERSATIONS_MISSED, level=logging.WARNING, provider="responses")

    async def _create(self, start: RunStart, conversation: str | None, *, background: bool, stream: bool) -> RunState:
        habits = self._habits
        body = create_body(start, conversation, background=background, stream=stream)
        at_once = background and habits.runs_in_background
        seconds = self._timeout_seconds if at_once else self._run_budget_seconds
        sent = self._sent(body, seconds)
        try:
            if habits.background_shown or conversation is None or not background:
                answer = await sent
            else:
                patience = self._timeout_seconds
                found = await created_or_found(
                    sent, lambda: self._tail.found(start, conversation), self._clock, patience
                )
                if isinstance(found, RunState):
                    return found
                answer = found
        except ProviderError as error:
            if conversation is not None and refuses_conversation(error):
                self.give_conversations_up()
                raise ConversationIgnored(error.message, status=error.status, details=error.details) from error
            raise
        return await self._accepted(start, conversation, answer, background=background)

    async def _sent(self, body: dict[str, Any], seconds: float) -> Answer:
        if body.get("stream"):
            return await self._streams.create(body, seconds)
        return await self._wire.post("responses", body=body, seconds=seconds)

    async def _accepted(
        self, start: RunStart, conversation: str | None, answer: Answer, *, background: bool
    ) -> RunState:
        """The run as the server describes it, which shows what the server does."""
        state = response_state(answer.body, answer.headers)
        ended = state.terminal or state.status == "requires_action"
        if state.run_id is None and not ended:
            raise OutcomeUnknown("The provider started a run and did not name it.")
        if background:
            # A create that streams is answered at once, whether its run is in the background or not.
            streams = state.run_id is not None and self._streams.open_streams.get(state.run_id) is not None
            self._habits.background = in_background(answer.body) or (not ended and not streams)
        if conversation is None or _same(state.thread_id, conversation):
            return state
        self.give_conversations_up()
        if start.thread.cursor is None and not start.history and not start.known_run_ids:
            return state  # there was nothing to be forgotten
        if state.run_id is not None and not ended:
            with contextlib.suppress(ProviderError):
                await self._wire.post("responses", state.run_id, "cancel", body={})
            self._streams.open_streams.drop(state.run_id)
        raise ConversationIgnored("The server answered without the conversation it was given.")


def _same(used: str | None, given: str) -> bool:
    """Whether the server used the conversation it was given; some write its id with a prefix, some without."""
    return used is not None and _bare(used) == _bare(given)


def _bare(identifier: str) -> str:
    return identifier.strip().casefold().removeprefix("conversation_").removeprefix("conv_")
