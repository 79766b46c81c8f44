"""The one table error code -> status, and the one error body every failure leaves in."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared import logs
from shared.core.errors import ChatError, InvalidRequest, NotFound, RequestError, TurnFailed

_logger = logging.getLogger(logs.OURS)

# Sentences stand here for every failure whose own message may quote a provider, a database or a person.
TABLE: Mapping[str, tuple[int, str]] = {
    "invalid_json": (400, "The body is not one strict JSON document."),
    "malformed_request": (400, "This is not a well-formed HTTP request."),
    "duplicate_header": (400, "A header that must be single was sent more than once."),
    "invalid_idempotency_key": (400, "Idempotency-Key must be 1 to 255 visible ASCII characters."),
    "missing_token": (401, "A user's token is missing."),
    "invalid_token": (401, "The token is not valid."),
    "token_expired": (401, "The token has expired."),
    "forbidden": (403, "This is not allowed."),
    "not_found": (404, "Not found."),
    "method_not_allowed": (405, "This method is not allowed here."),
    "not_acceptable": (406, "What this sends is not what the caller accepts."),
    "request_timeout": (408, "The body stopped coming."),
    "conflict": (409, "This contradicts the present state."),
    "run_in_progress": (409, "Another message is being answered in this conversation."),
    "already_started": (409, "The message is being answered already."),
    "cancelled": (409, "The turn was cancelled."),
    "superseded": (409, "The turn was displaced by a later message."),
    "body_too_large": (413, "The body is too large."),
    "uri_too_long": (414, "The address is too long."),
    "unsupported_media_type": (415, "Send application/json in UTF-8."),
    "unsupported_encoding": (415, "A compressed body is not accepted."),
    "invalid_request": (422, "The request is not valid."),
    "unknown_field": (422, "The request has a field that does not exist."),
    "context_too_long": (422, "The conversation has become too long for the agent's model."),
    "unknown_agent": (422, "There is no such agent."),
    "idempotency_key_reused": (422, "This Idempotency-Key was used for another message."),
    "rate_limited": (429, "Too many messages in this minute."),
    "queue_full": (429, "Too many messages wait in this conversation."),
    "too_many_open": (429, "Too many messages wait to be answered."),
    "headers_too_large": (431, "The headers are too large."),
    "internal_error": (500, "Something went wrong here."),
    "run_failed": (502, "The agent could not answer."),
    "run_cancelled": (502, "The run was cancelled at the provider."),
    "run_incomplete": (502, "The agent's answer was cut off."),
    "empty_reply": (502, "The agent ended without an answer."),
    "handoff_limit": (502, "The agents handed the message on too often."),
    "handoff_loop": (502, "The agents handed the message round in a circle."),
    "tool_limit": (502, "The agents called too many tools."),
    "run_conflict": (502, "Another run holds the conversation at the provider."),
    "run_not_found": (502, "The provider no longer knows the run."),
    "not_cancellable": (502, "The provider would not cancel the run."),
    "thread_gone": (502, "The provider no longer has the conversation."),
    "unanswered_calls": (502, "The provider waits for the output of a tool call."),
    "conversation_ignored": (502, "The provider does not keep conversations."),
    "provider_error": (502, "The provider answered with an error."),
    "provider_api_absent": (502, "The provider's host does not have the API this service is set up for."),
    "provider_auth": (502, "The provider refused this service's key."),
    "provider_model": (502, "The provider does not know the agent's model."),
    "provider_quota": (502, "This service's quota at the provider is used up."),
    "provider_refused": (502, "The provider refused the request."),
    "provider_rate_limited": (503, "The provider has too much to do."),
    "provider_unavailable": (503, "The provider cannot be reached."),
    "provider_unreachable": (503, "The provider cannot be reached."),
    "maintenance_off": (503, "The scheduled function has no secret to be called with."),
    "auth_unavailable": (503, "Tokens cannot be verified right now."),
    "store_unavailable": (503, "The database cannot be reached."),
    "overloaded": (503, "This instance has too much to do."),
    "fenced": (503, "Another instance took over."),
    "run_not_ending": (504, "Another run holds the conversation at the provider and does not end."),
    "run_expired": (504, "The run expired at the provider."),
    "run_timeout": (504, "The agent did not finish in time."),
    "turn_expired": (504, "The message could not be answered in time."),
}

_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}  # what Starlette raises by itself


def status_of(code: str) -> int:
    """The HTTP status of an error code; a code that nobody entered into the table is our own fault."""
    return TABLE.get(code, TABLE["internal_error"])[0]


def sentence_of(code: str) -> str:
    """What people may be told about an error code, whatever its own message says."""
    return TABLE.get(code, TABLE["internal_error"])[1]


def as_chat_error(error: Exception) -> ChatError:
    """Any exception as one of ours; what is unknown becomes `internal_error` and says nothing."""
    if isinstance(error, ChatError):
        return error
    if isinstance(error, HTTPException):
        code = _BY_STATUS.get(error.status_code, "internal_error" if error.status_code >= 500 else "malformed_request")
        return InvalidRequest(sentence_of(code), code=code)
    return ChatError(sentence_of("internal_error"))


def noted(error: Exception) -> ChatError:
    """The error as one of ours, written into the log where it is a failure on this side."""
    chat_error = as_chat_error(error)
    # a turn's own failure was an event when it happened
    if status_of(chat_error.code) >= 500 and not isinstance(error, TurnFailed):
        level = logging.WARNING if isinstance(error, ChatError) else logging.ERROR
        _logger.log(level, "request.failed", exc_info=error, extra={"event": {"code": chat_error.code}})
    return chat_error


def error_body(error: ChatError, request_id: str) -> dict[str, Any]:
    """The one shape. Messages of request errors are written for the caller; all others are replaced."""
    code = error.code if error.code in TABLE else "internal_error"
    if code == "not_found":
        # what is another's and what does not exist are told apart by nothing at all
        error = NotFound(sentence_of(code))
    body: dict[str, Any] = {
        "code": code,
        "message": error.message if isinstance(error, RequestError) else sentence_of(code),
        "request_id": request_id,
        "retryable": error.retryable,
    }
    details = dict(error.details)
    if error.retry_after is not None:
        details["retry_after"] = int(retry_after(error.retry_after))
    if details:
        body["details"] = details
    return body


def error_headers(error: ChatError) -> dict[str, str]:
    headers: dict[str, str] = {}
    status = status_of(error.code)
    if status == 401:
        headers["www-authenticate"] = "Bearer" if error.code == "missing_token" else 'Bearer error="invalid_token"'
    if error.retry_after is not None:
        headers["retry-after"] = retry_after(error.retry_after)
    elif status in (429, 503):
        headers["retry-after"] = "1"
    if status == 408:
        headers["connection"] = "close"  # the rest of the body may still come, and is nobody's request
    if isinstance(allow := error.details.get("allow"), str):
        headers["allow"] = allow
    return headers


def retry_after(seconds: float) -> str:
    """Whole seconds, as the header wants them; at least one."""
    return str(max(1, math.ceil(seconds)))


def error_response(error: Exception, request_id: str) -> Response:
    chat_error = as_chat_error(error)
    body = error_body(chat_error, request_id)
    return json_response(body, status_of(chat_error.code), error_headers(chat_error))


def json_response(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in UTF-8. Half a character, which models do send, leaves as a question mark and not as a failure."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, dict(headers or {}), media_type="application/json")
