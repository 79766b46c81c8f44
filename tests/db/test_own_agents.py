"""Agents of a user's own: who makes, changes, removes and sees them, and what is not theirs to set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.db.database import Answer, Chat, Database, Session, new_id

MODEL = "model-of-everybody"


@pytest.fixture
def owner(db: Database) -> Iterator[str]:
    """A user in a project of which every agent has one model."""
    db.run(
        "insert into public.chat_agents (slug, name, model, handoffs) values ('shared_one', 'Shared', %s, '{twin}')",
        MODEL,
    )
    owner = new_id()
    yield owner
    db.run("delete from public.chat_agents where owner_id is not null or slug = 'shared_one'")


def create(db: Database | Session, owner: str, most: int = 5, **fields: Any) -> Answer:
    given = {"slug": "mine", "name": "Mine", "model": MODEL} | fields
    return db.call("chat_create_agent", user=owner, agent=new_id(), fields=json.dumps(given), most=most)


def change(db: Database, owner: str, slug: str, **fields: Any) -> Answer:
    return db.call("chat_change_agent", user=owner, slug=slug, fields=json.dumps(fields))


def remove(db: Database, user: str, slug: str) -> None:
    """As a user removes it who knows the id of every agent."""
    for row in db.rows("select id::text from public.chat_agents where slug = %s", slug):
        assert db.call("chat_delete_agent", user=user, agent=row["id"]) == {"outcome": "ok"}


def slugs(db: Database, user: str) -> set[str]:
    return {agent["slug"] for agent in db.call("chat_list_agents", user=user)["agents"]}


def test_an_agent_is_made_changed_and_removed_by_its_user_alone(db: Database, owner: str) -> None:
    other = new_id()
    made = create(db, owner, instructions="Be mine.", settings={"temperature": 1}, tools=["read_project"])
    assert made["outcome"] == "ok"
    assert (made["agent"]["owned"], made["agent"]["settings"], made["agent"]["tools"]) == (
        True,
        {"temperature": 1},
        ["read_project"],
    )
    assert create(db, owner)["outcome"] == "agent_exists"
    assert (slugs(db, owner) - slugs(db, other), slugs(db, other) & {"mine"}) == ({"mine"}, set())
    changed = change(db, owner, "mine", name="Other", output_schema={"type": "object"})["agent"]
    assert (changed["name"], changed["instructions"], changed["version"]) == ("Other", "Be mine.", 2)
    assert change(db, owner, "mine", output_schema=None)["agent"]["output_schema"] is None
    for slug in ("mine", "shared_one", "nothing"):
        assert change(db, other, slug, name="Stolen") == {"outcome": "not_found"}
        remove(db, other, slug)
    assert {"mine", "shared_one"} <= slugs(db, owner)
    assert change(db, owner, "shared_one", name="Stolen") == {"outcome": "not_found"}
    remove(db, owner, "mine")
    assert "mine" not in slugs(db, owner)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": "the-dearest"}, "model"),
        ({"settings": {"service_tier": "priority"}}, "settings.service_tier"),
        ({"settings": {"temperature": 3}}, "settings.temperature"),
        ({"hosted_tools": [{"type": "file_search", "vector_store_ids": ["vs_of_another"]}]}, "hosted_tools"),
        (
            {"hosted_tools": [{"type": "mcp", "server_label": "x", "server_url": "https://10.0.0.5/mcp"}]},
            "hosted_tools",
        ),
        (
            {"hosted_tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x.example"}
                              | {"headers": {"Authorization": "issues"}}]},
            "hosted_tools",
        ),
        ({"fallbacks": [{"model": "the-dearest"}]}, "fallbacks"),
        ({"fallbacks": [{"model": MODEL, "provider": "assistants"}]}, "fallbacks"),
        ({"approvals": ["read_project"]}, "approvals"),
        ({"client_tools": [{"name": "transfer_to_boss"}]}, "client_tools[0].name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"description": "x" * 1001}, "description"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_the_operators_is_refused_by_its_field(
    db: Database, owner: str, fields: dict[str, Any], field: str
) -> None:
    refused = create(db, owner, **fields)
    assert (refused["outcome"], refused["field"]) == ("wrong_field", field)
    assert create(db, owner)["outcome"] == "ok"
    refused = change(db, owner, "mine", **fields)
    assert (refused["outcome"], refused["field"]) == ("wrong_field", field)
    assert "mine" in slugs(db, owner)


def test_what_no_field_of_a_user_names_stays_as_it_is(db: Database, owner: str) -> None:
    taken: dict[str, Any] = {
        "assistant_id": "asst_1",
        "provider": "assistants",
        "is_default": True,
        "owner_id": None,
        "version": 9,
    }
    made = create(db, owner, **taken)["agent"]
    assert (made["assistant_id"], made["provider"], made["is_default"], made["version"]) == (None, None, False, 1)
    changed = change(db, owner, "mine", **taken, assistant_made=True)["agent"]
    assert (changed["assistant_id"], changed["provider"], changed["owned"]) == (None, None, True)


def test_a_user_has_so_many_and_no_more_however_many_ask_at_once(db: Database, owner: str) -> None:
    answers = db.together(10, lambda session, at: create(session, owner, 3, slug=f"own_{at}"))
    assert sorted(answer["outcome"] for answer in answers) == ["ok"] * 3 + ["too_many_agents"] * 7
    assert create(db, new_id(), 0)["outcome"] == "too_many_agents"


def test_an_own_agent_is_chosen_and_handed_to_by_its_user_alone(db: Database, owner: str) -> None:
    create(db, owner, slug="twin", as_tool=True)
    mine, theirs = Chat(db, user=owner), Chat(db)
    assert mine.submit(agent="twin")["claim"]["agent"]["owned"] is True
    assert theirs.submit(agent="twin")["outcome"] == "unknown_agent"
    peers = {
        user: {peer["slug"] for peer in db.call("chat_get_agent", user=user, slug="shared_one")["agent"]["peers"]}
        for user in (owner, theirs.user)
    }
    assert ("twin" in peers[owner], "twin" in peers[theirs.user]) == (True, False)


def test_a_turn_goes_on_when_its_agent_is_removed_and_the_next_one_is_the_defaults(db: Database, owner: str) -> None:
    create(db, owner)
    chat = Chat(db, user=owner)
    claim = chat.submit(agent="mine")["claim"]
    remove(db, owner, "mine")
    chat.complete(claim["epoch"], claim["turn"]["turn_id"])
    assert chat.get(claim["turn"]["turn_id"])["turn"]["agent"] == "mine"
    assert chat.submit(agent="mine")["outcome"] == "unknown_agent"
    assert chat.submit()["claim"]["agent"]["owned"] is False


def test_what_a_user_deletes_for_good_takes_the_agents_along(db: Database, owner: str) -> None:
    create(db, owner)
    other = new_id()
    create(db, other)
    db.call("chat_delete_conversations", user=owner, limit=10)
    assert ("mine" in slugs(db, owner), "mine" in slugs(db, other)) == (False, True)
