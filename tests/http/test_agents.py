"""The agents that a user makes: what a request may say of one, and what it is told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.core.errors import InvalidRequest
from tests.http.fakes import FakeChat
from tests.http.shapes import assert_answer, assert_error
from tests.http.tokens import ALICE, bearer

NEW = {"slug": "mine", "name": "Mine"}


async def test_an_agent_is_made_changed_listed_and_removed(http: httpx.AsyncClient, chat: FakeChat) -> None:
    fields = NEW | {"tools": ["read_project"], "settings": {"temperature": 1}, "output_schema": None}
    answer = await http.post("/agents", json=fields, headers=bearer())
    assert answer.headers["location"] == "/agents/mine"
    assert_answer(answer, 201)
    assert chat.calls[-1] == ("create_agent", ALICE, fields, 20)
    changed = assert_answer(await http.patch("/agents/mine", json={"name": "Other"}, headers=bearer()), 200)
    assert (changed["name"], changed["owned"], changed["instructions"]) == ("Other", True, "")
    listed = assert_answer(await http.get("/agents", headers=bearer()), 200)["agents"]
    assert [(agent["slug"], agent["owned"], "instructions" in agent) for agent in listed] == [
        ("project_manager", False, False),
        ("mine", True, True),
    ]
    exported = (await http.get("/me/export", headers=bearer())).json()
    assert [agent["slug"] for agent in exported["agents"]] == ["mine"]
    assert (await http.delete("/agents/mine", headers=bearer())).status_code == 204
    assert_error(await http.delete("/agents/mine", headers=bearer()), 404, "not_found")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"slug": "My"}, "slug"),
        ({"slug": "x" * 53}, "slug"),
        ({"name": " "}, "name"),
        ({"description": 1}, "description"),
        ({"instructions": "x" * 32_001}, "instructions"),
        ({"model": ""}, "model"),
        ({"tools": ["rm"]}, "tools"),
        ({"tools": "read_project"}, "tools"),
        ({"approvals": ["rm"]}, "approvals"),
        ({"handoffs": ["No Slug"]}, "handoffs"),
        ({"client_tools": {}}, "client_tools"),
        ({"ask_user": 1}, "ask_user"),
        ({"as_tool": None}, "as_tool"),
        ({"settings": []}, "settings"),
        ({"output_schema": "object"}, "output_schema"),
        ({"hosted_tools": [1]}, "hosted_tools"),
        ({"fallbacks": [{}] * 6}, "fallbacks"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    http: httpx.AsyncClient, chat: FakeChat, wrong: dict[str, Any], field: str
) -> None:
    body = assert_error(await http.post("/agents", json=NEW | wrong, headers=bearer()), 422, "invalid_request")
    assert body["details"]["field"] == field
    assert chat.calls == []


@pytest.mark.parametrize("field", ["assistant_id", "provider", "owner_id", "is_default", "version", "assistant_made"])
async def test_what_is_the_operators_is_no_field(http: httpx.AsyncClient, chat: FakeChat, field: str) -> None:
    assert_error(await http.post("/agents", json=NEW | {field: None}, headers=bearer()), 422, "unknown_field")
    assert_error(await http.patch("/agents/mine", json={field: None}, headers=bearer()), 422, "unknown_field")
    assert chat.calls == []


async def test_what_the_database_finds_wrong_is_told_as_it_says(http: httpx.AsyncClient, chat: FakeChat) -> None:
    chat.error = InvalidRequest(details={"field": "settings.temperature", "fault": "has to be a number"})
    body = assert_error(await http.post("/agents", json=NEW, headers=bearer()), 422, "invalid_request")
    assert body["message"] == "settings.temperature has to be a number."
    assert body["details"] == {"field": "settings.temperature"}


async def test_the_slug_stays(http: httpx.AsyncClient) -> None:
    assert_error(await http.patch("/agents/mine", json={"slug": "other"}, headers=bearer()), 422, "unknown_field")
    assert_error(await http.patch("/agents/mine", json={}, headers=bearer()), 422, "invalid_request")
