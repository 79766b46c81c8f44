"""The seed names models: none that its provider switches off."""

from __future__ import annotations

import json
import re

from functions.multi_agent_chat.request_check import check
from functions.multi_agent_chat.request_schemas import NEW_AGENT
from tests.db.database import ROOT, SEED, Chat, new_id

README, AGENTS = (ROOT / "README.md").read_text(), (ROOT / "docs/agents.md").read_text()

# By the vendor's own announcements: gpt-5 and o3 end on 2026-12-11, gpt-4o and gpt-4.1 on 2027-01-14.
ENDING = re.compile(r"gpt-[1-4]\b.*|gpt-4o.*|gpt-5(-.*)?|o[1-4](-.*)?")


def test_the_seed_names_no_model_that_ends() -> None:
    named = re.findall(r"'((?:gpt-|o[0-9])[\w.-]+)' as model", SEED.read_text())
    assert named
    assert [model for model in named if ENDING.fullmatch(model)] == []


def test_an_agent_is_added_as_the_readme_says(chat: Chat) -> None:
    (statement,) = re.findall(r"```sql\n(insert into public\.chat_agents.*?)```", README, re.DOTALL)
    chat.db.run(statement)
    try:
        listed = chat.db.call("chat_list_agents", user=chat.user)["agents"]
        assert "editor" in {agent["slug"] for agent in listed}
        assert chat.submit(agent="editor")["claim"]["agent"]["instructions"] == "You shorten texts and change no fact."
    finally:
        chat.db.run("delete from public.chat_agents where slug = 'editor'")


def test_a_user_makes_an_agent_as_its_page_says(chat: Chat) -> None:
    (body,) = re.findall(r"/agents\" [^\n]*Bearer [^\n]* -d '(\{[^\n]*\})'\n```", AGENTS)
    check(json.loads(body), NEW_AGENT)
    made = chat.db.call("chat_create_agent", user=chat.user, agent=new_id(), fields=body, most=1)
    assert made["outcome"] == "ok", made
    assert chat.submit(agent="my_critic")["claim"]["agent"]["settings"] == {"temperature": 0.2}
    assert [
        peer["slug"] for peer in chat.db.call("chat_get_agent", user=chat.user, slug="my_critic")["agent"]["peers"]
    ] == ["script_writer"]
