"""Agents over PostgREST."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import NotFound
from shared.core.model import Agent, JsonObject
from shared.stores.answers import agent_of, by_outcome, list_of, nothing
from shared.stores.rows import read_agent
from shared.stores.rpc import DatabaseCalls, new_op
from shared.stores.storable import as_json


class AgentRows:
    def __init__(self, rpc: DatabaseCalls) -> None:
        self._rpc = rpc

    async def list_agents(self, user_id: str) -> Sequence[Agent]:
        return await self._rpc.call("chat_list_agents", list_of("agents", read_agent), user=user_id)

    async def get_agent(self, user_id: str, slug: str) -> Agent:
        return await self._rpc.call("chat_get_agent", by_outcome({"ok": agent_of}), user=user_id, slug=slug)

    async def create_agent(self, user_id: str, fields: JsonObject, most: int) -> Agent:
        return await self._rpc.call(
            "chat_create_agent",
            by_outcome({"ok": agent_of}),
            user=user_id,
            agent=new_op(),
            fields=as_json(fields),
            most=most,
        )

    async def change_agent(self, user_id: str, slug: str, fields: JsonObject) -> Agent:
        return await self._rpc.call(
            "chat_change_agent", by_outcome({"ok": agent_of}), user=user_id, slug=slug, fields=as_json(fields)
        )

    async def delete_agent(self, user_id: str, slug: str) -> None:
        agent = await self.get_agent(user_id, slug)
        if not agent.owned:
            raise NotFound
        await self._rpc.call("chat_delete_agent", by_outcome({"ok": nothing}), user=user_id, agent=agent.agent_id)

    async def begin_assistant(self, mark: str) -> None:
        await self._rpc.call("chat_begin_assistant", by_outcome({"ok": nothing}), mark=mark)

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str:
        return await self._rpc.call(
            "chat_remember_assistant",
            by_outcome({"ok": lambda answer: str(answer["assistant_id"])}),
            agent=agent_id,
            assistant=assistant_id,
            instead_of=instead_of,
            mark=mark,
        )
