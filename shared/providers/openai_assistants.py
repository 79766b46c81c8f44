"""The Assistants wire (v2): threads, messages and runs. Alive at Microsoft Foundry and at compatible servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.core.errors import NotFound, OutcomeUnknown, ProviderError, ProviderRefused
from shared.core.model import Agent, Message, RunStart, RunState, Thread, ToolOutput
from shared.ports import Clock
from shared.providers import fields
from shared.providers.assistants_runs import answer_text, belongs, made_by, own_run, run_body, run_state, seed
from shared.providers.refusals import cancel_refused, nothing_started, start_refused
from shared.providers.text import clean
from shared.providers.wire import Wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PING_SECONDS = 3.0
NEWEST_RUNS = 20
NEWEST_MESSAGES = 100  # the most a list gives, as the vendor documents

RememberAssistant = Callable[[str, str], Awaitable[str]]
"""(agent id, assistant id) -> the id on record: the store's `remember_assistant`."""


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
        """`clock` and `run_budget_seconds` are taken so that both wires are made alike; this one needs neither."""
        self._wire = Wire(client, timeout_seconds, {"OpenAI-Beta": "assistants=v2"})
        self._remember_assistant = remember_assistant
        self._assistants: dict[str, str] = {}
        self._making = asyncio.Lock()

    @property
    def name(self) -> str:
        return "assistants"

    @property
    def keeps_threads(self) -> bool:
        return True

    @property
    def outputs_start_run(self) -> bool:
        return False

    async def create_thread(self, history: Sequence[Message]) -> Thread:
        seeds = [seed(message) for message in history if message.text.strip()]
        answer = await self._wire.post("threads", body={"messages": seeds} if seeds else {})
        return Thread(self.name, _required_id(answer.body, "thread"))

    async def start_run(self, start: RunStart) -> RunState:
        thread_id = _thread_id(start.thread)
        try:
            assistant_id = await self._assistant(start.agent)
            present = await self._turns_present(thread_id, start)
        except ProviderError as error:
            raise nothing_started(error) from error
        body = run_body(start, assistant_id, present)
        try:
            answer = await self._wire.post("threads", thread_id, "runs", body=body)
        except ProviderError as error:
            raise start_refused(error) from error
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
        if state.run_id is not None and state.terminal:
            return replace(state, text=await self._text(thread_id, state.run_id))
        return state

    async def find_holder(self, thread: Thread) -> RunState | None:
        if thread.thread_id is None:
            return None
        states = [run_state(run) for run in await self._newest_runs(thread.thread_id, 5)]
        return next((state for state in states if state.run_id is not None and not state.terminal), None)

    async def get_run(self, thread: Thread, run_id: str, *, with_text: bool = True) -> RunState:
        thread_id = _thread_id(thread)
        answer = await self._wire.get("threads", thread_id, "runs", run_id)
        state = replace(run_state(answer.body, answer.headers), run_id=run_id)
        if with_text and state.terminal:
            return replace(state, text=await self._text(thread_id, run_id))
        return state

    async def cancel_run(self, thread: Thread, run_id: str) -> RunState:
        try:
            answer = await self._wire.post("threads", _thread_id(thread), "runs", run_id, "cancel", body={})
        except ProviderError as error:
            raise cancel_refused(error) from error
        return replace(run_state(answer.body, answer.headers), run_id=run_id)

    async def submit_tool_outputs(self, thread: Thread, run_id: str, outputs: Sequence[ToolOutput]) -> RunState:
        """All outputs in one call: the wire takes them no other way."""
        body = {"tool_outputs": [{"tool_call_id": given.call_id, "output": clean(given.output)} for given in outputs]}
        path = ("threads", _thread_id(thread), "runs", run_id, "submit_tool_outputs")
        try:
            answer = await self._wire.post(*path, body=body)
        except ProviderError as error:
            raise start_refused(error) from error
        return replace(run_state(answer.body, answer.headers), run_id=run_id)

    async def erase_turn(self, start: RunStart) -> bool:
        thread_id = _thread_id(start.thread)
        for message in await self._newest_messages(thread_id, {}):
            if made_by(message, start):
                await self._wire.delete("threads", thread_id, "messages", fields.text(message, "id"))
        return True

    async def ping(self) -> bool:
        return await self._wire.answers("models", seconds=PING_SECONDS)

    async def _assistant(self, agent: Agent) -> str:
        """The agent's assistant; made once for an agent that names none. One left over by a lost answer is harmless."""
        if agent.assistant_id:
            return agent.assistant_id
        async with self._making:
            if known := self._assistants.get(agent.agent_id):
                return known
            body = {"model": agent.model, "name": agent.name[:256], "instructions": agent.instructions}
            made = _required_id((await self._wire.post("assistants", body=body)).body, "assistant")
            try:
                self._assistants[agent.agent_id] = await self._remember_assistant(agent.agent_id, made)
            except NotFound:  # the agent's row went meanwhile: this turn still has what it needs
                return made
            return self._assistants[agent.agent_id]

    async def _turns_present(self, thread_id: str, start: RunStart) -> set[str]:
        """The turns whose message is in the thread already: what a refused or cancelled run leaves is undocumented."""
        if not (start.repeated or start.displaced):
            return set()
        asked = [m for m in await self._newest_messages(thread_id, {}) if fields.text(m, "role") == "user"]
        turns = (start.turn_id, *(one.turn_id for one in start.displaced))
        return {turn_id for turn_id in turns if any(belongs(message, turn_id) for message in asked)}

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


def _required_id(body: Mapping[str, Any], what: str) -> str:
    made = fields.identifier(body)
    if made is None:
        raise OutcomeUnknown(f"The provider made a {what} and did not name it.")
    return made
