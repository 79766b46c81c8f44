"""The Responses wire with conversations, on the vendor's own server and on those that resemble it.

Compatible servers ignore `background`, `conversation` or both without a word. What a server does is therefore read
from its answers and remembered for as long as the process lives; what was asked for proves nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.core.errors import (
    ActiveRun,
    ConversationIgnored,
    NotCancellable,
    NotFoundAtProvider,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
)
from shared.core.model import Message
from shared.core.runs import RunState, Thread, ToolOutput
from shared.core.turns import RunStart
from shared.ports import Clock, TextHeard
from shared.providers.refusals.meaning import (
    cancel_refused,
    is_gone,
    lacks_route,
    refuses_background,
    refuses_conversation,
    refuses_stream,
    start_refused,
)
from shared.providers.responses.background_probe import created_or_found
from shared.providers.responses.conversation_tail import ConversationTail
from shared.providers.responses.conversations import Conversations
from shared.providers.responses.items import response_state
from shared.providers.responses.request import create_body
from shared.providers.responses.streams import ResponseStreams, in_background
from shared.providers.wire import Answer, Wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger("multi_agent_chat")

PING_SECONDS = 3.0

State = Literal["conversation", "transcript"]
Background = Literal["auto", "on", "off"]


@dataclass(slots=True)
class _Habits:
    """What the server has shown so far."""

    conversations: bool
    background: bool | None = None  # None: nothing shown yet
    streams: bool = True
    locks: bool = False  # a busy conversation was refused


class ResponsesProvider:
    """`Provider` over responses and, where the server keeps them, conversations."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        clock: Clock,
        timeout_seconds: float = 8.0,
        run_budget_seconds: float = 300.0,
        state: State = "conversation",
        background: Background = "auto",
    ) -> None:
        """`timeout_seconds` bounds every call but a create in the foreground, which lasts as long as its run and so
        gets `run_budget_seconds`. `background`: `auto` falls back to the foreground, `on` insists, `off` never asks.
        """
        self._wire = Wire(client, timeout_seconds)
        self._conversations = Conversations(self._wire, self.name)
        self._tail = ConversationTail(self._conversations)
        self._streams = ResponseStreams(self._wire, run_budget_seconds)
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._run_budget_seconds = run_budget_seconds
        self._background = background
        self._habits = _Habits(conversations=state == "conversation", background=False if background == "off" else None)

    @property
    def name(self) -> str:
        return "responses"

    @property
    def keeps_threads(self) -> bool:
        return self._habits.conversations

    @property
    def outputs_start_run(self) -> bool:
        return True

    @property
    def attachable(self) -> bool:
        return self._habits.streams and (self._background == "on" or self._habits.background is not False)

    @property
    def create_seconds(self) -> float:
        """As long as a run, where all run in the foreground and nothing has shown that the server refuses a second."""
        habits = self._habits
        unseen = habits.background is False and habits.conversations and not habits.locks
        return self._run_budget_seconds if unseen else self._timeout_seconds

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        """A seeded conversation; no thread at all on a server that turns out to keep none."""
        if self._habits.conversations:
            try:
                return await self._conversations.create(history)
            except ProviderError as error:
                if not lacks_route(error):
                    raise
                self._give_conversations_up()
        return Thread(self.name)

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        conversation = self._conversation(start.thread)
        if (start.repeated or start.displaced) and conversation is not None:
            start = await self._tail.tidied(start, conversation)
        background = self._background == "on" or self._habits.background is not False
        stream = stream and self._habits.streams and not self._streams.open_streams.full
        while True:
            try:
                return await self._create(start, conversation, background=background, stream=stream)
            except ProviderError as error:
                if stream and refuses_stream(error):
                    self._habits.streams = stream = False
                elif background and self._background != "on" and refuses_background(error):
                    self._habits.background = background = False
                else:
                    raise self._refused(error) from error
                if isinstance(error, OutcomeUnknown):
                    raise
            # The one repetition of a create: the server has just said that it started nothing, and why.

    def _refused(self, error: ProviderError) -> ProviderError:
        refusal = start_refused(error)
        self._habits.locks = self._habits.locks or isinstance(refusal, ActiveRun)
        return refusal

    async def find_run(self, start: RunStart) -> RunState | None:
        """By what it left in the conversation. A run that has not ended leaves nothing: the lock is its only sign."""
        conversation = self._conversation(start.thread)
        if conversation is None:
            return None
        return await self._tail.found(start, conversation)

    async def find_active_run(self, thread: Thread) -> RunState | None:
        """The wire has no list of responses."""
        return None

    async def get_run(self, thread: Thread, run_id: str, *, with_text: bool = True) -> RunState:
        """Servers without background may answer 404 or 501: there the create's own answer was final already."""
        try:
            answer = await self._wire.get("responses", run_id)
        except ProviderError as error:
            if lacks_route(error) or error.status in (404, 410):
                if (open_stream := self._streams.open_streams.get(run_id)) is not None and (
                    heard := open_stream.state(run_id)
                ) is not None:
                    return heard  # in the foreground its stream may be the only one that knows of it
                raise NotFoundAtProvider(error.message, status=error.status, details=error.details) from error
            raise
        return _named(response_state(answer.body, answer.headers), run_id)

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        """Only a response in the background can be cancelled."""
        try:
            answer = await self._wire.post("responses", run_id, "cancel", body={})
        except ProviderError as error:
            refusal = cancel_refused(error)
            if isinstance(refusal, NotCancellable) and (
                lacks_route(error) or error.details.get("about") == "background" or self._habits.background is False
            ):
                refusal.code = "runs_in_foreground"
            raise refusal from error
        return _named(response_state(answer.body, answer.headers), run_id)

    def listen(self, thread: Thread, run_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        return self._streams.listen(run_id, attach=self.attachable)

    async def submit_tool_outputs(
        self, thread: Thread, run_id: str, outputs: Sequence[ToolOutput], *, stream: bool = False, said: str = ""
    ) -> RunState:
        raise ProviderRefused("On the Responses wire tool outputs start a new run.")

    async def erase_turn(self, start: RunStart) -> bool:
        conversation = self._conversation(start.thread)
        return True if conversation is None else await self._tail.erase(start, conversation)

    async def delete_thread(self, thread: Thread) -> bool:
        if thread.thread_id is None:
            return True
        try:
            await self._conversations.delete(thread.thread_id)
        except ProviderError as error:
            return is_gone(error)
        return True

    async def ping(self) -> bool:
        return await self._wire.answers("models", seconds=PING_SECONDS)

    def _give_conversations_up(self) -> None:
        """From now on, in this process, the transcript travels, and no lock of the server's protects it."""
        self._habits.conversations = False
        log.warning("provider.conversations_missed", extra={"event": {"provider": self.name}})

    def _conversation(self, thread: Thread) -> str | None:
        return thread.thread_id if self._habits.conversations else None

    async def _create(self, start: RunStart, conversation: str | None, *, background: bool, stream: bool) -> RunState:
        body = create_body(start, conversation, background=background, stream=stream)
        shown = self._background == "on" or self._habits.background is not None
        in_background = self._background == "on" or self._habits.background is True
        seconds = self._timeout_seconds if background and in_background else self._run_budget_seconds
        try:
            if shown or conversation is None or not background:
                answer = await self._sent(body, seconds)
            else:
                create = self._sent(body, seconds)
                found = await created_or_found(create, lambda: self.find_run(start), self._clock, self._timeout_seconds)
                if isinstance(found, RunState):
                    return found
                answer = found
        except ProviderError as error:
            if conversation is not None and refuses_conversation(error):
                self._give_conversations_up()
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
        self._give_conversations_up()
        if start.thread.cursor is None and not start.history and not start.known_run_ids:
            return state  # there was nothing to be forgotten
        if state.run_id is not None and not ended:
            with contextlib.suppress(ProviderError):
                await self.cancel_run(start.thread, state.run_id)
            self._streams.open_streams.drop(state.run_id)
        raise ConversationIgnored("The server answered without the conversation it was given.")


def _same(used: str | None, given: str) -> bool:
    """Whether the server used the conversation it was given; some write its id with a prefix, some without."""
    return used is not None and _bare(used) == _bare(given)


def _bare(identifier: str) -> str:
    return identifier.strip().casefold().removeprefix("conversation_").removeprefix("conv_")


def _named(state: RunState, run_id: str) -> RunState:
    return replace(state, run_id=run_id)
