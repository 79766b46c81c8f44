"""The Responses wire with conversations, on the vendor's own server and on those that resemble it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from shared.core.errors import (
    NeverShown,
    NotCancellable,
    NotFoundAtProvider,
    ProviderError,
    ProviderRefused,
    RunsInForeground,
)
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import RunState, RunStatus, Thread, ToolOutput
from shared.ports import Clock, RemoteObject, TextHeard
from shared.providers.refusals.meaning import (
    cancel_refused,
    is_gone,
    lacks_route,
    start_refused,
)
from shared.providers.responses.conversation_tail import ConversationTail
from shared.providers.responses.conversations import Conversations
from shared.providers.responses.create import ResponseCreates
from shared.providers.responses.habits import Background, ServerHabits
from shared.providers.responses.items import response_state
from shared.providers.responses.streams import ResponseStreams
from shared.providers.wire import TOO_LARGE, Wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PING_SECONDS = 3.0

State = Literal["conversation", "transcript"]


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
        most_streams: int | None = None,
        mcp_headers: Mapping[str, str] | None = None,
    ) -> None:
        """`timeout_seconds` bounds every call but a create in the foreground, which gets `run_budget_seconds`.

        `mcp_headers`: what agents' MCP servers are sent, by the names that rows call it.
        """
        self._wire = Wire(client, timeout_seconds)
        self._conversations = Conversations(self._wire, self.name)
        self._tail = ConversationTail(self._conversations)
        self._streams = ResponseStreams(self._wire, run_budget_seconds, most_streams)
        self._timeout_seconds = timeout_seconds
        self._run_budget_seconds = run_budget_seconds
        self._habits = ServerHabits(background, state == "conversation", False if background == "off" else None)
        self._creates = ResponseCreates(
            self._wire,
            self._conversations,
            self._tail,
            self._streams,
            self._habits,
            clock,
            timeout_seconds,
            run_budget_seconds,
            mcp_headers or {},
        )

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
        return self._habits.streams and self._habits.may_run_in_background

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
                return await self._creates.create_conversation(history)
            except ProviderError as error:
                if not lacks_route(error):
                    raise start_refused(error) from error
                self._creates.give_conversations_up()
        return Thread(self.name)

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        return await self._creates.create(start, self._conversation(start.thread), stream=stream)

    async def find_run(self, start: RunStart) -> RunState | None:
        """By what it left in the conversation. A run that has not ended leaves nothing: the lock is its only sign."""
        conversation = self._conversation(start.thread)
        if conversation is None:
            return None
        return await self._tail.found(start, conversation)

    async def find_active_run(self, thread: Thread) -> RunState | None:
        """The wire has no list of responses."""
        return None

    async def get_run(self, thread: Thread, run_id: str, turn_id: str, *, with_text: bool = True) -> RunState:
        """Servers without background may answer 404 or 501: there the create's own answer was final already."""
        try:
            answer = await self._wire.get("responses", run_id)
        except ProviderError as error:
            if error.details.get("about") == TOO_LARGE:  # words alone never are: it has drawn what cannot be kept
                return RunState(run_id, RunStatus.COMPLETED, unshown="image_generation_call")
            if lacks_route(error) or error.status in (404, 410):
                if (open_stream := self._streams.open_streams.get(turn_id, run_id)) is not None and (
                    heard := open_stream.state(run_id)
                ) is not None:
                    # in the foreground its stream may be the only one that knows of it
                    return await self._creates.proven(heard, turn_id)
                never = self._habits.background is False or error.status in (405, 501)
                kind = NeverShown if never else NotFoundAtProvider
                raise kind(error.message, status=error.status, details=error.details) from error
            raise
        return await self._creates.proven(_named(response_state(answer.body, answer.headers), run_id), turn_id)

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        """Only a response in the background can be cancelled."""
        try:
            answer = await self._wire.post("responses", run_id, "cancel", body={})
        except ProviderError as error:
            refusal = cancel_refused(error)
            if isinstance(refusal, NotCancellable) and (
                lacks_route(error) or error.details.get("about") == "background" or self._habits.background is False
            ):
                raise RunsInForeground(refusal.message, status=refusal.status, details=refusal.details) from error
            raise refusal from error
        return _named(response_state(answer.body, answer.headers), run_id)

    async def listen(self, thread: Thread, run_id: str, turn_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        async with contextlib.aclosing(self._streams.listen(turn_id, run_id, attach=self.attachable)) as told:
            async for event in told:
                yield await self._creates.proven(event, turn_id) if isinstance(event, RunState) else event

    async def submit_tool_outputs(
        self,
        thread: Thread,
        run_id: str,
        turn_id: str,
        outputs: Sequence[ToolOutput],
        *,
        stream: bool = False,
        said: str = "",
    ) -> RunState:
        raise ProviderRefused("On the Responses wire tool outputs start a new run.")

    async def erase_turn(self, start: RunStart) -> Thread | None:
        conversation = self._conversation(start.thread)
        return start.thread if conversation is None else await self._tail.erase(start, conversation)

    async def delete_thread(self, thread: Thread) -> bool:
        if thread.thread_id is None:
            return True
        try:
            await self._conversations.delete(thread.thread_id)
        except ProviderError as error:
            return is_gone(error)
        return True

    async def delete_object(self, remote: RemoteObject) -> bool:
        """A response that was stored; a server without a way to delete it has no more to give."""
        if remote.kind != "response" or remote.object_id is None:
            return True
        try:
            await self._wire.delete("responses", remote.object_id)
        except ProviderError as error:
            return is_gone(error) or lacks_route(error)
        return True

    async def ping(self) -> bool:
        return await self._wire.answers("models", seconds=PING_SECONDS)

    def _conversation(self, thread: Thread) -> str | None:
        return thread.thread_id if self._habits.conversations else None


def _named(state: RunState, run_id: str) -> RunState:
    return replace(state, run_id=run_id)
