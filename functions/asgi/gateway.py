"""The outermost layer: every request comes in and every answer goes out here, failures included.

It gives the request its id, refuses what no handler should read, holds the number of requests under its cap, adds the
headers every answer has, and turns every exception from inside into the one error body: once, and never twice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.asgi.call import CLIENT_DONE, Call
from functions.asgi.cors import cors_headers, is_preflight, preflight_headers
from functions.asgi.errors import error_response, noted
from functions.asgi.request_cap import RequestCap
from functions.asgi.request_checks import check_single, check_sizes, request_id, split_path
from shared import logs
from shared.core.chat_events import EventName
from shared.ports import Clock
from shared.telemetry import spans

HEALTH_PATHS = frozenset({"/health", "/healthz"})


class Gateway:
    """Wraps the app. `project` is the Google Cloud project that traces belong to.

    With `log_execution_id` each line of a request's log carries the id that the platform gave its execution.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        allowed_origins: Collection[str],
        max_concurrent: int,
        project: str | None = None,
        log_execution_id: bool = False,
    ) -> None:
        self._app, self._clock, self._project = app, clock, project
        self._log_execution_id = log_execution_id
        self._allowed_origins = frozenset(allowed_origins)
        self._cap = RequestCap(max_concurrent, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # functions are never sent anything else
            return
        headers = Headers(scope=scope)
        raw_path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
        prefix, path = split_path(raw_path.decode("latin-1"))
        call = Call(request_id(headers), self._clock.now(), prefix, path)
        if told := scope.get("extensions", {}).get(CLIENT_DONE):
            call.client_done = told["event"]
        answer = _Answer(call, cors_headers(_origin(headers), self._allowed_origins), send)
        joined = logs.trace_fields(headers.get("x-cloud-trace-context"), self._project)
        if self._log_execution_id:
            joined |= logs.execution_fields(headers.get("function-execution-id"))
        method = _method(scope)
        with (
            logs.bound(request_id=call.request_id, **joined),
            spans.called_by(headers),
            spans.span(method, "server", http__request__method=method) as span,
        ):
            try:
                await self._pass(scope, headers, raw_path, call, receive, answer)
            except ClientDisconnect:
                pass  # the client has left
            except Exception as error:
                await self._refuse(error, scope, receive, answer)
            finally:
                self._note(call, method, answer)
                self._measure(call, method, answer, span)

    async def _pass(
        self, scope: Scope, headers: Headers, raw_path: bytes, call: Call, receive: Receive, answer: _Answer
    ) -> None:
        check_sizes(len(raw_path) + len(scope.get("query_string", b"")) + 1, scope["headers"])
        check_single(scope["headers"])
        if is_preflight(scope["method"], headers):
            call.route = "preflight"
            asked = ",".join(headers.getlist("access-control-request-headers"))
            given = preflight_headers(_origin(headers), self._allowed_origins, asked)
            await Response(status_code=204, headers=given)(scope, receive, answer.send)
            return
        inner = {name: scope[name] for name in _KEPT if name in scope}
        inner |= {
            "path": call.path,
            "raw_path": call.path.encode("latin-1"),
            "root_path": "",
            "call": call,
            "state": {},
        }
        if call.path in HEALTH_PATHS:  # the one who asks whether we are overloaded must be answered
            await self._app(inner, receive, answer.send)
            return
        self._cap.enter()
        try:
            await self._app(inner, receive, answer.send)
        finally:
            self._cap.leave()
            for act in call.afterwards:
                act()

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        chat_error = noted(error)
        answer.call.code = chat_error.code
        if not answer.started:  # half an answer cannot be taken back: the server closes the connection
            await error_response(chat_error, answer.call.request_id)(scope, receive, answer.send)

    def _measure(self, call: Call, method: str, answer: _Answer, span: spans.Span) -> None:
        facts: dict[str, Any] = {
            "http__request__method": method,
            "http__route": call.route,
            "http__response__status_code": answer.status or None,
            "error__type": call.code or None,
        }
        span.rename(f"{method} {call.route}")
        span.set(**facts)
        if answer.status >= 500:
            span.fail(call.code or str(answer.status))
        spans.record("http.server.request.duration", self._clock.now() - call.arrived_at, **facts)

    def _note(self, call: Call, method: str, answer: _Answer) -> None:
        if call.path in HEALTH_PATHS and answer.status == 200:
            return
        fields: dict[str, Any] = {
            "method": method,
            "route": call.route,
            "status": answer.status,
            "elapsed_ms": round((self._clock.now() - call.arrived_at) * 1000),
        }
        if call.code:
            fields["code"] = call.code
        logs.event(EventName.REQUEST_ANSWERED, **fields)


_KEPT = (
    "type",
    "asgi",
    "http_version",
    "method",
    "scheme",
    "query_string",
    "headers",
    "client",
    "server",
    "extensions",
)
_OVERRIDABLE = frozenset({"cache-control", "vary"})  # a stream and a preflight say more
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


class _Answer:
    """One answer on its way out: remembers whether it has begun, and adds what every answer carries."""

    def __init__(self, call: Call, headers: dict[str, str], send: Send) -> None:
        self.call, self.started, self.status = call, False, 0
        self._send = send
        self._headers = headers | {
            "x-request-id": call.request_id,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            own = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                if name in _OVERRIDABLE:
                    own.setdefault(name, value)
                else:
                    own[name] = value
        await self._send(message)


def _origin(headers: Headers) -> str | None:
    origins = headers.getlist("origin")
    return origins[0] if len(origins) == 1 else None
