"""The body of a create on the Responses wire."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shared.core.run_start import RunStart
from shared.core.runs import ToolSpec
from shared.providers.agent_parameters import response_parameters
from shared.providers.responses.input_items import input_items, seeds, whole_item
from shared.providers.text import clean

METADATA_CHARS = 512
"""What the vendor documents as the most a metadata value may hold."""


def create_body(
    start: RunStart,
    conversation: str | None,
    *,
    background: bool,
    stream: bool = False,
    without: Collection[str] = (),
    whole_items: bool = False,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Message and run in one. Without a conversation the transcript goes along as input, this turn's steps included.

    `store`: a conversation and a background run need it, as the vendor documents, and a run that may be one step of
    several has to be readable by its id until the next; otherwise nothing of a transcript is left with the provider.
    `without`: fields that the server does not take. `whole_items`: it takes no short form of a message. `headers`: of
    MCP servers. Raises ProviderRefused where the agent asks for what cannot be sent.
    """
    agent = start.agent
    items = input_items(start) if conversation is not None else [*seeds(start.history), *input_items(start)]
    body: dict[str, Any] = {
        "model": agent.model,
        "input": [whole_item(item) for item in items] if whole_items else items,
        "store": conversation is not None or background or bool(start.tools or agent.hosted_tools),
        "metadata": {"turn_id": start.turn_id[:METADATA_CHARS], "run_key": start.run_key[:METADATA_CHARS]},
        **(asked := response_parameters(start, without, headers or {})),
    }
    if agent.instructions:
        body["instructions"] = agent.instructions
    if start.tools:
        body["tools"] = [*(_function(tool) for tool in start.tools), *asked.get("tools", ())]
    if background:
        body["background"] = True
    if stream:
        body["stream"] = True
    if conversation is not None:
        body["conversation"] = conversation
    return {name: value for name, value in body.items() if name not in without}


def _function(tool: ToolSpec) -> dict[str, Any]:
    """Not strict: the vendor's strict mode takes a part of JSON Schema only, and the arguments are checked anyway."""
    parameters = dict(tool.parameters)
    return {
        "type": "function",
        "name": tool.name,
        "description": clean(tool.description),
        "parameters": parameters,
        "strict": False,
    }
