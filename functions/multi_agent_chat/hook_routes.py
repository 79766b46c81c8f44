"""What a provider tells of its own accord: a run has ended, so its turn goes on at once, though no client waits."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from functions.asgi import strict_json
from functions.asgi.body import check_encoding, read_body
from functions.asgi.call import call_of
from functions.multi_agent_chat.dependencies import Dependencies
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest, NotFound

ENDS = frozenset({"response.completed", "response.failed", "response.cancelled", "response.incomplete"})
WORK_SECONDS = 20.0  # a lease that its holder left lapses meanwhile; the next run tells of its end itself


class HookRoutes:
    """The signature is looked at before anything that it covers is read."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def take_openai(self, request: Request) -> Response:
        if self._deps.check_signature is None:
            raise NotFound()
        check_encoding(request.headers)
        body = await read_body(request)
        if not self._deps.check_signature(body, request.headers):
            raise InvalidRequest(code=ErrorCode.INVALID_SIGNATURE)
        run_id = ended_run(strict_json.parse(body))
        if run_id is not None:
            deadline = call_of(request).arrived_at + min(WORK_SECONDS, self._deps.wait_budget_seconds)
            await self._deps.in_time(self._deps.service.carry_on(run_id, deadline), deadline)
        return Response(status_code=204)


def ended_run(event: object) -> str | None:
    """The response that has ended; None where the event is of something else."""
    data = event.get("data") if isinstance(event, Mapping) and event.get("type") in ENDS else None
    run_id = data.get("id") if isinstance(data, Mapping) else None
    return run_id if isinstance(run_id, str) and run_id else None
