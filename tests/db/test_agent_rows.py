"""What an agent's row may hold, written by a user or an operator: an error says which field is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.db.database import Chat, Database, new_id

MCP = {"type": "mcp", "server_label": "issues", "server_url": "https://x.example/mcp"}
OBJECT: dict[str, Any] = {"type": "object", "properties": {}}
CLIENT_TOOL = {"name": "where_am_i", "description": "The user's place.", "parameters": OBJECT}


def nested(depth: int) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": nested(depth - 1)}} if depth else {"type": "object"}


WRONG: list[tuple[str, Any, str]] = [
    ("settings", [], "settings has to be a JSON object"),
    ("settings", {"reasoning_effort": 3}, "settings.reasoning_effort "),
    ("settings", {"verbosity": "loud"}, "settings.verbosity "),
    ("settings", {"max_output_tokens": 99.5}, "settings.max_output_tokens "),
    ("settings", {"max_output_tokens": 1}, "settings.max_output_tokens "),
    ("settings", {"temperature": 2.5}, "settings.temperature has to be a number from 0 to 2"),
    ("settings", {"temperature": None}, "settings.temperature "),
    ("settings", {"top_p": "1"}, "settings.top_p "),
    ("settings", {"tool_choice": {"type": "auto"}}, "settings.tool_choice "),
    ("settings", {"prompt_cache_key": "a b"}, "settings.prompt_cache_key "),
    ("settings", {"service_tier": "Flex"}, "settings.service_tier "),
    ("settings", {"temprature": 1}, "settings.temprature is not a setting"),
    ("output_schema", {"type": "array"}, "output_schema "),
    ("output_schema", "object", "output_schema "),
    ("output_schema", {"type": "object", "description": "x" * 32000}, "output_schema "),
    ("output_schema", {"type": "object", "properties": 5}, "output_schema.properties has to be a JSON object"),
    ("output_schema", OBJECT | {"required": "a"}, "output_schema.required has to be a list of names"),
    ("output_schema", OBJECT | {"required": [{}]}, "output_schema.required "),
    ("output_schema", OBJECT | {"properties": {"a b": 1}}, "output_schema.properties.a_b has to be a JSON Schema"),
    ("output_schema", OBJECT | {"items": {"anyOf": [{}, {"type": "text"}]}}, "output_schema.items.anyOf[1].type "),
    ("output_schema", OBJECT | {"$defs": {"a": {"enum": "a"}}}, "output_schema.$defs.a.enum "),
    ("output_schema", nested(32), "output_schema.properties.a.properties.a."),
    ("client_tools", [CLIENT_TOOL | {"parameters": OBJECT | {"required": 1}}], "client_tools[0].parameters.required "),
    ("client_tools", [CLIENT_TOOL | {"parameters": {"type": "array"}}], "client_tools[0].parameters has to be a JSON"),
    ("client_tools", {}, "client_tools has to be a list"),
    ("client_tools", [CLIENT_TOOL, "where_am_i"], "client_tools[1] has to be a JSON object"),
    ("client_tools", [CLIENT_TOOL, CLIENT_TOOL], "client_tools has two functions of one name"),
    ("client_tools", [CLIENT_TOOL | {"speed": 1}], "client_tools[0] may have a name"),
    ("client_tools", [CLIENT_TOOL | {"name": "a b"}], "client_tools[0].name has to be "),
    ("client_tools", [CLIENT_TOOL | {"name": "ask_user"}], "client_tools[0].name is that of another function"),
    ("client_tools", [CLIENT_TOOL | {"description": None}], "client_tools[0].description "),
    ("hosted_tools", {}, "hosted_tools has to be a list"),
    ("hosted_tools", ["web_search"], "hosted_tools[0] has to be a JSON object"),
    ("hosted_tools", [{"type": "computer"}], "hosted_tools[0].type "),
    ("hosted_tools", [{"type": "web_search", "speed": 1}], "hosted_tools[0].speed is not a field of it"),
    ("hosted_tools", [{"type": "web_search"}, {"type": "file_search"}], "hosted_tools[1].vector_store_ids is missing"),
    ("hosted_tools", [{"type": "file_search", "vector_store_ids": []}], "hosted_tools[0].vector_store_ids "),
    ("hosted_tools", [{"type": "code_interpreter", "container": "cntr_1"}], "hosted_tools[0].container "),
    ("hosted_tools", [MCP | {"server_url": "http://x.example"}], "hosted_tools[0].server_url has to be an https"),
    ("hosted_tools", [MCP | {"server_url": "https://me:pw@x.example"}], "hosted_tools[0].server_url "),
    ("hosted_tools", [{"type": "mcp", "server_label": "x"}], "hosted_tools[0].server_url is missing"),
    ("hosted_tools", [MCP | {"headers": {"Authorization": "Bearer x"}}], "hosted_tools[0].headers "),
    ("hosted_tools", [MCP | {"headers": ["x"]}], "hosted_tools[0].headers "),
    ("hosted_tools", [MCP | {"require_approval": "maybe"}], "hosted_tools[0].require_approval "),
    ("hosted_tools", [MCP, MCP], "hosted_tools has two servers of one server_label"),
    ("fallbacks", {}, "fallbacks has to be a list"),
    ("fallbacks", [{"model": "b"}] * 6, "fallbacks has to be a list of at most 5"),
    ("fallbacks", [{"model": "b"}, {}], "fallbacks[1] "),
    ("fallbacks", [{"provider": "other"}], "fallbacks[0] "),
    ("fallbacks", [{"model": "b", "key": "k"}], "fallbacks[0] "),
]
RIGHT: list[tuple[str, Any]] = [
    ("settings", {"reasoning_effort": "xhigh", "verbosity": "low", "max_output_tokens": 16, "temperature": 0}),
    ("settings", {"top_p": 0.25, "tool_choice": "read_project", "prompt_cache_key": "k:1", "service_tier": "flex"}),
    ("output_schema", {"type": "object", "properties": {}}),
    ("output_schema", OBJECT | {"properties": {"a": True, "b": {"type": ["string", "null"], "enum": ["x", None]}}}),
    ("output_schema", OBJECT | {"properties": {"type": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "string"}}}),
    ("output_schema", nested(28)),
    ("client_tools", [CLIENT_TOOL]),
    ("hosted_tools", [{"type": "web_search", "user_location": {"type": "approximate", "country": "DE"}}]),
    ("hosted_tools", [{"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 5}]),
    ("hosted_tools", [{"type": "image_generation", "size": "1024x1024"}, {"type": "code_interpreter"}]),
    ("hosted_tools", [MCP | {"headers": {"Authorization": "issues"}, "allowed_tools": ["read"]}]),
    ("fallbacks", [{"model": "b"}, {"provider": "assistants"}, {"model": "c", "provider": "responses"}]),
]


@pytest.fixture
def owner(chat: Chat) -> Iterator[str]:
    owner = new_id()
    yield owner
    chat.db.run("delete from public.chat_agents where owner_id = %s", owner)


def insert(db: Database, owner: str, provider: str | None = None, **columns: Any) -> None:
    values = {name: json.dumps(value) for name, value in columns.items()}
    names = ", ".join(["owner_id", "slug", "name", "model", "provider", *values])
    places = ", ".join(["%s"] * (5 + len(values)))
    statement = f"insert into public.chat_agents ({names}) values ({places})"
    db.run(statement, owner, "writer", "Writer", "m", provider, *values.values())


@pytest.mark.parametrize(("column", "value", "says"), WRONG)
def test_a_row_is_refused_for_the_field_that_is_wrong(
    db: Database, owner: str, column: str, value: Any, says: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refusal:
        insert(db, owner, **{column: value})
    assert str(refusal.value).startswith(f"chat_agents: {says}")
    assert refusal.value.diag.column_name == column


@pytest.mark.parametrize(("column", "value"), RIGHT)
def test_a_row_that_is_right_is_read_back_as_it_is(db: Database, owner: str, column: str, value: Any) -> None:
    insert(db, owner, **{column: value})
    agent = db.call("chat_get_agent", user=owner, slug="writer")["agent"]
    assert (agent[column], agent["version"]) == (value, 1)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("settings", {"verbosity": "low"}),
        ("settings", {"service_tier": "flex"}),
        ("settings", {"prompt_cache_key": "k"}),
        ("hosted_tools", [{"type": "web_search"}]),
        ("hosted_tools", [MCP]),
    ],
)
def test_what_the_wire_of_the_row_cannot_do_is_refused_at_once(
    db: Database, owner: str, column: str, value: Any
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="cannot be sent as a thread's run"):
        insert(db, owner, "assistants", **{column: value})
    insert(db, owner, "responses", **{column: value})


def test_every_change_of_a_row_is_counted_and_an_assistant_of_ours_is_none(db: Database, owner: str) -> None:
    insert(db, owner)

    def agent() -> Any:
        return db.call("chat_get_agent", user=owner, slug="writer")["agent"]

    db.run("update public.chat_agents set version = 7, instructions = '' where owner_id = %s", owner)
    assert agent()["version"] == 1, "nothing has changed"
    db.call("chat_remember_assistant", agent=agent()["agent_id"], assistant="asst_1", instead_of=None)
    assert (agent()["version"], agent()["assistant_id"]) == (1, "asst_1")
    for count, change in enumerate(("instructions = 'x'", "settings = '{\"top_p\": 1}'", "name = 'Y'"), 2):
        db.run(f"update public.chat_agents set {change} where owner_id = %s", owner)
        assert agent()["version"] == count


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("is_default", "chat_agents: is_default is only for an agent that everybody has"),
        ("handoffs", "chat_agents: handoffs has to be a list of names"),
        ("tools", "chat_agents: tools has to be a list of names"),
        ("approvals", "chat_agents: approvals may hold only functions that tools holds as well"),
    ],
)
def test_what_a_statement_of_an_operator_may_hold_beside(db: Database, owner: str, values: str, says: str) -> None:
    given = {"is_default": "true", "approvals": "array['send']"}
    value = given.get(values, "array[null::text]")
    names = f"owner_id, slug, name, model, {values}"
    with pytest.raises(psycopg.errors.CheckViolation) as refusal:
        db.run(f"insert into public.chat_agents ({names}) values (%s, 'w', 'W', 'm', {value})", owner)
    assert says in str(refusal.value)
