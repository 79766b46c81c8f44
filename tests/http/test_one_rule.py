"""What the document says of a request is what the function takes: a JSON Schema library judges the same bodies."""

from __future__ import annotations

import copy
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from functions.asgi.characters import FORBIDDEN, INVISIBLE, LINE_ENDS, cleaned
from functions.multi_agent_chat import request_schemas
from functions.multi_agent_chat.json_schema import Schema
from functions.multi_agent_chat.openapi import OPERATIONS, document
from functions.multi_agent_chat.request_check import KEYWORDS, NOTES, check
from shared.core.errors import InvalidRequest
from tests.http.fakes import FakeChat
from tests.http.tokens import ALICE, bearer

ID = "33333333-3333-4333-8333-333333333333"
PARTS = {
    "id": "m",
    "role": "user",
    "metadata": {"a": [1]},
    "parts": [
        {"type": "text", "text": "x", "state": 1, "providerMetadata": {"b": None}},
        {"type": "text", "text": " "},
    ],
}
WISHES = {"agent": "script_writer", "multitask_strategy": "reject", "wait_seconds": 1.5, "metadata": {"a": "b"}}
AGENTS_WORDS = {"id": ID, "role": "assistant", "parts": [{"type": "text", "text": "x"}], "metadata": {}}
OWN_AGENT = {
    "name": "x",
    "description": "",
    "model": "m",
    "instructions": "a\nb",
    "tools": ["read_project"],
    "handoffs": ["script_writer"],
    "approvals": ["write_project"],
    "client_tools": [{"name": "x"}],
    "ask_user": True,
    "as_tool": False,
    "settings": {"top_p": 1},
    "output_schema": {"type": "object"},
    "hosted_tools": [{"type": "web_search"}],
    "fallbacks": [{"model": "m"}],
}
SAMPLES: dict[str, list[Any]] = {
    "NewAgent": [{"slug": "mine", "name": "x"}, {"slug": "mine", **OWN_AGENT}],
    "AgentChange": [{"output_schema": None}, OWN_AGENT],
    "NewMessage": [
        {"message": "x", "conversation_id": ID, **WISHES},
        {"message": PARTS, "scope": {"kind": "topic", "key": "owls", "ttl_hours": 1}},
        {"message": "x", "scope": {"kind": "user"}},
        {"message": "x", "replaces": ID},
        {"regenerate": ID, "agent": "writer"},
    ],
    "ChatBody": [{"id": "chat 1", "trigger": "submit-message", "messages": [1, PARTS], "messageId": "m", **WISHES}],
    "ChatAnswers": [{"id": ID, "trigger": "submit-message", "messages": [PARTS, AGENTS_WORDS], **WISHES}],
    "ChatMessage": [PARTS],
    "AgentMessage": [AGENTS_WORDS],
    "Edit": [{"message": "x"}, {"message": PARTS}],
    "CallAnswer": [
        {"call_id": "c", "approve": True, "reason": "why", "wait_seconds": 0},
        {"call_id": "c", "output": {"a": ["b"]}},
    ],
    "ConversationChange": [{"title": "x", "archived": False, "read_seq": 7}],
}
TEXTS = [
    "",
    " ",
    "x",
    "a\nb",
    "a\tb",
    "\u200b",
    "\u200bx",
    "\u00e9",
    "\U0001f600",
    "\ufeff",
    "\U000e0041",
    "\x00",
    "a\x9f",
]
TEXTS += ["Script", "a__b", f"{ID}\n", ID.upper().replace("3", "A"), "user", "submit-message", "null", "1"]
NUMBERS = [-1, 0, 1, 1.0, 0.5, 876_001, 2**53 - 1, 2**53, 10**30]
LENGTHS = [52, 53, 64, 65, 100, 101, 200, 201, 255, 256, 512, 513, 1_000, 1_001, 2_000, 2_001, 32_000, 32_001]
ODD: list[Any] = [*TEXTS, *NUMBERS, None, True, [], ["x"], {}, {"a": "b"}, *("x" * length for length in LENGTHS)]
ODD += [{f"k{number}": "v" for number in range(count)} for count in (16, 17)]
ODD += [[{}] * count for count in (5, 6, 16, 17, 32, 33)]
ODD += [[name] * count for name in ("read_project", "script_writer") for count in (64, 65)]
ODD += [{"k" * 65: "v"}, {" ": "v"}, {"k": "v" * 513}, {"k": 1}, [{"type": "text", "text": "x" * 32_000}]]


def bodies(name: str) -> Iterator[Any]:
    """The samples, and each with one thing changed: a value, a field that goes, a field that comes."""
    fields = {field for sample in SAMPLES[name] for field in sample} | {"user_id", "Message", "parts"}
    yield from ODD
    for sample in SAMPLES[name]:
        yield sample
        for field in sorted(fields - set(sample)):
            yield from (sample | {field: other[field]} for other in SAMPLES[name] if field in other)
            yield sample | {field: "x"}
        yield from _changed(sample)


def _changed(value: Any) -> Iterator[Any]:
    """The value with one place in it changed."""
    places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    for place in places:
        for odd in (*ODD, *(_changed(value[place]) if isinstance(value[place], dict | list) else ())):
            changed = copy.copy(value)
            changed[place] = odd
            yield changed
        less = copy.copy(value)
        del less[place]
        yield less
    if isinstance(value, dict):
        yield value | {"unheard_of": 1}
        yield value | {"\x01": 1}


