"""Conversations as a server would tell of them, for what is about showing and not about answering."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Route

AT = "2026-11-28T09:30:00.000Z"
CORS = {"access-control-allow-origin": "*", "content-type": "application/json"}


@dataclass
class Canned:
    """One conversation: a question and an answer in turn."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, *texts: str) -> Canned:
        return cls([_line(number, text) for number, text in enumerate(texts, 1)])

    def add(self, *texts: str) -> None:
        self.lines += [_line(len(self.lines) + number, text) for number, text in enumerate(texts, 1)]

    def serve(self, page: Page) -> None:
        """Answer the page's questions about conversations, from now on and whichever it opens."""
        page.route("**/functions/v1/**/conversations/*", self._conversation)
        page.route("**/functions/v1/**/conversations/*/messages?*", self._messages)

    def _conversation(self, route: Route) -> None:
        answer = row(route.request.url.split("/")[-1], turns=len(self.lines)) | {"open_turns": [], "stats": {}}
        fulfil(route, answer)

    def _messages(self, route: Route) -> None:
        query = dict(part.split("=") for part in route.request.url.partition("?")[2].split("&"))
        limit, before = int(query["limit"]), int(query["before_seq"])
        page = [line for line in self.lines if line["seq"] < before][-limit:]
        more = page[0]["seq"] if len(page) == limit and page[0]["seq"] > 1 else None
        fulfil(route, {"messages": page, "next_before_seq": more})


def row(conversation: str, turns: int = 1, **more: Any) -> dict[str, Any]:
    """A conversation as the list has it."""
    return {
        "conversation_id": conversation,
        "scope": None,
        "agent": "orchestrator",
        "title": "A conversation",
        "status": "idle",
        "turns": turns,
        "messages": turns,
        "preview": None,
        "read_seq": 0,
        "unread": 0,
        "archived": False,
        "created_at": AT,
        "updated_at": AT,
        **more,
    }


def fulfil(route: Route, answer: dict[str, Any], status: int = 200) -> None:
    if route.request.method == "OPTIONS":
        route.continue_()
    else:
        route.fulfill(status=status, body=json.dumps(answer), headers=CORS)


def _line(seq: int, text: str) -> dict[str, Any]:
    answer = seq % 2 == 0
    return {
        "id": f"00000000-0000-4000-8000-{seq:012}",
        "seq": seq,
        "turn_id": f"00000000-0000-4000-9000-{(seq + 1) // 2:012}",
        "turn_seq": (seq + 1) // 2,
        "role": "assistant" if answer else "user",
        "agent": "orchestrator" if answer else None,
        "text": text,
        "created_at": AT,
        "partial": False,
        "handoff_to": None,
        "calls": [],
    }
