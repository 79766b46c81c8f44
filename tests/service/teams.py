"""A team of agents for one user, and a model that plays each of them from a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dev.emulator.brain.plan import Outcome, Plan, Prompt, ToolCall
from dev.emulator.testing import RunningEmulator
from shared.core.model import User
from tests.db.database import Database

Part = Plan | Callable[[Prompt], Plan]


def calls(*made: tuple[str, dict[str, Any]], text: str = "", **more: Any) -> Plan:
    return Plan(text=text, calls=tuple(ToolCall(name, json.dumps(arguments)) for name, arguments in made), **more)


def hands_over(to: str, reason: str = "because", task: str = "do it", text: str = "") -> Plan:
    return calls((f"transfer_to_{to}", {"reason": reason, "task": task}), text=text)


def asks(**questions: str) -> Plan:
    return calls(*((f"ask_{slug}", {"question": text}) for slug, text in questions.items()))


def says(text: str, **more: Any) -> Plan:
    return Plan(text=text, **more)


def client_tool(name: str) -> dict[str, Any]:
    return {"name": name, "description": "In the browser.", "parameters": {"type": "object", "properties": {}}}


class Team:
    """Agents of one user. What each does next is taken from its script; one without a script ends with its name."""

    def __init__(self, db: Database, emulator: RunningEmulator, user: User) -> None:
        self._db, self._user = db, user
        self._scripts: dict[str, list[Part]] = {}
        self.seen: dict[str, list[Prompt]] = {}
        emulator.emulator.brain = self._play

    def add(
        self,
        slug: str,
        *script: Part,
        handoffs: tuple[str, ...] = (),
        tools: tuple[str, ...] = (),
        as_tool: bool = False,
        provider: str | None = None,
        approvals: tuple[str, ...] = (),
        client_tools: tuple[str, ...] = (),
        ask_user: bool = False,
    ) -> None:
        self._scripts[slug] = list(script)
        self._db.run(
            "insert into public.chat_agents"
            " (owner_id, slug, name, model, instructions, handoffs, tools, as_tool, provider, approvals, client_tools,"
            " ask_user) values (%s, %s, %s, 'emulated-model', %s, %s, %s, %s, %s, %s, %s, %s)",
            self._user.id, slug, slug.title(), f"I am {slug}.", list(handoffs), list(tools), as_tool, provider,
            list(approvals), json.dumps([client_tool(name) for name in client_tools]), ask_user,
        )  # fmt: skip

    def _play(self, prompt: Prompt) -> Plan:
        slug = prompt.instructions.removeprefix("I am ").split(".")[0]
        last = prompt.outputs[-1] if prompt.outputs else None
        if (
            last
            and last.name.startswith("transfer_to_")
            and last.name != f"transfer_to_{slug}"
            and "error" not in last.output
        ):
            return Plan(text="Handed over.")  # on the thread/run wire a run goes on after that, and should only end
        self.seen.setdefault(slug, []).append(prompt)
        script = self._scripts.get(slug) or []
        part = script.pop(0) if script else Plan(text=f"{slug} has nothing more to say.")
        return part(prompt) if callable(part) else part


def failing(code: str = "server_error") -> Plan:
    return Plan(outcome=Outcome.FAIL, error_code=code)
