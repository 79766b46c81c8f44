"""The nouns that stand beside a turn, as frozen values: users, scopes, agents, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from shared.core.images import Image
from shared.core.runs import Source, ToolSpec

JsonObject = Mapping[str, Any]


class ScopeKind(StrEnum):
    """What a conversation belongs to besides its user."""

    USER = "user"
    SESSION = "session"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Scope:
    kind: ScopeKind
    key: str
    ttl_hours: float | None = None  # without a message it opens a new conversation then; None: as is set; 0: never


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: the verified token's subject and role, and whether the project calls this user an operator."""

    id: str
    role: str
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent, as the one at work knows it."""

    slug: str
    name: str
    description: str
    handoff: bool  # control may move there
    ask: bool  # it may be asked as a tool


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where an agent goes on after a definite failure; None: as its row says."""

    model: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers: a row of `agents`."""

    slug: str
    name: str
    description: str
    model: str
    instructions: str
    provider: str | None = None  # None: the wire that PROVIDER names
    assistant_id: str | None = None  # Assistants wire only; created and remembered where absent
    tools: tuple[str, ...] = ()
    handoffs: tuple[str, ...] = ()
    agent_id: str = ""  # the row's own id: slugs of two owners may be alike
    as_tool: bool = False  # others may ask it
    approvals: tuple[str, ...] = ()  # of its tools, those that need the user's word
    client_tools: tuple[ToolSpec, ...] = ()  # functions that the user's browser carries out
    ask_user: bool = False  # it may put questions to the user
    assistant_made: bool = False  # by us: one that was deleted is made anew
    peers: tuple[Peer, ...] = ()  # known only of an agent at work
    owned: bool = False  # a user's own: no slug gives it what a global agent has
    fallback: int = 0  # which of its fallbacks it is, counted from one; 0: as its row says
    settings: JsonObject = field(default_factory=dict)  # of its model, by names of our own; checked in the database
    output_schema: JsonObject | None = None  # the JSON Schema that its replies have
    fallbacks: tuple[Fallback, ...] = ()  # who answers after a definite failure, in order
    # of its choices (0: its row, then its fallbacks) those whose breaker counts failures, and when the last one was
    troubled: Mapping[int, int] = field(default_factory=dict)  # in microseconds; known only of an agent at work
    hosted_tools: tuple[JsonObject, ...] = ()  # that the provider carries out, as its row has them
    version: int = 1  # of its row

    def fallen_back(self, number: int) -> Agent:
        """The agent as its fallback of this number; as it is where its row has no such one any more."""
        if not 1 <= number <= len(self.fallbacks):
            return self
        one = self.fallbacks[number - 1]
        # an assistant and its wire go together
        other_wire = one.provider not in (None, self.provider)
        return replace(
            self,
            model=one.model or self.model,
            provider=one.provider or self.provider,
            assistant_id=None if other_wire else self.assistant_id,
            fallback=number,
        )


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call of a function, or of an agent as tool, at its place in a line of the transcript."""

    call_id: str
    name: str
    arguments: str  # the model's own text, cut where it is long
    output: str | None  # cut where it is long; None: it was under way when its turn ended
    at: int  # how many characters of the line were said before it
    approved: bool | None = None  # by the user, where it needed the user's word


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the transcript. `seq` is gapless per conversation, in the order people read it."""

    id: str
    seq: int
    turn_id: str
    turn_seq: int
    role: str  # "user" or "assistant"
    agent: str | None
    text: str
    created_at: str
    partial: bool = False  # its turn was stopped, was displaced or failed before it had been said
    handoff_to: str | None = None  # the agent that this one handed over to after these words; `text` may be empty then
    client_message_id: str | None = None  # what its sender's chat calls it
    calls: tuple[PlacedCall, ...] = ()  # that its agent made meanwhile, in order
    steered_into: str | None = None  # the turn that was being answered as this message joined it
    answers_turn_id: str | None = None  # of an agent's line: the message that its turn was steered by last before it
    sources: tuple[Source, ...] = ()  # that its words cite
    images: tuple[Image, ...] = ()  # that its agent made
