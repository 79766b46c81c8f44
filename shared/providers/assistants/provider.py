"""The Assistants wire (v2): threads, messages and runs. Alive at Microsoft Foundry and at compatible servers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.core.errors import OutcomeUnknown, ProviderError, ProviderRefused
from shared.core.model import Message
from shared.core.runs import RunState, Thread, ToolOutput
from shared.core.turns import RunStart
from shared.ports import Clock, TextHeard
from shared.providers import fields
from shared.providers.assistants.assistants import Assistants, RememberAssistant, required_id
from shared.providers.assistants.events import ThreadRunEvents
from shared.providers.assistants.runs import Mark, answer_text, made_by, mark, own_run, run_body, run_state, seed
from shared.providers.refusals.meaning import (
    cancel_refused,
    is_gone,
    misses_assistant,
    nothing_started,
    refuses_stream,
    start_refused,
)
from shared.providers.streams.open_streams import OpenStreams
from shared.providers.streams.run_stream import StreamRules
from shared.providers.text import clean
from shared.providers.wire import Answer, Wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PING_SECONDS = 3.0
NEWEST_RUNS = 20
NEWEST_MESSAGES = 100  # the most a list gives, as the vendor documents


class AssistantsProvider:
    """`Provider` over threads and runs. A run here never lasts as long as its create call."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        remember_assistant: RememberAssistant,
        clock: Clock,
        timeout_seconds: float = 8.0,
        run_budget_seconds: float = 300.0,
    ) -> None:
        """`clock` is taken so that both wires are made alike; this one needs none."""
        self._wire = Wire(client, timeout_seconds, {"OpenAI-Beta": "assistants=v2"})
        self._assistants = Assistants(self._wire, remember_assistant)
        self._open_streams = OpenStreams()
        self._streams = True  # until the server has refused to
        self._timeout_seconds = timeout_seconds
        self._run_budget_seconds = run_budget_seconds

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
        seeds = [seed(message) for message in history if message.text.strip()]
        answer = await self._wire.post("threads", body={"messages": seeds} if seeds else {})
        return Thread(self.name, required_id(answer.body, "thread"))

    async def start_run(self, start: RunStart, *, stream: bool = False) -> RunState:
        thread_id = _thread_id(start.thread)
        path = ("threads", thread_id, "runs")
        try:
            assistant_id = await self._assistants.of(start.agent)
            present = await self._present(thread_id, start)
        except ProviderError as error:
            raise nothing_started(error) from error
        try:
            answer = await self._streamed(path, run_body(start, assistant_id, present), thread_id, stream=stream)
        except ProviderError as error:
            if not misses_assistant(error) or not self._assistants.forget(start.agent, assistant_id):
                raise start_refused(error) from error
            answer = await self._with_another(start, present, stream=stream)
        state = run_state(answer.body, answer.headers)
        if state.run_id is None:
            raise OutcomeUnknown("The provider started a run and did not name it.")
        return await self._with_text(thread_id, state) if state.terminal else state

    async def find_run(self, start: RunStart) -> RunState | None:
        """By the turn's mark in the run's metadata. With its text where it has ended."""
        thread_id = start.thread.thread_id
        if not thread_id:
            return None  # a thread that was given up shows nothing any more
        run = own_run(await self._newest_runs(thread_id, NEWEST_RUNS), start)
        if run is None:
            return None
        state = run_state(run)
        if state.run_id is not None and (state.terminal or state.status == "requires_action"):
            return replace(state, text=await self._text(thread_id, state.run_id))
        return state

    async def find_active_run(self, thread: Thread) -> RunState | None:
        if thread.thread_id is None:
            return None
        states = [run_state(run) for run in await self._newest_runs(thread.thread_id, 5)]
        return next((state for state in states if state.run_id is not None and not state.terminal), None)

    async def get_run(self, thread: Thread, run_id: str, *, with_text: bool = True) -> RunState:
        thread_id = _thread_id(thread)
        answer = await self._wire.get("threads", thread_id, "runs", run_id)
        state = replace(run_state(answer.body, answer.headers), run_id=run_id)
        if with_text and (state.terminal or state.status == "requires_action"):
            return replace(state, text=await self._text(thread_id, run_id))
        return state

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        try:
            answer = await self._wire.post("threads", _thread_id(thread), "runs", run_id, "cancel", body={})
        except ProviderError as error:
            raise cancel_refused(error) from error
        return replace(run_state(answer.body, answer.headers), run_id=run_id)

    async def listen(self, thread: Thread, run_id: str) -> AsyncGenerator[TextHeard | RunState, None]:
        """Only what this process has opened: the wire lets no other process attach."""
        if (stream := self._open_streams.get(run_id)) is None:
            return
        async with contextlib.aclosing(stream.follow()) as told:
            async for event in told:
                yield replace(event, run_id=run_id) if isinstance(event, RunState) else event

    async def submit_tool_outputs(
        self, thread: Thread, run_id: str, outputs: Sequence[ToolOutput], *, stream: bool = False, said: str = ""
    ) -> RunState:
        """All outputs in one call: the wire takes them no other way."""
        body = {"tool_outputs": [{"tool_call_id": given.call_id, "output": clean(given.output)} for given in outputs]}
        thread_id = _thread_id(thread)
        path = ("threads", thread_id, "runs", run_id, "submit_tool_outputs")
        self._open_streams.drop(run_id)  # it has told that the run waits
        try:
            answer = await self._streamed(path, body, thread_id, stream=stream, said=said)
        except ProviderError as error:
            raise start_refused(error) from error
        state = replace(run_state(answer.body, answer.headers), run_id=run_id)
        return await self._with_text(thread_id, state) if state.terminal else state

    async def delete_thread(self, thread: Thread) -> bool:
        if thread.thread_id is None:
            return True
        try:
            await self._wire.delete("threads", thread.thread_id)
        except ProviderError as error:
            return is_gone(error)
        return True

    async def erase_turn(self, start: RunStart) -> bool:
        thread_id = _thread_id(start.thread)
        for message in await self._newest_messages(thread_id, {}):
            if made_by(message, start):
                await self._wire.delete("threads", thread_id, "messages", fields.text(message, "id"))
        return True

    async def ping(self) -> bool:
        return await self._wire.answers("models", seconds=PING_SECONDS)

    async def _streamed(
        self, path: tuple[str, ...], body: dict[str, Any], thread_id: str, *, stream: bool, said: str = ""
    ) -> Answer:
        """The run as the server names it first; its stream, where one was wanted and there is one, is read on."""
        if not stream or not self._streams or self._open_streams.full:
            return await self._wire.post(*path, body=body)
        try:
            opened = await self._wire.open("POST", *path, body={**body, "stream": True})
        except ProviderError as error:
            if not refuses_stream(error):
                raise
            self._streams = False
            if isinstance(error, OutcomeUnknown):
                raise
            # The one repetition of a create: the server has just said that it started nothing, and why.
            return await self._wire.post(*path, body=body)
        if isinstance(opened, Answer):
            return opened
        events = ThreadRunEvents(said)

        async def whole(end: RunState) -> RunState:
            if events.run_text.whole:
                return replace(end, text=events.run_text.text)
            return replace(end, text=await self._text(thread_id, str(end.run_id)))

        rules = StreamRules(self._run_budget_seconds, whole=whole)
        return await self._open_streams.begin(opened, events, rules, self._timeout_seconds)

    async def _with_another(self, start: RunStart, present: Collection[Mark], *, stream: bool) -> Answer:
        """The create once more, since it was refused for an assistant of ours that was deleted at the provider."""
        thread_id = _thread_id(start.thread)
        try:
            body = run_body(start, await self._assistants.of(start.agent), present)
        except ProviderError as error:
            raise nothing_started(error) from error
        try:
            return await self._streamed(("threads", thread_id, "runs"), body, thread_id, stream=stream)
        except ProviderError as error:
            raise start_refused(error) from error

    async def _present(self, thread_id: str, start: RunStart) -> set[Mark]:
        """Marks of what is in the thread already: what a refused or cancelled run leaves is undocumented."""
        if not (start.repeated or start.displaced):
            return set()
        return {mark(message) for message in await self._newest_messages(thread_id, {})}

    async def _with_text(self, thread_id: str, state: RunState) -> RunState:
        """For a create that was answered when its run was over. What cannot be read now is asked for again."""
        try:
            return replace(state, text=await self._text(thread_id, str(state.run_id)))
        except ProviderError:
            return replace(state, status="unknown")

    async def _text(self, thread_id: str, run_id: str) -> str:
        return answer_text(await self._newest_messages(thread_id, {"run_id": run_id}), run_id)

    async def _newest_messages(self, thread_id: str, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Newest first, so that a server that ignores the query still answers with the end of a long thread."""
        wanted: dict[str, str | int] = {"order": "desc", "limit": NEWEST_MESSAGES, **query}
        answer = await self._wire.get("threads", thread_id, "messages", query=wanted)
        return _newest_first(fields.objects(answer.body, "data"))

    async def _newest_runs(self, thread_id: str, limit: int) -> list[Mapping[str, Any]]:
        answer = await self._wire.get("threads", thread_id, "runs", query={"order": "desc", "limit": limit})
        return _newest_first(fields.objects(answer.body, "data"))


def _newest_first(listed: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The list in the order that was asked for, also from a server that did not listen."""
    first, last = (listed[0], listed[-1]) if listed else ({}, {})
    made = first.get("created_at"), last.get("created_at")
    if isinstance(made[0], int) and isinstance(made[1], int) and made[0] < made[1]:
        return listed[::-1]
    return listed


def _thread_id(thread: Thread) -> str:
    if not thread.thread_id:
        raise ProviderRefused("A run needs a thread on this wire.")
    return thread.thread_id
