"""Calls that wait for a person: what they are, and what their arguments have to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.core.model import Agent
from shared.core.runs import ToolSpec

MAX_CHOICES = 20

ASK_USER = ToolSpec(
    "ask_user",
    "Ask the user a question and get the answer back. Ask only what you cannot find out otherwise.",
    {
        "type": "object",
        "properties": {
            "question": {"type": "string", "description": "The question, as the user is to read it."},
            "choices": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Answers to choose from, where there are only a few.",
            },
        },
        "required": ["question"],
        "additionalProperties": False,
    },
)


class PersonCallKind(StrEnum):
    APPROVAL = "approval"  # a function of ours that needs the user's word
    QUESTION = "question"  # `ask_user`
    CLIENT = "client"  # a function that the user's browser carries out


@dataclass(frozen=True, slots=True)
class PersonCall:
    """A call as it is put before the user. `call_id` is what the ledger knows it by."""

    call_id: str
    kind: PersonCallKind
    name: str
    arguments: str  # the model's text: data
    expires_at: str = ""  # from then on it counts as denied; empty until it is on record


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """What the user says to one call: whether it may run, or its output. A call of any kind may be denied."""

    call_id: str
    approve: bool | None = None
    reason: str | None = None
    output: str | None = None


def kind_of(agent: Agent, name: str, functions: Collection[str]) -> PersonCallKind | None:
    """What a call of this name waits for; None where it waits for no person. `functions` are those of ours."""
    if agent.ask_user and name == ASK_USER.name:
        return PersonCallKind.QUESTION
    if any(tool.name == name for tool in agent.client_tools):
        return PersonCallKind.CLIENT
    return PersonCallKind.APPROVAL if name in functions and name in agent.approvals else None


def is_question(arguments: Mapping[str, Any]) -> bool:
    """Whether a question can be put to the user in these words."""
    question, choices = arguments.get("question"), arguments.get("choices", [])
    return (
        isinstance(question, str)
        and bool(question.strip())
        and isinstance(choices, list)
        and len(choices) <= MAX_CHOICES
        and all(isinstance(choice, str) and choice.strip() for choice in choices)
    )
