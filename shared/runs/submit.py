"""Gives a run the outputs of its calls, and looks at the run where the answer is lost."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import NotSent, OutcomeUnknown, ProviderError, ProviderRefused, RateLimited
from shared.core.pace import retry_pause
from shared.core.runs import RunState, Thread, ToolOutput
from shared.ports import Provider
from shared.runs.waits import Waits

SUBMIT_TRIES = 4  # of one submission whose outcome is not known or that came too soon


async def submit_outputs(
    provider: Provider,
    thread: Thread,
    run: RunState,
    turn_id: str,
    outputs: Sequence[ToolOutput],
    waits: Waits,
    *,
    stream: bool = False,
) -> RunState:
    """The run with its outputs, which it has where it no longer shows the same calls.

    Raises what the last attempt raised where the run still waits after all of them, and what `waits` raises.
    """
    if run.run_id is None:
        raise ProviderRefused("A run without an id can be given no outputs.")
    tries_left = SUBMIT_TRIES
    while True:
        tries_left -= 1
        try:
            submitting = provider.submit_tool_outputs(
                thread, run.run_id, turn_id, outputs, stream=stream, said=run.text
            )
            return await waits.keep(submitting)
        except ProviderError as error:
            failure = error
        if isinstance(failure, RateLimited | NotSent | OutcomeUnknown):
            await waits.sleep(retry_pause(failure))
        now = await _seen(provider, thread, run.run_id, turn_id, waits)
        if now is not None and (now.status, now.tool_calls) != (run.status, run.tool_calls):
            return now
        if tries_left == 0:
            raise failure


async def _seen(provider: Provider, thread: Thread, run_id: str, turn_id: str, waits: Waits) -> RunState | None:
    try:
        return await waits.keep(provider.get_run(thread, run_id, turn_id))
    except ProviderError:
        return None
