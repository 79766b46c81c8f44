"""Agents: those that everybody has, users' own, and the assistants made for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.core.model import Agent, JsonObject


class Agents(Protocol):
    """Raises StoreUnavailable beside what each method names."""

    async def list_agents(self, user_id: str) -> Sequence[Agent]: ...

    async def get_agent(self, user_id: str, slug: str) -> Agent:
        """One that this user may address, with its peers. Raises NotFound."""
        ...

    async def create_agent(self, user_id: str, fields: JsonObject, most: int) -> Agent:
        """An agent of the user's own. Raises Conflict where the slug is taken or there are `most` already, and
        InvalidRequest, whose details name a `field` that is wrong, and the `fault`."""
        ...

    async def change_agent(self, user_id: str, slug: str, fields: JsonObject) -> Agent:
        """Change the fields given of an agent of the user's own. Raises NotFound, InvalidRequest."""
        ...

    async def delete_agent(self, user_id: str, slug: str) -> None:
        """Raises NotFound where the user has no such agent."""
        ...

    async def begin_assistant(self, mark: str) -> None:
        """An assistant that carries this mark, a UUID, is about to be made."""
        ...

    async def remember_assistant(
        self, agent_id: str, assistant_id: str, instead_of: str | None = None, mark: str | None = None
    ) -> str:
        """Record the assistant made for an agent that named none, or `instead_of` one of ours that was deleted.

        Returns the one on record, the first to arrive.

        Raises NotFound.
        """
        ...
