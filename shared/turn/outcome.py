"""The one record of how a turn ended, or that it is to be started once more."""

from __future__ import annotations

import math

from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.handoff import said_since_handoff
from shared.core.runs import RunState, RunStatus, Thread
from shared.core.turns import RunRecord, TurnStatus
from shared.held_turn import HeldTurn
from shared.ports import TurnUpdate
from shared.runs.cancel import CancelResult

MAX_FAILURES = 4  # creates lost or runs failed for a passing reason, before the turn fails


async def complete(hold: HeldTurn, run: RunState, reply: str, *, in_thread: bool) -> None:
    """`in_thread`: the server keeps the thread, and the answer stands in it. One that lacks an answer is given up."""
    update = TurnUpdate(
        to=TurnStatus.COMPLETED,
        run=_record(hold, run),
        reply=reply,
        structured_at=None if hold.agent.output_schema is None else _last_words_at(hold, run, reply),
        usage=run.usage,
        thread=hold.thread_after(run) if in_thread else None,
        forget_thread=not in_thread,
        proven_choice=hold.proven_choice,
    )
    await hold.end(update)
    hold.log(EventName.TURN_COMPLETED, waited_ms=hold.turn.waited_ms, conflicts=hold.turn.conflicts)


async def fail(hold: HeldTurn, code: ErrorCode, run: RunState | None = None, *, forget_thread: bool = False) -> None:
    """What the agent had said so far is kept beside it."""
    run_id = hold.turn.run_id if run is None else run.run_id
    words = said(hold, run, ("" if run_id is None else hold.heard_of(run_id)) or "")
    error: dict[str, str] = {"code": code}
    if code in (ErrorCode.PROVIDER_MODEL, ErrorCode.AGENT_NOT_SUPPORTED):
        error["agent"] = hold.agent.slug  # whose row names what is to blame
    if run is not None and run.error_code is not None:
        error["provider_code"] = run.error_code
    if words.strip():
        error["partial_text"] = words
    update = TurnUpdate(
        to=TurnStatus.FAILED,
        error=error,
        run=None if run is None else _record(hold, run),
        usage=None if run is None else run.usage,
        # an answer cut off stands in the thread like a whole one: it must not be taken for that of a later turn
        thread=hold.thread_after(run)
        if run is not None and run.status == RunStatus.INCOMPLETE and not forget_thread
        else None,
        forget_thread=forget_thread,
    )
    await hold.end(update)
    hold.log(EventName.TURN_FAILED, code=code, agent=hold.agent.slug, model=hold.agent.model)


async def cancel(hold: HeldTurn, ending: CancelResult, *, thread: Thread | None, forget_thread: bool) -> None:
    """`thread`: as it is known from now on, where the turn was taken out of it."""
    update = TurnUpdate(
        to=TurnStatus.CANCELLED,
        run=None if ending.run is None else _record(hold, ending.run),
        partial=said(hold, ending.run, ending.said) or None,
        thread=thread,
        forget_thread=forget_thread,
    )
    await hold.end(update)
    hold.log(EventName.TURN_CANCELLED, superseded_by=hold.turn.superseded_by)


async def retry_or_fail(
    hold: HeldTurn,
    code: ErrorCode,
    run: RunState | None,
    *,
    pause_seconds: float,
    latest: float = math.inf,
    forget_thread: bool = False,
) -> bool:
    """True where the turn is to be started once more, after the pause; else it has failed with `code`.

    The pause is recorded, so no other instance starts the turn before it is over, and cut short at `latest`.
    """
    if hold.turn.failures + 1 >= MAX_FAILURES or (run is not None and hold.has_let_provider_call):
        await fail(hold, code, run, forget_thread=forget_thread)
        return False
    update = TurnUpdate(
        to=TurnStatus.QUEUED,
        run=None if run is None else _record(hold, run),
        usage=None if run is None else run.usage,
        count_failure=True,
        held_up_by=code,
        delay_seconds=pause_seconds,
        forget_thread=forget_thread,
    )
    await hold.advance(update)
    await hold.sleep_until_over(pause_seconds, latest)
    return True


def said(hold: HeldTurn, run: RunState | None, words: str = "") -> str:
    """All that the agent at work has said to the user, in this run (`words`, where more was seen of it) and before.

    Where a message was steered to it, only what it has said since: what was said before is a line of its own.
    """
    steered = hold.turn.last_steered
    run_id = hold.turn.run_id if run is None else run.run_id
    heard = max(words, "" if run is None else run.text, key=len)
    last = hold.steps[-1] if hold.steps else None
    if last is not None and last.handoff is not None and run_id is not None and last.run_id == run_id:
        # it has handed over, and what it adds to that is not meant for the user
        first = next(at for at, one in enumerate(hold.steps) if (one.handoff, one.run_id) == (last.handoff, run_id))
        return said_since_handoff(hold.agent.slug, hold.steps[steered:first], run_id, hold.steps[first].text)
    return said_since_handoff(hold.agent.slug, hold.steps[steered:], run_id, heard)


def has_images(hold: HeldTurn, run: RunState) -> bool:
    """Whether the agents have drawn anything that is on record: an answer without words then."""
    return any(image.fault is None for image in (*run.kept_images, *hold.turn.images))


def _last_words_at(hold: HeldTurn, run: RunState, reply: str) -> int:
    """Where in the reply the words behind the last calls begin: what was said before them is under no schema."""
    last = hold.steps[-1] if hold.steps else None
    before = last.text if last is not None and last.run_id == run.run_id else ""
    words = run.text.removeprefix(before).lstrip("\n")
    return len(reply) - len(words) if reply.endswith(words) else 0


def _record(hold: HeldTurn, run: RunState) -> RunRecord:
    return hold.record_of(run)
