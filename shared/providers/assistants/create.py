"""Requests that set a run going: its create, and the outputs that it waits for; streamed where the server does that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from shared.core.errors import OutcomeUnknown, ProviderError
from shared.core.run_start import RunStart
from shared.core.runs import RunState, ToolOutput
from shared.ports import Clock
from shared.providers.assistants.assistants import Assistants
from shared.providers.assistants.events import ThreadRunEvents
from shared.providers.assistants.runs import Mark, asked_in, mark, run_body, run_state
from shared.providers.assistants.thread_reads import ThreadReads
from shared.providers.calls import wire_call_id
from shared.providers.refusals.classify import DISPENSABLE
from shared.providers.refusals.meaning import (
    misses_assistant,
    nothing_started,
    refuses_field,
    refuses_stream,
    start_refused,
)
from shared.providers.streams.open_streams import OpenStreams
from shared.providers.streams.run_stream import StreamRules
from shared.providers.text import clean
from shared.providers.wire import Answer, Wire

LIST_LAGS_SECONDS = (0.0, 0.3, 1.0)  # pauses before the looks for what an accepted run has put into its thread
MOST_PUT = 4096  # messages that are remembered to have been put there


class RunCreates:
    def __init__(
        self,
        wire: Wire,
        assistants: Assistants,
        reads: ThreadReads,
        open_streams: OpenStreams,
        clock: Clock,
        timeout_seconds: float,
        run_budget_seconds: float,
    ) -> None:
        self._wire, self._assistants, self._reads, self._open_streams = wire, assistants, reads, open_streams
        self._clock = clock
        self._put: dict[tuple[str, Mark], None] = {}  # into threads, with runs that were accepted
        self._timeout_seconds, self._run_budget_seconds = timeout_seconds, run_budget_seconds
        self._streams = True  # until the server has refused to
        self._refused: set[tuple[str, str]] = set()  # what the server does not take for a model: (model, field)

    async def create(self, start: RunStart, thread_id: str, *, stream: bool) -> RunState:
        try:
            assistant_id = await self._assistants.of(start.agent)
            present = await self._present(thread_id, start)
        except ProviderError as error:
            raise nothing_started(error) from error
        try:
            answer = await self._sent(start, assistant_id, thread_id, present, stream=stream)
        except ProviderError as error:
            if not misses_assistant(error) or not self._assistants.forget(start.agent, assistant_id):
                raise start_refused(error) from error
            answer = await self._with_another(start, thread_id, present, stream=stream)
        state = run_state(answer.body, answer.headers)
        if state.run_id is None:
            raise OutcomeUnknown("The provider started a run and did not name it.")
        return await self._with_text(thread_id, state) if state.terminal else state

    async def _sent(
        self, start: RunStart, assistant_id: str, thread_id: str, present: Collection[Mark], *, stream: bool
    ) -> Answer:
        """The create, once more for every setting that the server refuses and that it can do without."""
        model = start.agent.model
        while True:
            without = {name for of, name in self._refused if of == model}
            body = run_body(start, assistant_id, present, without=without)
            path = ("threads", thread_id, "runs")
            try:
                answer = await self._streamed(path, body, thread_id, start.turn_id, stream=stream)
            except ProviderError as error:
                refused = [one for one in start.agent.settings if one in DISPENSABLE and refuses_field(error, one)]
                if not refused or refused[0] in without:
                    raise
                self._refused.add((model, refused[0]))
            else:
                self._note_put(thread_id, body)
                return answer

    def _note_put(self, thread_id: str, body: dict[str, Any]) -> None:
        self._put.update(((thread_id, mark(message)), None) for message in body.get("additional_messages", ()))
        while len(self._put) > MOST_PUT:
            del self._put[next(iter(self._put))]

    async def submit(
        self, thread_id: str, run_id: str, turn_id: str, outputs: Sequence[ToolOutput], *, stream: bool, said: str
    ) -> RunState:
        """All outputs in one call: the wire takes them no other way. `said`: the run's text until now."""
        body = {
            "tool_outputs": [
                {"tool_call_id": wire_call_id(given.call_id), "output": clean(given.output)} for given in outputs
            ]
        }
        path = ("threads", thread_id, "runs", run_id, "submit_tool_outputs")
        self._open_streams.drop(turn_id, run_id)  # it has told that the run waits
        try:
            answer = await self._streamed(path, body, thread_id, turn_id, stream=stream, said=said)
        except ProviderError as error:
            raise start_refused(error) from error
        state = replace(run_state(answer.body, answer.headers), run_id=run_id)
        return await self._with_text(thread_id, state) if state.terminal else state

    async def _streamed(
        self, path: tuple[str, ...], body: dict[str, Any], thread_id: str, turn_id: str, *, stream: bool, said: str = ""
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
            if events.run_text.whole and not events.has_images:
                return replace(end, text=events.run_text.text)
            return await self._reads.with_answer(thread_id, end)

        rules = StreamRules(self._run_budget_seconds, whole=whole)
        return await self._open_streams.begin(turn_id, opened, events, rules, self._timeout_seconds)

    async def _with_another(
        self, start: RunStart, thread_id: str, present: Collection[Mark], *, stream: bool
    ) -> Answer:
        """The create once more, since it was refused for an assistant of ours that was deleted at the provider."""
        try:
            assistant_id = await self._assistants.of(start.agent)
        except ProviderError as error:
            raise nothing_started(error) from error
        try:
            return await self._sent(start, assistant_id, thread_id, present, stream=stream)
        except ProviderError as error:
            raise start_refused(error) from error

    async def _present(self, thread_id: str, start: RunStart) -> set[Mark]:
        """Marks of what is in the thread already: what a refused or cancelled run leaves is undocumented.

        What an accepted run has put there may have been dropped, or the list lags: it is looked for more than once.
        """
        if not (start.repeated or start.displaced):
            return set()
        asked = {asked_in(one.turn_id) for one in start.displaced}
        sought = {one for one in asked if (thread_id, one) in self._put}
        present: set[Mark] = set()
        for seconds in LIST_LAGS_SECONDS:
            await self._clock.sleep(seconds)
            present = {mark(message) for message in await self._reads.messages(thread_id)}
            if sought <= present:
                break
        return present

    async def _with_text(self, thread_id: str, state: RunState) -> RunState:
        """For a create that was answered when its run was over. What cannot be read now is asked for again."""
        try:
            return await self._reads.with_answer(thread_id, state)
        except ProviderError:
            return replace(state, status="unknown")
