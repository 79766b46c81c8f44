"""What one create call consists of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shared.core.model import Agent, Message
from shared.core.runs import Handoff, Step, Thread, ToolOutput, ToolSpec
from shared.core.turns import Displaced, Steered


def safety_identifier(user_id: str) -> str:
    """What a provider is told of who asks: it tells users apart and names none."""
    return hashlib.sha256(user_id.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunStart:
    """Everything one create call needs. Message and run travel in the same call."""

    turn_id: str
    run_key: str  # committed before the call, carried in the run's metadata, new for every attempt
    agent: Agent
    thread: Thread
    text: str | None = None  # the user's message; None where an earlier run of the turn has put it into the thread
    tools: tuple[ToolSpec, ...] = ()
    tool_outputs: tuple[ToolOutput, ...] = ()  # to calls that stand in the thread
    steps: tuple[Step, ...] = ()  # earlier runs of this turn that the thread knows nothing of: told in full
    handoff: Handoff | None = None  # what brought this agent in, where the thread shows no tool calls
    steered: tuple[Steered, ...] = ()  # `after` counts the steps that are told here; 0: behind all else that is told
    history: tuple[Message, ...] = ()  # the transcript so far, where the server does not keep the thread
    displaced: tuple[Displaced, ...] = ()  # to be put back before the message, where the thread lacks them
    repeated: bool = False  # an earlier attempt was refused or lost: look for its message before adding it again
    safety_identifier: str = ""  # a hash of the user, by which a provider tells one user's abuse from another's
    after_calls: bool = False  # the agent has made calls in this turn: none is forced upon it again
    # this turn's runs that are already known, or the last items they left: never to be taken for a lost one
    known_run_ids: tuple[str, ...] = ()
