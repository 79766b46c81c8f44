"""What a model is told about calling: the functions that it is offered, and the errors that it gets for an output."""

from __future__ import annotations

import json
from collections.abc import Sequence

from shared.core.model import Agent, Peer
from shared.core.person_calls import ASK_USER
from shared.core.runs import RunState, ToolCall, ToolOutput, ToolSpec

TRANSFER, ASK = "transfer_to_", "ask_"


def offers(agent: Agent, functions: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """Everything this agent may call."""
    handoffs = [_transfer_spec(peer) for peer in agent.peers if peer.handoff]
    to_user = [ASK_USER] if agent.ask_user else []
    questions = [_ask_spec(peer) for peer in agent.peers if peer.ask]
    questions = [spec for spec in questions if spec.name not in [one.name for one in to_user]]
    return (*functions, *agent.client_tools, *to_user, *handoffs, *questions)


def refused_call(call: ToolCall, code: str, message: str) -> ToolOutput:
    """A typed error for the model."""
    return ToolOutput(call.call_id, error_output(code, message))


def error_output(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False)


def told_to_asker(run: RunState) -> str:
    """What an agent that asked another is told of its answer: the words, and that the user sees what was drawn."""
    shown = [image.description or "an image" for image in run.kept_images if image.fault is None]
    notes = [f"[Made an image, which is shown to the user: {one}]" for one in shown]
    return "\n\n".join([run.text] * bool(run.text.strip()) + notes)


# Its holder was stopped at some moment, which may have been after the call was carried out.
OUTCOME_UNKNOWN = error_output("outcome_unknown", "The call was interrupted; whether it had an effect is unknown.")


ALLOWED = json.dumps({"allowed": True})  # what is noted of a call that the provider makes itself


def is_denied(output: str) -> bool:
    """Whether the user has not allowed the call, or had not answered when the time was over."""
    return is_error(output, "denied") or is_error(output, "expired")


def is_error(output: str, code: str | None = None) -> bool:
    """Whether this is an output of `error_output`; with this code, where one is named."""
    return output.startswith('{"error": {"code": ' + ("" if code is None else f'"{code}", '))


def _transfer_spec(peer: Peer) -> ToolSpec:
    return ToolSpec(
        TRANSFER + peer.slug,
        f"Hand the conversation over to {peer.name}, who answers from then on. {peer.description}".strip(),
        {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Why, in one short sentence for the user."},
                "task": {"type": "string", "description": "What is to be done, with all that is needed to do it."},
            },
            "required": ["reason", "task"],
            "additionalProperties": False,
        },
    )


def _ask_spec(peer: Peer) -> ToolSpec:
    return ToolSpec(
        ASK + peer.slug,
        f"Ask {peer.name} and get the answer back; the conversation stays with you. {peer.description}".strip(),
        {
            "type": "object",
            "properties": {
                "question": {
                    "type": "string",
                    "description": "The whole question: the one asked sees nothing of this conversation.",
                }
            },
            "required": ["question"],
            "additionalProperties": False,
        },
    )
