"""The assistants behind agents that name none: made once, remembered, made anew after a deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.core.errors import NotFound, OutcomeUnknown
from shared.core.model import Agent
from shared.providers import fields
from shared.providers.wire import Wire

RememberAssistant = Callable[[str, str, str | None], Awaitable[str]]
"""(agent id, assistant id, the deleted one it replaces) -> the id on record: the store's `remember_assistant`."""


class Assistants:
    def __init__(self, wire: Wire, remember: RememberAssistant) -> None:
        self._wire = wire
        self._remember = remember
        self._known: dict[str, str] = {}  # by agent id
        self._made: set[str] = set()  # by this process; the agent's row tells it of those that others made
        self._gone: set[str] = set()  # of ours, deleted at the provider; the record may still name them
        self._making = asyncio.Lock()

    async def of(self, agent: Agent) -> str:
        """The agent's assistant. One left over by a lost answer is harmless."""
        if agent.assistant_id and agent.assistant_id not in self._gone:
            return agent.assistant_id
        async with self._making:
            if known := self._known.get(agent.agent_id):
                return known
            body = {"model": agent.model, "name": agent.name[:256], "instructions": agent.instructions}
            made = required_id((await self._wire.post("assistants", body=body)).body, "assistant")
            self._made.add(made)
            try:
                gone = agent.assistant_id if agent.assistant_id in self._gone else None
                on_record = await self._remember(agent.agent_id, made, gone)
            except NotFound:  # the agent's row went meanwhile: this turn still has what it needs
                return made
            self._known[agent.agent_id] = made if on_record in self._gone else on_record
            return self._known[agent.agent_id]

    def forget(self, agent: Agent, assistant_id: str) -> bool:
        """Take note that it is gone; False where it is not ours to make anew."""
        if assistant_id not in self._made and not agent.assistant_made:
            return False
        self._gone.add(assistant_id)
        if self._known.get(agent.agent_id) == assistant_id:
            del self._known[agent.agent_id]
        return True


def required_id(body: Mapping[str, Any], what: str) -> str:
    made = fields.identifier(body)
    if made is None:
        raise OutcomeUnknown(f"The provider made a {what} and did not name it.")
    return made
