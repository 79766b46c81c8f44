"""What a function needs to be a tool: a name, a schema, whether it may run twice, how long it may take.

    @tool(idempotent=True)
    async def read_weather(context: ToolContext, city: Annotated[str, Field(description="...")]) -> dict[str, float]:
        \"\"\"The weather in a city, now.\"\"\"

The docstring is what the model reads, the type hints are the schema and are checked before the function is called. An
agent is offered it once its row's `tools` names it. Whose data may be touched is said by the context, not by arguments.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import to_json

from shared import logs
from shared.core.chat_events import EventName
from shared.core.model import Agent, JsonObject
from shared.core.runs import ToolSpec
from shared.core.tool_messages import ASK, TRANSFER, error_output
from shared.ports import Store

TIMEOUT_SECONDS = 10.0
MAX_OUTPUT_CHARS = 32_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Whose turn it is, and the way to their data. `call_id` is the model's, the same for a call that is repeated."""

    user_id: str
    conversation_id: str
    turn_id: str
    call_id: str
    store: Store


class ToolFailed(Exception):
    """Raised by a tool to tell the model, in `message`, why it could not be done."""

    def __init__(self, message: str, code: str = "tool_failed") -> None:
        super().__init__(message)
        self.message, self.code = message, code


@dataclass(frozen=True, slots=True)
class Tool:
    spec: ToolSpec
    idempotent: bool  # may run again where an earlier holder died in the middle
    timeout_seconds: float
    agents: frozenset[str] | None  # slugs of global agents that may be given it; None: any agent
    _arguments: type[BaseModel]
    _function: Callable[..., Awaitable[Any]]

    async def run(self, context: ToolContext, arguments: str) -> str:
        """The output for the model: what the function returned as JSON, or a typed error."""
        try:
            given = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            return error_output("invalid_arguments", _faults(error))
        named = {name: getattr(given, name) for name in type(given).model_fields}
        limit = asyncio.timeout(self.timeout_seconds)
        try:
            async with limit:
                output = _as_text(await self._function(context, **named))
        except ToolFailed as failure:
            return error_output(failure.code, failure.message)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                return error_output("tool_timeout", "The tool took too long; whether it had an effect is unknown.")
            logs.event(EventName.TOOL_FAILED, level=logging.WARNING, tool=self.spec.name, error=type(error).__name__)
            return error_output("tool_failed", "The tool failed; whether it had an effect is unknown.")
        if len(output) > MAX_OUTPUT_CHARS:
            return error_output("output_too_large", f"The output is longer than {MAX_OUTPUT_CHARS} characters.")
        return output


class Registry:
    """Tools by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def tool(
        self,
        *,
        idempotent: bool,
        timeout_seconds: float = TIMEOUT_SECONDS,
        agents: Collection[str] | None = None,
        name: str | None = None,
    ) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
        """Registers an async function whose first parameter is the context.

        `agents`: only the global agents with these slugs may be given it.
        """

        def register(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            called = name or function.__name__
            if not inspect.iscoroutinefunction(function):
                raise TypeError(f"{called} must be an async function: a blocking one would stop all other requests")
            if not _NAME.fullmatch(called) or called.startswith((TRANSFER, ASK)) or called in self._tools:
                raise ValueError(f"{called!r} is taken, reserved or no name for a tool")
            model = _arguments_of(function, called)
            spec = ToolSpec(called, inspect.getdoc(function) or "", _schema(model))
            limited = None if agents is None else frozenset(agents)
            self._tools[called] = Tool(spec, idempotent, timeout_seconds, limited, model, function)
            return function

        return register

    @property
    def for_everyone(self) -> frozenset[str]:
        """The names of those that any agent may be given, one of a user's own as well."""
        return frozenset(name for name, tool in self._tools.items() if tool.agents is None)

    def of(self, agent: Agent) -> dict[str, Tool]:
        """Those its row names and that it may have. A name that is not registered is left out.

        A user may call an agent of their own as they like, so its slug gives it nothing.
        """
        found = {name: tool for name in agent.tools if (tool := self._tools.get(name))}
        slug = None if agent.owned else agent.slug
        return {name: tool for name, tool in found.items() if tool.agents is None or slug in tool.agents}


def specs(tools: dict[str, Tool]) -> Sequence[ToolSpec]:
    return [tool.spec for tool in tools.values()]


REGISTRY = Registry()
tool = REGISTRY.tool


def _arguments_of(function: Callable[..., Any], name: str) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is inspect.Parameter.empty else each.default)
        for each in parameters
    }
    return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def _schema(model: type[BaseModel]) -> JsonObject:
    schema = model.model_json_schema()
    schema.pop("title", None)
    return {"properties": {}, **schema}


def _faults(error: ValidationError) -> str:
    """Which arguments are wrong and why, without what they were."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults[:5])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
