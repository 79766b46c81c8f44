"""What an agent's row asks of its model: sent by each wire under its own names, left out where a server refuses it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx
from openai import AsyncOpenAI

from shared.core.error_codes import ErrorCode
from shared.core.errors import ProviderRefused
from shared.core.run_start import RunStart
from shared.core.runs import Thread, ToolSpec
from shared.providers.agent_parameters import response_parameters, run_parameters
from tests.providers.making import BASE_URL, agent, assistants, openai_client, responses, start

CLOSED = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["title", "tags"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"title": {"type": "string"}}}
NESTED = CLOSED | {"properties": {"title": OPEN, "tags": {"type": "string"}}}


def with_title(schema: dict[str, Any]) -> dict[str, Any]:
    return CLOSED | {"properties": {"title": schema, "tags": {"type": "string"}}}


SETTINGS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, None),
    ({"max_output_tokens": 99}, {"max_output_tokens": 99}, {"max_completion_tokens": 99}),
    ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
    ({"tool_choice": "required"}, {"tool_choice": "required"}, {"tool_choice": "required"}),
    (
        {"tool_choice": "look"},
        {"tool_choice": {"type": "function", "name": "look"}},
        {"tool_choice": {"type": "function", "function": {"name": "look"}}},
    ),
    ({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}, None),
    ({"service_tier": "flex"}, {"service_tier": "flex"}, None),
]
HOSTED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ({"type": "web_search", "search_context_size": "low"}, {"type": "web_search", "search_context_size": "low"}, None),
    (
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        None,
    ),
    ({"type": "image_generation"}, {"type": "image_generation"}, None),
    (
        {"type": "code_interpreter"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "code_interpreter"},
    ),
    (
        {
            "type": "mcp",
            "server_label": "issues",
            "server_url": "https://x.example/mcp",
            "headers": {"X-Key": "issues"},
        },
        {
            "type": "mcp",
            "server_label": "issues",
            "server_url": "https://x.example/mcp",
            "headers": {"X-Key": "secret"},
            "require_approval": "always",
        },
        None,
    ),
]
LOOK = ToolSpec("look", "Look.", {"type": "object", "properties": {}})


def asked(**fields: Any) -> RunStart:
    return start(Thread("responses"), agent=agent(**fields))


@pytest.mark.parametrize(("settings", "in_response", "in_run"), SETTINGS)
def test_a_setting_has_a_name_on_each_wire_or_is_refused(
    settings: dict[str, Any], in_response: dict[str, Any], in_run: dict[str, Any] | None
) -> None:
    assert response_parameters(asked(settings=settings), (), {}) == in_response
    if in_run is not None:
        assert run_parameters(asked(settings=settings), ()) == in_run
        return
    with pytest.raises(ProviderRefused) as refusal:
        run_parameters(asked(settings=settings), ())
    assert refusal.value.code is ErrorCode.AGENT_NOT_SUPPORTED


@pytest.mark.parametrize(("tool", "in_response", "in_run"), HOSTED)
def test_a_hosted_tool_is_sent_as_it_stands_or_is_refused(
    tool: dict[str, Any], in_response: dict[str, Any], in_run: dict[str, Any] | None
) -> None:
    assert response_parameters(asked(hosted_tools=(tool,)), (), {"issues": "secret"}) == {"tools": [in_response]}
    if in_run is not None:
        assert run_parameters(asked(hosted_tools=(tool,)), ()) == {"tools": [in_run]}
        return
    with pytest.raises(ProviderRefused):
        run_parameters(asked(hosted_tools=(tool,)), ())


def test_a_header_that_is_not_set_is_refused_before_anything_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        response_parameters(asked(hosted_tools=(HOSTED[-1][0],)), (), {"other": "secret"})
    assert refusal.value.code is ErrorCode.AGENT_NOT_SUPPORTED
    (logged,) = [record for record in caplog.records if record.message == "agent.not_supported"]
    assert vars(logged)["event"] == {"agent": "writer", "lacks": "MCP_HEADERS.issues"}


def test_a_count_is_sent_as_a_whole_number_however_its_row_writes_it() -> None:
    files = {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 5.0}
    sent = response_parameters(asked(settings={"max_output_tokens": 64.0}, hosted_tools=(files,)), (), {})
    assert json.dumps([sent["max_output_tokens"], sent["tools"][0]["max_num_results"]]) == "[64, 5]"
    run = run_parameters(asked(settings={"max_output_tokens": 64.0, "temperature": 1.0}), ())
    assert json.dumps(run) == '{"temperature": 1.0, "max_completion_tokens": 64}'


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        (NESTED, False),
        (with_title({"type": ["object", "null"]}), False),
        (with_title(CLOSED | {"type": ["object", "null"]}), True),
        (with_title({"allOf": [{"type": "string"}]}), False),
        (with_title({"anyOf": [{"type": "string"}, {"type": "null"}]}), True),
        (with_title({"enum": [{"properties": {}}]}), True),
        (CLOSED | {"$defs": {"not": CLOSED}}, True),
        (CLOSED | {"$defs": {"enum": OPEN}}, False),
        (CLOSED | {"required": "title"}, False),
        (CLOSED | {"required": [{}, "title"]}, False),
        (CLOSED | {"properties": 5}, False),
    ],
)
def test_a_schema_is_strict_where_the_vendor_takes_it_so(schema: dict[str, Any], strict: bool) -> None:
    named = {"name": "writer", "schema": schema, "strict": strict}
    wanted = asked(output_schema=schema)
    assert response_parameters(wanted, (), {}) == {"text": {"format": {"type": "json_schema", **named}}}
    assert run_parameters(wanted, ()) == {"response_format": {"type": "json_schema", "json_schema": named}}


def test_a_call_is_forced_once_in_a_turn() -> None:
    for choice, later in (("required", {}), ("look", {}), ("none", {"tool_choice": "none"})):
        going_on = start(Thread("responses"), agent=agent(settings={"tool_choice": choice}), after_calls=True)
        assert response_parameters(going_on, (), {}) == later


@pytest.fixture
async def client() -> AsyncIterator[AsyncOpenAI]:
    async with openai_client() as opened:
        yield opened


@pytest.fixture
def api() -> Any:
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as mock:
        yield mock


def sent(route: respx.Route, at: int) -> Any:
    return json.loads(route.calls[at].request.content)


RESPONSE = {"id": "resp_1", "status": "queued", "background": True, "conversation": {"id": "conv_1"}}
RUN = {"id": "run_1", "thread_id": "thread_1", "status": "queued"}
# (the setting, how a server says that it does not take it, where the create has it)
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"temperature": 1}, "temperature", "temperature"),
    ({"top_p": 1}, "top_p", "top_p"),
    ({"reasoning_effort": "high"}, "reasoning.effort", "reasoning"),
    ({"verbosity": "low"}, "text.verbosity", "text"),
    ({"prompt_cache_key": "k"}, "prompt_cache_key", "prompt_cache_key"),
    ({"service_tier": "flex"}, "service_tier", "service_tier"),
]


def refusal_of(param: str) -> httpx.Response:
    said = f"Unsupported parameter: '{param}' is not supported with this model."
    return httpx.Response(400, json={"error": {"message": said, "param": param, "code": "unsupported_parameter"}})


@pytest.mark.parametrize(("settings", "param", "field"), REFUSED)
async def test_a_setting_that_a_model_does_not_take_is_left_out_for_that_model(
    client: AsyncOpenAI, api: respx.MockRouter, settings: dict[str, Any], param: str, field: str
) -> None:
    route = api.post("/responses")
    route.side_effect = [refusal_of(param), *[httpx.Response(200, json=RESPONSE)] * 3]
    provider, thread = responses(client), Thread("responses", "conv_1")

    for model in ("first", "first", "second"):
        await provider.start_run(start(thread, agent=agent(settings=settings, model=model)))

    assert [field in sent(route, at) for at in range(4)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"settings": {"max_output_tokens": 99}}, "max_output_tokens"),
        ({"settings": {"tool_choice": "required"}}, "tool_choice"),
        ({"output_schema": CLOSED}, "text.format"),
        ({"hosted_tools": ({"type": "web_search"},)}, "tools[0].type"),
    ],
)
async def test_what_bounds_a_run_or_is_promised_is_never_left_out(
    client: AsyncOpenAI, api: respx.MockRouter, fields: dict[str, Any], param: str
) -> None:
    route = api.post("/responses").mock(return_value=refusal_of(param))

    with pytest.raises(ProviderRefused):
        await responses(client).start_run(start(Thread("responses", "conv_1"), agent=agent(**fields)))

    assert route.call_count == 1


async def test_a_threads_run_goes_without_what_its_model_refuses(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/threads/thread_1/runs")
    accepted = [httpx.Response(200, json=RUN)] * 2
    route.side_effect = [refusal_of("temperature"), refusal_of("reasoning_effort"), *accepted]
    provider = assistants(client)

    for _ in range(2):
        wanted = agent(settings={"temperature": 1, "reasoning_effort": "high", "top_p": 0.5})
        await provider.start_run(start(Thread("assistants", "thread_1"), agent=wanted))

    names = [{"temperature", "reasoning_effort", "top_p"} & sent(route, at).keys() for at in range(4)]
    assert names[1:] == [{"reasoning_effort", "top_p"}, {"top_p"}, {"top_p"}]


async def test_a_provider_is_told_a_hash_of_the_user_until_it_refuses(
    client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    route = api.post("/responses")
    route.side_effect = [refusal_of("safety_identifier"), httpx.Response(200, json=RESPONSE)]
    tools = (LOOK,)
    wanted = start(Thread("responses", "conv_1"), safety_identifier="0" * 64, tools=tools)

    await responses(client).start_run(wanted)

    assert (sent(route, 0)["safety_identifier"], "safety_identifier" in sent(route, 1)) == ("0" * 64, False)
    assert [tool["name"] for tool in sent(route, 1)["tools"]] == ["look"]