def judge(*names: str, schemas: dict[str, Schema] | None = None) -> Any:
    """Of bodies that one of these shapes fits, as the document describes them."""
    known = schemas or document("")["components"]["schemas"]
    choice = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return jsonschema_rs.Draft202012Validator({"anyOf": choice, "components": {"schemas": known}})


def taken(body: Any, name: str) -> bool:
    """Whether the function takes it, after what is refused of any text wherever it stands."""
    try:
        check(cleaned(body), request_schemas.BODIES[name])
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("name", request_schemas.BODIES)
def test_a_body_is_taken_exactly_if_the_document_allows_it(name: str) -> None:
    judged = judge(name)
    assert [body for body in bodies(name) if judged.is_valid(body) != taken(body, name)] == []
    assert all(taken(sample, name) for sample in SAMPLES[name])


@pytest.mark.parametrize("name", request_schemas.BODIES)
def test_no_rule_of_the_document_can_go_unnoticed(name: str) -> None:
    """Without any one of its keywords the document would allow a body that is refused."""
    told = [(body, taken(body, name)) for body in bodies(name)]
    unnoticed = []
    for path in _rules(request_schemas.BODIES[name]):
        schemas = copy.deepcopy(document("")["components"]["schemas"])
        holder = schemas[name]
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        judged = judge(name, schemas=schemas)
        if all(judged.is_valid(body) == was_taken for body, was_taken in told):
            unnoticed.append(path)
    assert unnoticed == []


def _rules(schema: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            names_fields = path and path[-1] in ("properties", "dependentSchemas")
            if (
                key in KEYWORDS and not names_fields and (path[-1:], key) != (("propertyNames",), "type")
            ):  # all are texts
                yield (*path, key)
            if key != "$ref":
                yield from _rules(value, (*path, key))
    elif isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from _rules(one, (*path, number))


ROUTES = {
    ("POST", "/"): ("NewMessage", "ChatBody", "ChatAnswers"),
    ("PATCH", "/turns/{id}"): ("Edit",),
    ("POST", "/turns/{id}/answers"): ("CallAnswer",),
    ("PATCH", "/conversations/{id}"): ("ConversationChange",),
    ("POST", "/agents"): ("NewAgent",),
    ("PATCH", "/agents/{id}"): ("AgentChange",),
}


@pytest.mark.parametrize(("route", "names"), ROUTES.items(), ids=[" ".join(route) for route in ROUTES])
async def test_a_route_takes_what_the_document_shows_for_it(
    http: httpx.AsyncClient, chat: FakeChat, route: tuple[str, str], names: tuple[str, ...]
) -> None:
    method, path = route
    turn = chat.add(ALICE)
    named = {"turns": turn.turn_id, "agents": chat.add_agent(ALICE, "mine").slug}
    path = path.format(id=named.get(path.split("/")[1], turn.conversation_id))
    judged, last = judge(*names), judge("ChatMessage", "AgentMessage")
    wrong = []
    for body in [body for name in names for body in bodies(name)][::19]:
        content = json.dumps(body).encode()
        headers = bearer(ALICE) | {"content-type": "application/json"}
        response = await http.request(method, path, content=content, headers=headers)
        allowed = judged.is_valid(body)
        if allowed and "messages" in body:  # what no schema can say, and a description does
            allowed = last.is_valid(body["messages"][-1])
        if allowed and not isinstance(output := body.get("output", ""), str):
            allowed = len(json.dumps(output)) <= request_schemas.MAX_OUTPUT
        if (response.status_code != 422) != allowed:
            wrong.append((body, response.text[:200]))
    assert wrong == []


def test_each_body_of_the_document_is_one_of_these() -> None:
    described = {key: operation.body for key, operation in OPERATIONS.items() if operation.body is not None}
    del described["POST", "/hooks/openai"]  # the provider's own: what is none of it is passed over
    shown = {key: tuple(re.findall(r"schemas/(\w+)", json.dumps(body))) for key, body in described.items()}
    assert shown == ROUTES


def test_every_keyword_is_read() -> None:
    queries = [schema for operation in OPERATIONS.values() for schema in operation.query.values()]
    unread = set()
    for schema in (*request_schemas.BODIES.values(), *request_schemas.SHARED.values(), *queries):
        unread |= {key for key in _keys(schema) if key not in KEYWORDS | NOTES}
    assert unread == set()


def _keys(schema: Any, names_fields: bool = False) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if not names_fields:
                yield key
            yield from _keys(value, not names_fields and key in ("properties", "dependentSchemas"))
    elif isinstance(schema, list):
        for one in schema:
            yield from _keys(one)


def test_what_shows_nothing_is_what_the_tables_of_unicode_say() -> None:
    """Characters that are younger than this Python's tables count as visible, and so do those younger than ours."""
    hidden, letters = re.compile(f"[{INVISIBLE}{LINE_ENDS}{FORBIDDEN}]"), []
    for code in range(0x110000):
        shows = unicodedata.category(chr(code)) not in ("Zs", "Zl", "Zp", "Cf", "Cc", "Cs")
        if not 0xD800 <= code < 0xE000 and shows == (hidden.match(chr(code)) is not None):
            letters.append(code)
    without_sign = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0, 0x1D159}
    ranges = [(0x180B, 0x180F), (0xFE00, 0xFE0F), (0xFFF0, 0xFFFF), (0x13439, 0x1343F), (0xE0000, 0xE0FFF)]
    assert {code for code in letters if not any(low <= code <= high for low, high in ranges)} == without_sign
