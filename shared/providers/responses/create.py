"""The create of a response: in the background or not, streamed or not, as far as the server has shown that it can."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from shared import logs
from shared.core.chat_events import EventName
from shared.core.errors import ConversationIgnored, OutcomeUnknown, ProviderError
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import RunState, RunStatus, Thread
from shared.ports import Clock
from shared.providers.refusals.classify import DISPENSABLE
from shared.providers.refusals.meaning import (
    lacks_route,
    may_refuse_items,
    refuses_background,
    refuses_conversation,
    refuses_field,
    refuses_stream,
    start_refused,
)
from shared.providers.responses.background_probe import created_or_found
from shared.providers.responses.conversation_tail import ConversationTail
from shared.providers.responses.conversations import Conversations
from shared.providers.responses.habits import ServerHabits
from shared.providers.responses.input_items import input_items, seeds
from shared.providers.responses.items import in_background, response_state
from shared.providers.responses.request import create_body
from shared.providers.responses.streams import ResponseStreams
from shared.providers.streams.open_streams import RunKey
from shared.providers.wire import Answer, Wire

MOST_UNPROVEN = 1024  # runs under way of which it is to be seen whether they use their conversation
LIST_LAGS_SECONDS = (0.0, 0.3, 1.0)  # pauses before the looks for a response in its conversation


class ResponseCreates:
    """`timeout_seconds` bounds a create that is answered at once; one in the foreground lasts as long as its run and
    so gets `run_budget_seconds`."""

    def __init__(
        self,
        wire: Wire,
        conversations: Conversations,
        tail: ConversationTail,
        streams: ResponseStreams,
        habits: ServerHabits,
        clock: Clock,
        timeout_seconds: float,
        run_budget_seconds: float,
        mcp_headers: Mapping[str, str],
    ) -> None:
        self._wire, self._tail, self._streams, self._habits, self._clock = wire, tail, streams, habits, clock
        self._conversations = conversations
        self._timeout_seconds, self._run_budget_seconds = timeout_seconds, run_budget_seconds
        self._mcp_headers = mcp_headers
        self._unproven: dict[RunKey, tuple[RunStart, str]] = {}  # it has not named its conversation so far
        self._disproven: dict[RunKey, None] = {}

    async def create(self, start: RunStart, conversation: str | None, *, stream: bool) -> RunState:
        habits = self._habits
        if (start.repeated or start.displaced) and conversation is not None:
            start = await self._tail.tidied(start, conversation)
        background = habits.may_run_in_background
        stream = stream and habits.streams and not self._streams.open_streams.full
        whole_items, first_refusal = habits.whole_items, None
        while True:
            try:
                state = await self._create(
                    start, conversation, background=background, stream=stream, whole_items=whole_items
                )
                habits.whole_items = whole_items
                return state
            except ProviderError as error:
                refusal = start_refused(error)
                field = next((name for name in DISPENSABLE if refuses_field(error, name)), None)
                if stream and refuses_stream(error):
                    habits.streams = stream = False
                elif background and habits.may_fall_back and refuses_background(error):
                    habits.background = background = False
                elif field is not None and (start.agent.model, field) not in habits.refused_fields:
                    habits.refused_fields.add((start.agent.model, field))
                elif not whole_items and may_refuse_items(refusal) and has_short_items(start, conversation):
                    whole_items, first_refusal = True, refusal
                    continue
                else:
                    refusal = first_refusal or refusal
                    habits.note_refusal(refusal)
                    raise refusal from error
                if isinstance(error, OutcomeUnknown):
                    raise
            # A create is repeated only here: the server has just said that it started nothing, and why.

    async def create_conversation(self, history: Sequence[Message]) -> Thread:
        habits = self._habits
        try:
            return await self._conversations.create(history, whole_items=habits.whole_items)
        except ProviderError as error:
            if habits.whole_items or not any(line.role == "assistant" for line in history):
                raise
            if lacks_route(error) or not may_refuse_items(start_refused(error)):
                raise
        thread = await self._conversations.create(history, whole_items=True)
        habits.whole_items = True
        return thread

    def give_conversations_up(self) -> None:
        """From now on, in this process, the transcript travels, and no lock of the server's protects it."""
        self._habits.conversations = False
        logs.event(EventName.PROVIDER_CONVERSATIONS_MISSED, level=logging.WARNING, provider="responses")

    async def _create(
        self, start: RunStart, conversation: str | None, *, background: bool, stream: bool, whole_items: bool
    ) -> RunState:
        habits = self._habits
        body = create_body(
            start,
            conversation,
            background=background,
            stream=stream,
            without=habits.refused_for(start.agent.model),
            whole_items=whole_items,
            headers=self._mcp_headers,
        )
        at_once = background and habits.runs_in_background
        seconds = self._timeout_seconds if at_once else self._run_budget_seconds
        sent = self._sent(start.turn_id, body, seconds)
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

    async def _keeps(self, start: RunStart, conversation: str, state: RunState, *, ended: bool) -> bool:
        """Whether a response that does not name its conversation may be in it all the same.

        A field that is not there proves nothing: what stands in the conversation when the response is over does.
        """
        habits = self._habits
        if habits.keeps_conversation:
            return True
        if not ended:
            self._unproven[RunKey(start.turn_id, str(state.run_id))] = (start, conversation)
            if len(self._unproven) > MOST_UNPROVEN:
                del self._unproven[next(iter(self._unproven))]
            return True
        for seconds in LIST_LAGS_SECONDS:
            await self._clock.sleep(seconds)
            if await self._tail.stands(start, conversation):
                habits.keeps_conversation = True
                return True
        return False

    async def proven(self, run: RunState, turn_id: str) -> RunState:
        """The run as it is; or as one that has failed, where it has turned out to know nothing of its conversation."""
        key = RunKey(turn_id, str(run.run_id))
        if key in self._disproven and run.settled:
            return _ignored(run)
        if not run.settled or key not in self._unproven:
            return run
        start, conversation = self._unproven.pop(key)
        if _same(run.thread_id, conversation):
            self._habits.keeps_conversation = True
        elif run.status in (RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION) and not await self._keeps(
            start, conversation, run, ended=True
        ):
            self.give_conversations_up()
            if _has_before(start):
                self._disproven[key] = None  # the next look is told the same
                if len(self._disproven) > MOST_UNPROVEN:
                    del self._disproven[next(iter(self._disproven))]
                return _ignored(run)
        return run

    async def _sent(self, turn_id: str, body: dict[str, Any], seconds: float) -> Answer:
        if body.get("stream"):
            return await self._streams.create(turn_id, body, seconds)
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
            opened = self._streams.open_streams.get(start.turn_id, state.run_id) if state.run_id is not None else None
            self._habits.background = in_background(answer.body) or (not ended and opened is None)
        if conversation is None:
            return state
        if _same(state.thread_id, conversation):
            self._habits.keeps_conversation = True
            return state
        if state.thread_id is None and await self._keeps(start, conversation, state, ended=ended):
            return state
        self.give_conversations_up()
        if not _has_before(start):
            return state  # there was nothing to be forgotten
        if state.run_id is not None and not ended:
            with contextlib.suppress(ProviderError):
                await self._wire.post("responses", state.run_id, "cancel", body={})
            self._streams.open_streams.drop(start.turn_id, state.run_id)
        raise ConversationIgnored("The server answered without the conversation it was given.")


def _ignored(run: RunState) -> RunState:
    """The run as one that has failed: it knew nothing of its conversation."""
    return RunState(run.run_id, RunStatus.FAILED, usage=run.usage, error_code="conversation_ignored")


def _has_before(start: RunStart) -> bool:
    """Whether there was anything before this run that a server without conversations would have forgotten."""
    return start.thread.cursor is not None or bool(start.history) or bool(start.known_run_ids)


def has_short_items(start: RunStart, conversation: str | None) -> bool:
    """Whether the input holds a message of the assistant's, which is sent in its short form at first."""
    items = input_items(start) if conversation is not None else [*seeds(start.history), *input_items(start)]
    return any(item.get("role") == "assistant" for item in items)


def _same(used: str | None, given: str) -> bool:
    """Whether the server used the conversation it was given; some write its id with a prefix, some without."""
    return used is not None and _bare(used) == _bare(given)


def _bare(identifier: str) -> str:
    return identifier.strip().casefold().removeprefix("conversation_").removeprefix("conv_")
