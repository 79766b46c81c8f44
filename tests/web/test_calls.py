"""An answer that waits for a person: what it asks, and what is said to it."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.e2e.stack import Stack
from tests.web.canned import AT, CORS, Canned, fulfil, row
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

TURN = "00000000-0000-4000-9000-000000000001"


def call(kind: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"call_id": f"call-{name}", "kind": kind, "name": name, "arguments": arguments, "expires_at": AT}


class Waiting:
    """A conversation whose only turn waits for these calls, until each has its answer."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        self.calls = list(calls)
        self.answers: list[dict[str, Any]] = []
        self.followed = 0
        self._canned = Canned.of("do it")

    def serve(self, one: Person) -> None:
        self._canned.serve(one.page)
        one.page.route("**/functions/v1/**/conversations/*", self._conversation)
        one.page.route("**/functions/v1/**/conversations/*/stream", self._stream)
        one.page.route(f"**/functions/v1/**/turns/{TURN}/answers", self._answer)
        one.page.reload()

    def _turn(self) -> dict[str, Any]:
        names = ("superseded_by", "reply", "partial", "error", "finished_at")
        return {
            **dict.fromkeys(names),
            "turn_id": TURN,
            "seq": 1,
            "status": "waiting",
            "agent": "orchestrator",
            "message": "do it",
            "multitask_strategy": "enqueue",
            "position": 0,
            "cancel_requested": False,
            "runs": [],
            "handoffs": [],
            "metadata": {},
            "created_at": AT,
            "calls": self.calls,
        }

    def _conversation(self, route: Route) -> None:
        opened = [self._turn()] if self.calls else []
        status = "busy" if opened else "idle"
        answer = row(route.request.url.split("/")[-1], status=status, messages=len(self._canned.lines))
        fulfil(route, answer | {"open_turns": opened, "stats": {}})

    def _stream(self, route: Route) -> None:
        self.followed += route.request.method == "GET"
        route.fulfill(status=204, headers=CORS)

    def _answer(self, route: Route) -> None:
        if route.request.method == "POST":
            self.answers.append(json.loads(route.request.post_data or "{}"))
            self.calls = [one for one in self.calls if one["call_id"] != self.answers[-1]["call_id"]]
            if not self.calls:
                self._canned.add("done as you said")
        fulfil(route, self._turn())


def test_what_an_agent_asks_for_is_allowed_refused_and_answered(reader: Person) -> None:
    one = reader
    waiting = Waiting(
        call("approval", "write_project", title="Owls"),
        call("approval", "delete_project"),
        call("question", "ask_user", question="Which owl?", choices=["Barn owl", "Tawny owl"]),
    )
    waiting.serve(one)
    cards = one.page.get_by_role("group", name="Project manager waits for you").locator(".call")
    expect(cards).to_have_count(3)
    expect(one.messages.locator(".reply")).to_contain_text("Waiting for you")
    expect(one.page.get_by_text("The server does not answer.")).to_have_count(0)
    expect(cards.nth(0)).to_contain_text("Project manager wants to use “write project”.")
    cards.nth(0).get_by_text("What with").click()
    expect(cards.nth(0).locator("pre")).to_contain_text('"title": "Owls"')
    cards.nth(0).get_by_role("button", name="Allow", exact=True).click()
    expect(cards).to_have_count(2)
    cards.nth(0).get_by_label("Why not").fill("I need it")
    cards.nth(0).get_by_role("button", name="Do not allow").click()
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Which owl?")
    cards.get_by_role("button", name="Tawny owl").click()
    one.hears("done as you said")
    expect(cards).to_have_count(0)
    expect(one.box).to_be_focused()
    assert waiting.answers == [
        {"call_id": "call-write_project", "approve": True},
        {"call_id": "call-delete_project", "approve": False, "reason": "I need it"},
        {"call_id": "call-ask_user", "output": "Tawny owl"},
    ]
    assert waiting.followed == 1  # there is nothing to follow while it waits


def test_an_agent_that_may_ask_goes_on_with_what_it_was_told(writer: Person, running: Stack) -> None:
    row = {"slug": "asker", "name": "Asker", "model": "m", "tools": ["write_project"], "ask_user": True}
    keys = {"apikey": running.secret_key, "authorization": f"Bearer {running.secret_key}"}
    agents = f"{running.supabase}/rest/v1/chat_agents"
    httpx.post(agents, headers=keys, json=row | {"approvals": ["write_project"]}).raise_for_status()
    one = writer
    one.page.reload()  # the list of agents is read once
    one.page.get_by_role("button", name="Choose who answers").click()
    one.page.get_by_role("button", name=re.compile("^Asker")).click()
    one.say('[[tool write_project {"title": "Owls"}]] [[tool ask_user {"question": "Which?", "choices": ["Barn"]}]] go')
    cards = one.page.locator(".call")
    expect(cards).to_have_count(2)
    cards.get_by_role("button", name="Allow", exact=True).click()
    expect(cards).to_have_count(1)
    cards.get_by_role("button", name="Barn").click()
    one.hears("ask_user -> Barn")
    expect(cards).to_have_count(0)
    one.expect_idle()
    whole = one.shape()
    assert [text for text in whole if text.startswith(("Used", "Asked"))] == ["Used write project", "Asked you: Which?"]
    one.say('[[tool write_project {"title": "Bats"}]] [[say as you like]] no')
    expect(cards).to_have_count(1)
    cards.get_by_role("button", name="Do not allow").click()
    one.hears("as you like")
    one.expect_idle()
    whole = (*whole, *one.shape()[len(whole) :])
    assert "Used write project (not allowed)" in whole
    assert one.shape() == whole
    one.page.reload()
    one.hears("as you like")
    assert one.shape() == whole
    one.say('[[aside Let me write.]] [[tool write_project {"title": "Cats"}]] go')
    expect(cards).to_have_count(1)
    one.say("in green", "Steer")
    one.sees_waiting("in green")
    cards.get_by_role("button", name="Allow", exact=True).click()
    one.hears("to: in green")
    one.expect_idle()
    order = one.messages.locator(".bubble, .markdown").all_text_contents()[-3:]
    assert order[0] == "Let me write."
    assert order[1].endswith("in green")
    assert "to: in green" in order[2]
    whole = one.shape()
    one.page.reload()
    one.hears("to: in green")
    assert one.shape() == whole
    httpx.delete(agents, headers=keys, params={"slug": "eq.asker"}).raise_for_status()
