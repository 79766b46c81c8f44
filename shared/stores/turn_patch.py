"""One fenced step as the JSON that `advance_turn` reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shared.core.runs import Handoff, Step
from shared.core.turns import RunRecord
from shared.ports import TurnUpdate


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def as_patch(step: TurnUpdate) -> dict[str, Any]:
    """Only what the step changes: the database reads absent keys as 'leave it'."""
    patch: dict[str, Any] = {}
    if step.run is not None:
        patch["run"] = _run(step.run)
    if step.step is not None:
        patch["step"] = _step(step.step)
    if step.handoff is not None:
        patch["handoff"] = _handoff(step.handoff) | {"said": step.said}
        patch["choose"] = True  # it is told with which of its choices the next agent begins
    if step.next_run:
        patch["next_run"] = step.said
    if step.asked:
        patch["asked"] = [_run(run) for run in step.asked]
    if step.thread is not None:
        patch["thread"] = asdict(step.thread)
    if step.usage is not None:
        patch["usage"] = asdict(step.usage)
    if step.reply is not None:
        patch["reply"] = step.reply
    if step.structured_at is not None:
        patch["structured_at"] = step.structured_at
    if step.error is not None:
        patch["error"] = step.error
    if step.partial is not None:
        patch["partial"] = step.partial
    if step.fallback is not None:
        patch["fallback"] = step.fallback
    if step.failed_choice is not None:
        patch["failed_choice"] = asdict(step.failed_choice)
    if step.proven_choice is not None:
        patch["proven_choice"] = asdict(step.proven_choice)
    if step.draft is not None:
        patch["draft"] = step.draft
    if step.blocked_by is not None:
        patch["blocked_by"] = step.blocked_by
    if step.held_up_by is not None:
        patch["held_up_by"] = step.held_up_by.value
    for flag in ("forget_thread", "conflict", "count_failure", "undisturbed"):
        if getattr(step, flag):
            patch[flag] = True
    if step.person:
        calls = ("call_id", "kind", "name", "arguments")
        patch["person"] = [{name: getattr(call, name) for name in calls} for call in step.person]
        patch["person_ms"] = ms(step.person_seconds)
    if step.delay_seconds > 0:
        patch["delay_ms"] = ms(step.delay_seconds)
    return patch


def _run(run: RunRecord) -> dict[str, Any]:
    optional = {"text": run.text, "asked_by": run.asked_by, "version": run.version, "model": run.model}
    optional |= {"fallback": run.fallback}
    always: dict[str, Any] = {"run_id": run.run_id, "agent": run.agent, "status": run.status}
    if run.sources:
        always["sources"] = [_given(asdict(source)) for source in run.sources]
    if run.images:
        always["images"] = [_given(asdict(image)) for image in run.images]
    if run.server_outputs:
        always["server_outputs"] = {given.call_id: given.output for given in run.server_outputs}
    return always | _given(optional)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _step(step: Step) -> dict[str, Any]:
    """With the outputs that were given at once; those of functions and asked agents are the ledger's."""
    outputs = {given.call_id: given.output for given in step.outputs}
    return {
        "run_id": step.run_id,
        "agent": step.agent,
        "text": step.text,
        "calls": [asdict(call) | {"output": outputs.get(call.call_id)} for call in step.calls],
        "thread_id": step.thread_id,
        "handoff": None if step.handoff is None else _handoff(step.handoff),
    }


def _handoff(handoff: Handoff) -> dict[str, str]:
    return {
        "from": handoff.from_agent,
        "to": handoff.to_agent,
        "reason": handoff.reason,
        "task": handoff.task,
    }
