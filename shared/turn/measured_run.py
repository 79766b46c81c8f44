"""A run as traces and metrics tell of it, in the names that the field has agreed on for generative models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.core.runs import RunStatus
from shared.held_turn import HeldTurn
from shared.ports import Clock, Provider
from shared.runs.follow import Followed, Verdict
from shared.telemetry import spans

OPERATION = "invoke_agent"


@dataclass(slots=True)
class MeasuredRun:
    """What came of it, once that is known."""

    followed: Followed | None = None

    def tell(self, followed: Followed) -> None:
        self.followed = followed


@contextmanager
def measured_run(hold: HeldTurn, provider: Provider, clock: Clock) -> Iterator[MeasuredRun]:
    """Around the time in which this process follows the run."""
    began, measured, agent = clock.now(), MeasuredRun(), hold.agent
    facts = {"gen_ai__operation__name": OPERATION, "gen_ai__provider__name": "openai"}
    facts["gen_ai__request__model"] = agent.model
    with spans.span(
        f"{OPERATION} {agent.slug}",
        "client",
        **facts,
        gen_ai__agent__name=agent.slug,
        gen_ai__conversation__id=hold.turn.conversation_id,
        gen_ai__response__id=hold.turn.run_id,
        multi_agent_chat__wire=provider.name,
    ) as span:
        yield measured
        if measured.followed is None:
            return
        run, verdict = measured.followed.run, measured.followed.verdict
        if verdict is Verdict.ENDED and run is not None:
            failed = (
                None if run.settled and run.status in (RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION) else run.status
            )
        else:
            failed = None if verdict is Verdict.DETACHED else verdict.value
        if failed is not None:
            span.fail(failed)
        if run is not None and run.usage is not None:
            for kind, tokens in (("input", run.usage.input_tokens), ("output", run.usage.output_tokens)):
                spans.record("gen_ai.client.token.usage", tokens, gen_ai__token__type=kind, **facts)
            span.set(
                gen_ai__usage__input_tokens=run.usage.input_tokens, gen_ai__usage__output_tokens=run.usage.output_tokens
            )
        spans.record("gen_ai.client.operation.duration", clock.now() - began, error__type=failed, **facts)
