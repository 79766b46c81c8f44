"""Agents as the JSON people get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from shared.core.model import Agent


def agent_list(values: Sequence[Agent]) -> dict[str, Any]:
    """Who can answer. What everybody's agents are told and which tools they have stays inside."""
    return {"agents": [own_agent(agent) if agent.owned else _shared_agent(agent) for agent in values]}


def _shared_agent(agent: Agent) -> dict[str, Any]:
    return {
        "slug": agent.slug,
        "name": agent.name,
        "description": agent.description,
        "model": agent.model,
        "handoffs": list(agent.handoffs),
        "as_tool": agent.as_tool,
        "owned": agent.owned,
    }


def own_agent(agent: Agent) -> dict[str, Any]:
    """All that its user may say of it."""
    return _shared_agent(agent) | {
        "instructions": agent.instructions,
        "tools": list(agent.tools),
        "approvals": list(agent.approvals),
        "client_tools": [asdict(tool) for tool in agent.client_tools],
        "ask_user": agent.ask_user,
        "settings": dict(agent.settings),
        "output_schema": agent.output_schema,
        "hosted_tools": [dict(tool) for tool in agent.hosted_tools],
        "fallbacks": [{"model": one.model} for one in agent.fallbacks],
        "version": agent.version,
    }
