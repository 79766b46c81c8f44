"""The Assistants wire (v2): threads, messages and runs. Alive at Microsoft Foundry and at compatible servers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.core.errors import ProviderError, ProviderRefused
from shared.core.model import Message
from shared.core.run_start import RunStart
from shared.core.runs import RunState, Thread, ToolOutput
from shared.ports import Clock, RemoteObject, TextHeard
from shared.providers import fields
from shared.providers.assistants.assistants import AssistantRecords, Assistants, required_id
from shared.providers.assistants.create import RunCreates
from shared.providers.assistants.runs import made_by, own_run, run_state, seed
from shared.providers.assistants.thread_reads import ThreadReads
from shared.providers.refusals.meaning import cancel_refused, is_gone, start_refused
from shared.providers.streams.open_streams import OpenStreams
from shared.providers.wire import Wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PING_SECONDS = 3.0


class AssistantsProvider:
    """`Provider` over threads and runs. A run here never lasts as long as its create call."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        records: AssistantRecords,
        clock: Clock,
        timeout_seconds: float = 8.0,
        run_budget_seconds: float = 300.0,
        most_streams: int | None = None,
    ) -> None:
        self._wire = Wire(client, timeout_seconds, {"OpenAI-Beta": "assistants=v2"})
        self._assistants = Assistants(self._wire, records)
        self._open_streams = OpenStreams(most_streams)
        self._timeout_seconds = timeout_seconds
        self._reads = ThreadReads(self._wire)
        self._creates = RunCreates(
            self._wire, self._assistants, self._reads, self._open_streams, clock, timeout_seconds, run_budget_seconds
        )

    @property
    def name(self) -> str:
        return "assistants"

    @property
    def keeps_threads(self) -> bool:
        return True

    @property
    def outputs_start_run(self) -> bool:
        return False

    @property
    def attachable(self) -> bool:
        return False

    @property
    def create_seconds(self) -> float:
        return self._timeout_seconds

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        seeds = [one for message in history if (one := seed(message))["content"].strip()]
        try:
            answer = await self._wire.post("threads", body={"messages": seeds} if seeds else {})
        except ProviderError as error:
            raise start_refused(error) from error
        return Thread(self.name, required_id(answer.body, "thread"))

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        return await self._creates.create(start, _thread_id(start.thread), stream=stream)

    async def find_run(self, start: RunStart) -> RunState | None:
        """By the turn's mark in the run's metadata. With its text where it has ended."""
        thread_id = start.thread.thread_id
        if not thread_id:
            return None  # a thread that was given up shows nothing any more
        run = own_run(await self._reads.runs(thread_id), start)
        if run is None:
            return None
        state = run_state(run)
        if state.run_id is not None and (state.terminal or state.status == "requires_action"):
            return await self._reads.with_answer(thread_id, state)
        return state

    async def find_active_run(self, thread: Thread) -> RunState | None:
        if thread.thread_id is None:
            return None
        states = [run_state(run) for run in await self._reads.runs(thread.thread_id, 5)]
        return next((state for state in states if state.run_id is not None and not state.terminal), None)

    async def get_run(self, thread: Thread, run_id: str, turn_id: str, *, with_text: bool = True) -> RunState:
        thread_id = _thread_id(thread)
        answer = await self._wire.get("threads", thread_id, "runs", run_id)
        state = replace(run_state(answer.body, answer.headers), run_id=run_id)
        if with_text and (state.terminal or state.status == "requires_action"):
            return await self._reads.with_answer(thread_id, state)
        return state

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        try:
            answer = await self._wire.post("threads", _thread_id(thread), "runs", run_id, "cancel", body={})
        except ProviderError as error:
            raise cancel_refused(error) from error
        return replace(run_state(answer.body, answer.headers), run_id=run_id)

    async def listen(self, thread: Thread, run_id: str, turn_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        """Only what this process has opened: the wire lets no other process attach."""
        if (stream := self._open_streams.get(turn_id, run_id)) is None:
            return
        async with contextlib.aclosing(stream.follow()) as told:
            async for event in told:
                yield replace(event, run_id=run_id) if isinstance(event, RunState) else event

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
        return await self._creates.submit(_thread_id(thread), run_id, turn_id, outputs, stream=stream, said=said)

    async def delete_thread(self, thread: Thread) -> bool:
        if thread.thread_id is None:
            return True
        try:
            await self._wire.delete("threads", thread.thread_id)
        except ProviderError as error:
            return is_gone(error)
        return True

    async def delete_object(self, remote: RemoteObject) -> bool:
        """An assistant of ours. Runs go with their threads."""
        return remote.kind != "assistant" or await self._assistants.delete(remote)

    async def erase_turn(self, start: RunStart) -> Thread | None:
        """A run that was accepted has put the turn's message there: a list that does not show it lags, and shows less
        than there is.
        """
        thread_id = _thread_id(start.thread)
        own = [message for message in await self._reads.messages(thread_id) if made_by(message, start)]
        ids = [fields.identifier(message) for message in own]
        for message_id in filter(None, ids):
            await self._wire.delete("threads", thread_id, "messages", message_id)
        asked = any(fields.text(message, "role") == "user" for message in own)
        return start.thread if None not in ids and (asked or not start.known_run_ids) else None

    async def ping(self) -> bool:
        return await self._wire.answers("models", seconds=PING_SECONDS)


def _thread_id(thread: Thread) -> str:
    if not thread.thread_id:
        raise ProviderRefused("A run needs a thread on this wire.")
    return thread.thread_id
