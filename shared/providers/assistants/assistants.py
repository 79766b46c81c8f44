"""The assistants behind agents that name none: made once, remembered, made anew after a deletion."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from shared.core.errors import NotFound, OutcomeUnknown, ProviderError
from shared.core.model import Agent
from shared.ports import RemoteObject
from shared.providers import fields
from shared.providers.refusals.meaning import is_gone, lacks_route
from shared.providers.wire import Wire

MARK = "made_as"  # in its metadata: the id of our record
ASSISTANTS_PER_PAGE = 100  # as the vendor documents
_PAGES = 10


class AssistantRecords(Protocol):
    """The store's, of the assistants that were made here."""

    async def begin_assistant(self, mark: str) -> None: ...

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str: ...


class Assistants:
    def __init__(self, wire: Wire, records: AssistantRecords) -> None:
        self._wire = wire
        self._records = records
        self._known: dict[str, str] = {}  # by agent id
        self._made: set[str] = set()  # by this process; the agent's row tells it of those that others made
        self._gone: set[str] = set()  # of ours, deleted at the provider; the record may still name them
        self._making = asyncio.Lock()

    async def of(self, agent: Agent) -> str:
        """The agent's assistant. It is on record before it is made: one left over by a lost answer is deleted."""
        if agent.assistant_id and agent.assistant_id not in self._gone:
            return agent.assistant_id
        async with self._making:
            if known := self._known.get(agent.agent_id):
                return known
            body = {"model": agent.model, "name": agent.name[:256], "instructions": agent.instructions}
            mark = str(uuid.uuid4())
            await self._records.begin_assistant(mark)
            answer = await self._wire.post("assistants", body={**body, "metadata": {MARK: mark}})
            made = required_id(answer.body, "assistant")
            self._made.add(made)
            try:
                gone = agent.assistant_id if agent.assistant_id in self._gone else None
                on_record = await self._records.remember_assistant(agent.agent_id, made, gone, mark)
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

    async def delete(self, remote: RemoteObject) -> bool:
        """Whether it is gone, or was never made. Raises nothing."""
        try:
            assistant_id = remote.object_id or await self._find(remote.record_id)
            if assistant_id is not None:
                await self._wire.delete("assistants", assistant_id)
        except ProviderError as error:
            return is_gone(error) or lacks_route(error)
        return True

    async def _find(self, mark: str) -> str | None:
        """The one that carries this mark: its maker died, or did not hear that it was made."""
        query: dict[str, str | int] = {"limit": ASSISTANTS_PER_PAGE, "order": "desc"}
        for _ in range(_PAGES):
            page = (await self._wire.get("assistants", query=query)).body
            listed = fields.objects(page, "data")
            for assistant in listed:
                if fields.inner(assistant, "metadata").get(MARK) == mark:
                    return fields.identifier(assistant)
            last = fields.identifier(listed[-1]) if listed else None
            if page.get("has_more") is not True or last is None or last == query.get("after"):
                return None
            query["after"] = last
        raise OutcomeUnknown("There are more assistants than are looked through.")


def required_id(body: Mapping[str, Any], what: str) -> str:
    made = fields.identifier(body)
    if made is None:
        raise OutcomeUnknown(f"The provider made a {what} and did not name it.")
    return made
