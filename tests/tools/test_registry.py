"""The registry of functions that agents may call."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Annotated, Any, cast

import pytest
from pydantic import Field

from shared.core.model import Agent
from shared.ports import Store
from shared.tools.registry import MAX_OUTPUT_CHARS, Registry, ToolContext, ToolFailed

CONTEXT = ToolContext("user", "conversation", "turn", "call", cast(Store, None))


def agent(slug: str, *tools: str) -> Agent:
    return Agent(slug, slug, "", "m", "", tools=tools)


@pytest.fixture
def registry() -> Registry:
    return Registry()


async def test_ten_lines_make_a_tool(registry: Registry) -> None:
    @registry.tool(idempotent=True)
    async def read_weather(
        context: ToolContext, city: Annotated[str, Field(min_length=1, description="Where.")], days: int = 1
    ) -> dict[str, Any]:
        """The weather in a city."""
        return {"city": city, "days": days, "of": context.user_id}

    made = registry.of(agent("a", "read_weather", "never_registered"))["read_weather"]
    assert made.spec.description == "The weather in a city."
    properties = made.spec.parameters["properties"]
    assert properties["city"] == {"description": "Where.", "minLength": 1, "title": "City", "type": "string"}
    assert made.spec.parameters["required"] == ["city"]
    assert made.spec.parameters["additionalProperties"] is False
    assert json.loads(await made.run(CONTEXT, '{"city": "Ulm"}')) == {"city": "Ulm", "days": 1, "of": "user"}
    for wrong in ("{}", "[]", "nope", '{"city": ""}', '{"city": "Ulm", "user_id": "x"}', '{"city": 3}'):
        assert json.loads(await made.run(CONTEXT, wrong))["error"]["code"] == "invalid_arguments"
    assert "Ulm" not in await made.run(CONTEXT, '{"city": "Ulm", "days": "soon"}'), "an error quotes no argument"


async def test_what_goes_wrong_is_told_to_the_model_and_says_nothing_of_the_inside(registry: Registry) -> None:
    @registry.tool(idempotent=False)
    async def fail(context: ToolContext, how: str) -> str:
        """Fails."""
        if how == "typed":
            raise ToolFailed("The shop is closed.", "closed")
        if how == "late":
            await asyncio.Event().wait()
        if how == "long":
            return "x" * (MAX_OUTPUT_CHARS + 1)
        raise RuntimeError("canary")

    @registry.tool(idempotent=False, timeout_seconds=0.01, name="slow")
    async def slow(context: ToolContext) -> str:
        """Waits."""
        await asyncio.Event().wait()
        return ""

    tools = registry.of(agent("a", "fail", "slow"))

    async def code(name: str, arguments: str) -> Any:
        return json.loads(await tools[name].run(CONTEXT, arguments))["error"]

    assert await code("fail", '{"how": "typed"}') == {"code": "closed", "message": "The shop is closed."}
    assert (await code("fail", '{"how": "long"}'))["code"] == "output_too_large"
    assert (await code("slow", ""))["code"] == "tool_timeout"
    failed = await code("fail", '{"how": "otherwise"}')
    assert failed["code"] == "tool_failed"
    assert "canary" not in failed["message"]


def test_who_may_be_given_a_tool(registry: Registry) -> None:
    @registry.tool(idempotent=True, agents=["writer"])
    async def write(context: ToolContext) -> None:
        """Writes."""

    assert registry.of(agent("writer", "write")).keys() == {"write"}
    assert registry.of(agent("writer")) == {}
    assert registry.of(agent("reader", "write")) == {}
    # a user's own agent may be called as one that has more
    assert registry.of(replace(agent("writer", "write"), owned=True)) == {}


@pytest.mark.parametrize("name", ["transfer_to_x", "ask_x", "Bad", "with space", "", "x" * 65])
def test_names_that_mean_something_else_are_refused(registry: Registry, name: str) -> None:
    async def function(context: ToolContext) -> None: ...

    with pytest.raises(ValueError, match="name"):
        registry.tool(idempotent=True, name=name or "1")(function)


def test_a_function_that_would_block_everybody_is_refused(registry: Registry) -> None:
    def blocking(context: ToolContext) -> None: ...

    with pytest.raises(TypeError, match="async"):
        registry.tool(idempotent=True)(cast(Any, blocking))
