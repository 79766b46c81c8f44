"""What an agent's row asks of its model, as parameters of a create: the one place that knows each wire's names for it.

A server may refuse some of them, which then are left out (`DISPENSABLE`): none that bounds what a run may cost, say or
call. What a wire has no parameter for is refused before anything is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from shared import logs
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.errors import ProviderRefused
from shared.core.model import Agent, JsonObject
from shared.core.run_start import RunStart

ASSISTANTS_LACK = frozenset({"verbosity", "prompt_cache_key", "service_tier"})
ASSISTANTS_HOST = frozenset({"code_interpreter"})  # other tools of this kind belong to an assistant, not to its run
_WORDS = frozenset({"auto", "none", "required"})


def response_parameters(start: RunStart, without: Collection[str], headers: Mapping[str, str]) -> dict[str, Any]:
    """For a create of the Responses wire. `headers`: those of MCP servers, by the names that rows call them.

    Raises ProviderRefused where the row names a header that is not set.
    """
    settings = _left(start.agent.settings, without)
    body = {name: settings[name] for name in _SAME_NAME & settings.keys()}
    if "reasoning_effort" in settings:
        body["reasoning"] = {"effort": settings["reasoning_effort"]}
    text: dict[str, Any] = {}
    if (schema := start.agent.output_schema) is not None:
        text["format"] = {"type": "json_schema", **_named_schema(start.agent, schema)}
    if "verbosity" in settings:
        text["verbosity"] = settings["verbosity"]
    if text:
        body["text"] = text
    if (choice := _tool_choice(start)) is not None:
        body["tool_choice"] = choice if choice in _WORDS else {"type": "function", "name": choice}
    if start.safety_identifier and "safety_identifier" not in without:
        body["safety_identifier"] = start.safety_identifier
    return body | _tools([_hosted(tool, headers, start.agent.slug) for tool in start.agent.hosted_tools])


def run_parameters(start: RunStart, without: Collection[str]) -> dict[str, Any]:
    """For a create of the thread/run wire. Raises ProviderRefused where the row asks for what that wire cannot do."""
    agent = start.agent
    lacking = [name for name in agent.settings if name in ASSISTANTS_LACK]
    lacking += [str(tool.get("type")) for tool in agent.hosted_tools if tool.get("type") not in ASSISTANTS_HOST]
    if lacking:
        raise _not_supported(agent.slug, lacking[0], f"A thread's run takes no {lacking[0]}.")
    settings = _left(agent.settings, without)
    body = {name: settings[name] for name in ("temperature", "top_p", "reasoning_effort") if name in settings}
    if "max_output_tokens" in settings:
        body["max_completion_tokens"] = settings["max_output_tokens"]
    if agent.output_schema is not None:
        schema = _named_schema(agent, agent.output_schema)
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if (choice := _tool_choice(start)) is not None:
        body["tool_choice"] = choice if choice in _WORDS else {"type": "function", "function": {"name": choice}}
    return body | _tools([{"type": tool["type"]} for tool in agent.hosted_tools])


_SAME_NAME = frozenset({"temperature", "top_p", "max_output_tokens", "prompt_cache_key", "service_tier"})


_COUNTS = frozenset({"max_output_tokens", "max_num_results"})


def _left(settings: JsonObject, without: Collection[str]) -> JsonObject:
    return {name: _counted(name, value) for name, value in settings.items() if name not in without}


def _counted(name: str, value: Any) -> Any:
    """A row may hold a whole number as 64.0, which a server that reads it strictly takes for none."""
    return int(value) if name in _COUNTS and isinstance(value, float) else value


def _tools(hosted: list[dict[str, Any]]) -> dict[str, Any]:
    return {"tools": hosted} if hosted else {}


def _tool_choice(start: RunStart) -> str | None:
    """A choice that forces a call forces the first one: with every run it would never let the agent answer."""
    choice = start.agent.settings.get("tool_choice")
    forces = choice not in (None, "auto", "none")
    return None if choice is None or (forces and start.after_calls) else str(choice)


def _named_schema(agent: Agent, schema: JsonObject) -> dict[str, Any]:
    return {"name": agent.slug, "schema": dict(schema), "strict": _is_closed(schema)}


_NEVER_STRICT = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"}
)
_NAMED_SCHEMAS = ("properties", "$defs", "definitions")
_VALUES = frozenset({"enum", "const", "default", "examples"})  # whose contents are no schemas


def _is_closed(schema: Any) -> bool:
    """Whether the vendor's strict mode takes it: every object says that it has these fields, all of them, and no
    others, and nothing in it is what that mode refuses. Then the model is held to it; otherwise it is only told."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if not isinstance(schema, Mapping):
        return True
    kinds, fields, required = schema.get("type"), schema.get("properties", {}), schema.get("required", [])
    if not isinstance(fields, Mapping) or not isinstance(required, list) or _NEVER_STRICT & schema.keys():
        return False
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema:
        named = [name for name in required if isinstance(name, str)]
        if schema.get("additionalProperties") is not False or (len(named), set(named)) != (len(required), set(fields)):
            return False
    below = {name: value for name, value in schema.items() if name not in _VALUES}
    named_below = [below.pop(name) for name in _NAMED_SCHEMAS if isinstance(below.get(name), Mapping)]
    return all(map(_is_closed, below.values())) and all(_is_closed(list(schemas.values())) for schemas in named_below)


def _hosted(tool: JsonObject, headers: Mapping[str, str], slug: str) -> dict[str, Any]:
    body = {name: _counted(name, value) for name, value in tool.items()}
    if tool["type"] == "code_interpreter":
        body.setdefault("container", {"type": "auto"})
    if tool["type"] == "mcp":
        body.setdefault("require_approval", "always")
        if missing := [known for known in tool.get("headers", {}).values() if known not in headers]:
            raise _not_supported(slug, f"MCP_HEADERS.{missing[0]}", f"MCP_HEADERS has no {missing[0]}.")
        if "headers" in tool:
            body["headers"] = {name: headers[known] for name, known in tool["headers"].items()}
    return body


def _not_supported(slug: str, lacks: str, message: str) -> ProviderRefused:
    """An operator is told by the log what is lacking: the turn's user could do nothing about it."""
    logs.event(EventName.AGENT_NOT_SUPPORTED, level=logging.WARNING, agent=slug, lacks=lacks)
    return ProviderRefused(message, code=ErrorCode.AGENT_NOT_SUPPORTED)
