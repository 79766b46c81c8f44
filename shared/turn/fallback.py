"""Another model or provider for the agent at work, after a failure that is definite.

Never after a create whose outcome is unknown: that is looked for first, and what the conflict protocol refuses with
after that is definite. A wire is not left behind where a create was lost on it: only there could its run be seen.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.core.breaker import failed_choice, failure_kind
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.runs import RunState
from shared.core.turns import TurnStatus
from shared.held_turn import HeldTurn
from shared.ports import Provider, TurnUpdate

# What is flagged is flagged: no other model is asked to overlook it.
DEFINITE = frozenset(
    {ErrorCode.PROVIDER_API_ABSENT, ErrorCode.PROVIDER_AUTH, ErrorCode.PROVIDER_MODEL, ErrorCode.PROVIDER_QUOTA}
    | {ErrorCode.PROVIDER_REFUSED, ErrorCode.AGENT_NOT_SUPPORTED, ErrorCode.CONTEXT_TOO_LONG, ErrorCode.RUN_FAILED}
)


async def fall_back(
    hold: HeldTurn, providers: Callable[[str | None], Provider], code: ErrorCode, run: RunState | None = None
) -> bool:
    """True where the turn is to be started once more, as the next fallback; `run` is the one that has failed.

    The failure is counted by its breaker with the write that says so, or else with the one that fails the turn.
    """
    before = providers(hold.agent.provider)
    if (kind := failure_kind(code, None if run is None else run.error_code)) is not None:
        hold.note_failed(failed_choice(kind, before.name, providers(None).name, hold.agent.model, code))
    if code not in DEFINITE or (run is not None and hold.has_let_provider_call):
        return False
    for agent in hold.next_agents():
        provider = providers(agent.provider)
        if provider is not before and hold.turn.failures:
            continue
        await hold.advance(
            TurnUpdate(
                to=TurnStatus.QUEUED,
                fallback=agent.fallback,
                run=None if run is None else hold.record_of(run),
                usage=None if run is None else run.usage,
                held_up_by=code,
                failed_choice=hold.failed_choice,
            )
        )
        hold.log(EventName.AGENT_FELL_BACK, agent=agent.slug, model=agent.model, code=code)
        hold.fall_back(agent, provider)
        return True
    return False
