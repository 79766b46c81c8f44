"""Faults of the network and of the server's front, outside everything the wires do."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dev.emulator.errors import Json


class Action(BaseModel):
    """What happens to a request that matches, before the server has seen it or after it has taken effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["status", "reset", "delay", "hang", "cut"]
    """`status`: this answer instead; `reset`: the connection is reset; `delay`: `seconds` late; `hang`: no answer
    until the client goes away; `cut`: the connection is reset after `chunks` pieces of the body (stream events)."""
    when: Literal["before", "after"] = "before"
    """After: the request has been accepted (a run started), or has an answer, which is then not sent."""
    status: int = 500
    headers: dict[str, str] = {}
    body: Json | str = {}
    seconds: float = Field(default=0, ge=0)
    chunks: int = Field(default=1, ge=0)


class Rule(BaseModel):
    """Which requests an action strikes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    """None: any."""
    path: str = ""
    """Regular expression, searched in the whole path (`/v1/...`)."""
    times: int | None = Field(default=1, ge=1)
    """None: until the next reset."""
    skip: int = Field(default=0, ge=0)
    """How many matching requests pass first."""
    action: Action


@dataclass(slots=True)
class Fault:
    rule: Rule
    seen: int = 0
    struck: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Counts a matching request, and says whether this one is struck."""
        rule = self.rule
        if rule.method not in {None, method} or not re.search(rule.path, path):
            return False
        if rule.times is not None and self.struck >= rule.times:
            return False
        self.seen += 1
        if self.seen <= rule.skip:
            return False
        self.struck += 1
        return True

    def report(self) -> Json:
        return {**self.rule.model_dump(), "seen": self.seen, "struck": self.struck}
