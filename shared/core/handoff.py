"""Who speaks next, and when to stop: what the calls of one run lead to.

A model asks for things by calling functions. `transfer_to_<slug>` moves control to another agent, `ask_<slug>` has
another agent answer as a tool, everything else is a function of ours. Names and arguments are the model's words: what
was not offered, or does not fit, is answered with a typed error that the model can read, and gives no new rights.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.error_codes import ErrorCode
from shared.core.model import Agent, Peer
from shared.core.person_calls import PersonCallKind, is_question, kind_of
from shared.core.runs import Handoff, Step, ToolCall, ToolOutput
from shared.core.tool_messages import ASK, TRANSFER, refused_call

QUESTION = PersonCallKind.QUESTION
MAX_WORDS = 8_000
"""Characters of a reason, task or question that travel on."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """Most of one turn. The budget is in seconds since its first run, without those that it waits for a person."""

    handoffs: int
    tool_calls: int
    budget_seconds: float
    person_seconds: float  # that it waits for a person before its calls count as denied


@dataclass(frozen=True, slots=True)
class Question:
    """An agent is asked as a tool."""

    call: ToolCall
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the calls of one run come to. Everything in it is done before control moves."""

    answers: tuple[ToolOutput, ...] = ()  # given at once: what cannot be done, and what needs no doing
    functions: tuple[ToolCall, ...] = ()
    questions: tuple[Question, ...] = ()
    person: tuple[tuple[ToolCall, PersonCallKind], ...] = ()  # that wait for the user
    handoff: Handoff | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The turn ends here, for `code`, an error of its own."""

    code: ErrorCode


def plan(
    agent: Agent,
    calls: Sequence[ToolCall],
    text: str,
    *,
    steps: Sequence[Step],
    handoffs: Sequence[Handoff],
    functions: Collection[str],
    limits: TurnLimits,
    working_seconds: float,
) -> Plan | Stop:
    """What `agent`, who has said `text` in this run, wants with `calls`; `steps` are the runs of the turn before it."""
    if working_seconds >= limits.budget_seconds:
        return Stop(ErrorCode.RUN_TIMEOUT)
    if _tool_calls(steps) + _count(calls) > limits.tool_calls:
        return Stop(ErrorCode.TOOL_LIMIT)
    answers: list[ToolOutput] = []
    wanted: list[ToolCall] = []
    questions: list[Question] = []
    person: list[tuple[ToolCall, PersonCallKind]] = []
    handoff: Handoff | None = None
    for call in calls:
        arguments = _arguments(call)
        peer = _peer(agent, call.name)
        kind = PersonCallKind.APPROVAL if call.server is not None else kind_of(agent, call.name, functions)
        if kind is not None and (arguments is None or (kind is QUESTION and not is_question(arguments))):
            answers.append(refused_call(call, "invalid_arguments", "The arguments do not fit the function."))
        elif kind is not None:
            person.append((call, kind))
        elif peer is None and call.name in functions:
            wanted.append(call)
        elif peer is None:
            answers.append(refused_call(call, "unknown_tool", _UNKNOWN_TOOL))
        elif arguments is None:
            answers.append(refused_call(call, "invalid_arguments", "The arguments must be a JSON object."))
        elif call.name.startswith(ASK):
            text_asked = _words(arguments, "question")
            if text_asked.strip():
                questions.append(Question(call, peer.slug, text_asked))
            else:
                answers.append(refused_call(call, "invalid_arguments", "The question is missing."))
        elif handoff is not None:
            answers.append(refused_call(call, "already_handed_over", f"Control goes to {handoff.to_agent}."))
        else:
            handoff = Handoff(agent.slug, peer.slug, _words(arguments, "reason"), _words(arguments, "task"))
            answers.append(_handed_over(call, peer, handoff))
    if handoff is not None:
        if len(handoffs) + 1 > limits.handoffs:
            return Stop(ErrorCode.HANDOFF_LIMIT)
        if not (text.strip() or wanted or questions or person) and _goes_round(handoff.to_agent, steps, handoffs):
            return Stop(ErrorCode.HANDOFF_LOOP)
    return Plan(tuple(answers), tuple(wanted), tuple(questions), tuple(person), handoff)


def after_handoff(calls: Sequence[ToolCall]) -> Plan:
    """For a run that goes on after it has handed over: it may only end."""
    text = "You have handed over already. End your turn now, without another word."
    return Plan(answers=tuple(refused_call(call, "already_handed_over", text) for call in calls))


def said_since_handoff(agent: str, steps: Sequence[Step], last_run_id: str | None, last_text: str) -> str:
    """All that `agent` has said since control came to it, the run `last_run_id` with its `last_text` included.

    A run that went on after its calls (threads) shows up in several steps, each with more of the same text. One whose
    id never arrived has a step of its own.
    """
    texts: dict[str | int, str] = {}
    since = since_handoff(steps)
    for number, step in enumerate(since):
        if step.agent == agent:
            run = number if step.run_id is None else step.run_id
            texts[run] = max(texts.get(run, ""), step.text, key=len)
    last = len(since) - 1
    if last_run_id is not None:
        texts.pop(last_run_id, None)
    elif texts.get(last) == last_text:
        del texts[last]  # its step is on record
    return "\n\n".join(text for text in (*texts.values(), last_text) if text.strip())


def since_handoff(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps of the agent at work, since control came to it."""
    for at in range(len(steps), 0, -1):
        if steps[at - 1].handoff is not None:
            return steps[at:]
    return steps


def _goes_round(to_agent: str, steps: Sequence[Step], handoffs: Sequence[Handoff]) -> bool:
    """Whether nothing was said or done since `to_agent` itself handed over."""
    if not any(handoff.from_agent == to_agent for handoff in handoffs):
        return False
    for step in reversed(steps):
        if step.handoff is not None and step.agent == to_agent:
            return True
        if step.text.strip() or _count(step.calls):
            return False
    return False


def _tool_calls(steps: Sequence[Step]) -> int:
    return sum(_count(step.calls) for step in steps)


def _count(calls: Sequence[ToolCall]) -> int:
    """Handoffs have a limit of their own."""
    return sum(not call.name.startswith(TRANSFER) for call in calls)


def _peer(agent: Agent, name: str) -> Peer | None:
    for peer in agent.peers:
        if (peer.handoff and name == TRANSFER + peer.slug) or (peer.ask and name == ASK + peer.slug):
            return peer
    return None


def _arguments(call: ToolCall) -> Mapping[str, Any] | None:
    """None: no JSON object."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _words(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:MAX_WORDS]


def _handed_over(call: ToolCall, peer: Peer, handoff: Handoff) -> ToolOutput:
    """What the agent that hands over reads if its run goes on, and the next agent reads in the thread."""
    output = {"assistant": peer.name, "reason": handoff.reason, "task": handoff.task, "note": _NOTE.format(peer.name)}
    return ToolOutput(call.call_id, json.dumps(output, ensure_ascii=False))


_UNKNOWN_TOOL = "There is no such tool. Use only the tools you were offered."
_NOTE = "{0} answers from here on. Whoever is not {0} ends now, without another word."
