"""A small team: who is in it, what its models do next given what they read, and tools that count how often they ran.

The boss has two letters' worth of work done and asks two others side by side, then hands over; the writer files what
came of it and has the last words. The painter, who is asked, uses a tool as well.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.tool_messages import ALLOWED, is_error
from shared.tools.registry import ToolContext, tool

BOSS, WRITER, PAINTER, SINGER = "sim_boss", "sim_writer", "sim_painter", "sim_singer"
MEMBERS: tuple[tuple[str, list[str], list[str], bool], ...] = (  # slug, handoffs, tools, whether others may ask it
    (BOSS, [WRITER], ["sim_note", "sim_send"], False),
    (WRITER, [], ["sim_file"], False),
    (PAINTER, [], ["sim_send"], True),
    (SINGER, [], [], True),
)
SLUGS = frozenset(member[0] for member in MEMBERS)
TRANSFER = f"transfer_to_{WRITER}"
WORDS = "I know who can."  # of the boss, as it hands over
FAREWELL = "That was me."  # what it says beyond that where its run goes on: no user is to see it
TOOL_SECONDS = 0.3
POST = "mails.post"  # a call of an MCP server, which the provider makes once the user has allowed it
ONCE = frozenset({"sim_send", "sim_file", POST})  # tools that are not idempotent
WHERE = "sim_where"  # a function of the user's browser
ASKED_OF_USERS: tuple[tuple[str, dict[str, str]], ...] = (("ask_user", {"question": "How?"}), (WHERE, {}))
CLIENT_TOOL = {"name": WHERE, "description": "Where the user is.", "parameters": {"type": "object", "properties": {}}}
APPROVALS: dict[str, list[str]] = {BOSS: ["sim_note", "sim_send"], WRITER: ["sim_file"]}  # where people are asked
_CALLED = re.compile(r"^Called (\w+) with .*?\}: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """What a model says and asks for before it waits."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # names and arguments


def next_part(
    agent: str,
    text: str,
    seen: Mapping[str, str],
    *,
    handed_over: bool,
    posts: bool = False,
    asks_people: bool = False,
) -> Part:
    """`seen`: the outputs this model has read by the names of their calls; `handed_over`: control came in this turn.

    `posts`: there is an MCP server; outside the team it is called first. `asks_people`: the writer asks its user, and
    has the user's browser do something.
    """
    if agent == BOSS and TRANSFER in seen:
        return Part(FAREWELL)
    if agent == BOSS and f"ask_{SINGER}" in seen:
        return Part(WORDS, ((TRANSFER, json.dumps({"reason": "it writes", "task": text})),))
    if agent == BOSS:
        return Part(
            "",
            (
                ("sim_note", json.dumps({"text": text})),
                ("sim_send", json.dumps({"text": text})),
                (f"ask_{PAINTER}", json.dumps({"question": f"paint {text}"})),
                (f"ask_{SINGER}", json.dumps({"question": f"sing {text}"})),
                *([(POST, json.dumps({"text": text}))] if posts else []),
            ),
        )
    if posts and agent not in SLUGS and POST not in seen:
        return Part("", ((POST, json.dumps({"text": text})),))
    if agent == PAINTER and "sim_send" not in seen:
        return Part("", (("sim_send", json.dumps({"text": text})),))
    if agent == WRITER and handed_over and "sim_file" not in seen:
        calls = (("sim_file", {"text": text}), *(ASKED_OF_USERS if asks_people else ()))
        return Part("", tuple((name, json.dumps(arguments)) for name, arguments in calls))
    return Part(f"answer to {text}")


def told_in_words(messages: Sequence[str]) -> dict[str, str]:
    """Outputs told as sentences, where a thread shows no calls."""
    return dict(found for message in messages for found in _CALLED.findall(message))


def well_told(name: str, arguments: str, output: str) -> bool:
    """Whether this is what a call may come to where no provider fails."""
    given = json.loads(arguments)
    if name in dict(ASKED_OF_USERS):
        return not is_error(output) or json.loads(output)["error"]["code"] in ("denied", "expired")
    if name == POST and not is_error(output):
        return output == ALLOWED
    if name.startswith(("sim_", POST)) and is_error(output):
        codes = {"tool_timeout", "denied", "expired"}  # which of them may be is for other checks to say
        codes |= {"outcome_unknown"} if name in ONCE else set()
        return json.loads(output)["error"]["code"] in codes
    if name.startswith("ask_"):
        return output == f"answer to {given['question']}"
    return name == TRANSFER or output == f"{name} {given['text']}"


@tool(idempotent=True)
async def sim_note(context: ToolContext, text: str) -> str:
    """Take a note. The same note twice is one note."""
    return await _done("sim_note", context, text)


@tool(idempotent=False)
async def sim_send(context: ToolContext, text: str) -> str:
    """Send a letter."""
    return await _done("sim_send", context, text)


@tool(idempotent=False)
async def sim_file(context: ToolContext, text: str) -> str:
    """File a paper."""
    return await _done("sim_file", context, text)


async def _done(name: str, context: ToolContext, text: str) -> str:
    store: Any = context.store
    instance = store.instance
    await instance.step(f"{name}, begins")
    instance.world.server.executions[context.turn_id, context.call_id] += 1
    await asyncio.sleep(TOOL_SECONDS)
    await instance.step(f"{name}, over")
    return f"{name} {text}"
