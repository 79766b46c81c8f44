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
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, InvalidRequest, NotFound, RequestError, TurnFailed

# The only place with sentences for people, but for what a request is told about a field or a limit of its own.
TABLE: Mapping[ErrorCode, tuple[int, str]] = {
    ErrorCode.INVALID_JSON: (400, "The body is not one strict JSON document."),
    ErrorCode.MALFORMED_REQUEST: (400, "This is not a well-formed HTTP request."),
    ErrorCode.DUPLICATE_HEADER: (400, "A header that must be single was sent more than once."),
    ErrorCode.INVALID_SIGNATURE: (400, "The signature is not right for what was sent, or too old."),
    ErrorCode.INVALID_IDEMPOTENCY_KEY: (400, "Idempotency-Key must be 1 to 255 visible ASCII characters."),
    ErrorCode.MISSING_TOKEN: (401, "Show a token as Authorization: Bearer <token>."),
    ErrorCode.INVALID_TOKEN: (401, "The token is not valid."),
    ErrorCode.TOKEN_EXPIRED: (401, "The token has expired."),
    ErrorCode.FORBIDDEN: (403, "This needs the token of a signed-in user; an API key is none."),
    ErrorCode.OPERATORS_ONLY: (403, "Only operators may see this."),
    ErrorCode.NOT_FOUND: (404, "Not found."),
    ErrorCode.METHOD_NOT_ALLOWED: (405, "This method is not allowed here."),
    ErrorCode.NOT_ACCEPTABLE: (406, "What this sends is not what the caller accepts."),
    ErrorCode.REQUEST_TIMEOUT: (408, "The body stopped coming."),
    ErrorCode.CONFLICT: (409, "This contradicts the present state."),
    ErrorCode.RUN_IN_PROGRESS: (409, "Another message is being answered in this conversation."),
    ErrorCode.CONVERSATION_ARCHIVED: (409, "The conversation is archived: open it again to send a message."),
    ErrorCode.ALREADY_STARTED: (409, "The message is being answered already."),
    ErrorCode.AGENT_EXISTS: (409, "An agent of yours has this slug already."),
    ErrorCode.TOO_MANY_AGENTS: (409, "You have as many agents as one user may have: remove one first."),
    ErrorCode.ALREADY_ANSWERED: (409, "The call has its answer already, or is not waited for any more."),
    ErrorCode.CANCELLED: (409, "The turn was cancelled."),
    ErrorCode.SUPERSEDED: (409, "The turn was displaced by a later message."),
    ErrorCode.CONVERSATION_DELETED: (410, "The conversation was deleted."),
    ErrorCode.BODY_TOO_LARGE: (413, "The body is too large."),
    ErrorCode.URI_TOO_LONG: (414, "The address is too long."),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: (415, "Send application/json in UTF-8."),
    ErrorCode.UNSUPPORTED_ENCODING: (415, "A compressed body is not accepted."),
    ErrorCode.INVALID_REQUEST: (422, "The request is not valid."),
    ErrorCode.UNKNOWN_FIELD: (422, "The request has a field that does not exist."),
    ErrorCode.JOINED_TOO_LONG: (422, "The joined messages are too long to be sent as one."),
    ErrorCode.CONTEXT_TOO_LONG: (422, "The conversation has become too long for the agent's model."),
    ErrorCode.CONTENT_FLAGGED: (422, "The provider's rules do not allow what was said."),
    ErrorCode.UNKNOWN_AGENT: (422, "There is no such agent."),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: (422, "This Idempotency-Key was used for another message."),
    ErrorCode.RATE_LIMITED: (429, "Too many requests in this minute."),
    ErrorCode.QUEUE_FULL: (429, "Too many messages wait in this conversation."),
    ErrorCode.TOO_MANY_OPEN: (429, "Too many messages wait to be answered."),
    ErrorCode.HEADERS_TOO_LARGE: (431, "The headers are too large."),
    ErrorCode.INTERNAL_ERROR: (500, "Something went wrong here."),
    ErrorCode.RUN_FAILED: (502, "The agent could not answer."),
    ErrorCode.RUN_CANCELLED: (502, "The run was cancelled at the provider."),
    ErrorCode.RUN_INCOMPLETE: (502, "The agent's answer was cut off."),
    ErrorCode.EMPTY_REPLY: (502, "The agent ended without an answer."),
    ErrorCode.REPLY_NOT_JSON: (502, "The agent was to answer in JSON, and its answer is none."),
    ErrorCode.UNSUPPORTED_REPLY: (
        502,
        "The agent answered with something that cannot be shown: neither text nor an image.",
    ),
    ErrorCode.IMAGE_TOO_LARGE: (502, "The image is too large to be kept."),
    ErrorCode.TOO_MANY_IMAGES: (502, "The answer has more images than are kept of one."),
    ErrorCode.UNSUPPORTED_IMAGE: (502, "The image cannot be read, or is of a kind that is not shown."),
    ErrorCode.HANDOFF_LIMIT: (502, "The agents handed the message on too often."),
    ErrorCode.HANDOFF_LOOP: (502, "The agents handed the message round in a circle."),
    ErrorCode.TOOL_LIMIT: (502, "The agents called too many tools."),
    ErrorCode.RUN_CONFLICT: (502, "Another run holds the conversation at the provider."),
    ErrorCode.RUN_NOT_FOUND: (502, "The provider no longer knows the run."),
    ErrorCode.NOT_CANCELLABLE: (502, "The provider would not cancel the run."),
    ErrorCode.THREAD_GONE: (502, "The provider no longer has the conversation."),
    ErrorCode.UNANSWERED_CALLS: (502, "The provider waits for the output of a tool call."),
    ErrorCode.CONVERSATION_IGNORED: (502, "The provider does not keep conversations."),
    ErrorCode.PROVIDER_ERROR: (502, "The provider answered with an error."),
    ErrorCode.PROVIDER_API_ABSENT: (502, "The provider's host does not have the API this service is set up for."),
    ErrorCode.PROVIDER_AUTH: (502, "The provider refused this service's key."),
    ErrorCode.AGENT_NOT_SUPPORTED: (502, "The agent's row asks for something that its provider's wire cannot do."),
    ErrorCode.PROVIDER_MODEL: (502, "The provider does not have the model that the agent's row names."),
    ErrorCode.PROVIDER_QUOTA: (502, "This service's quota at the provider is used up."),
    ErrorCode.PROVIDER_REFUSED: (502, "The provider refused the request."),
    ErrorCode.PROVIDER_RATE_LIMITED: (503, "The provider has too much to do."),
    ErrorCode.PROVIDER_UNAVAILABLE: (503, "The provider cannot be reached."),
    ErrorCode.PROVIDER_UNREACHABLE: (503, "The provider cannot be reached."),
    ErrorCode.MAINTENANCE_OFF: (503, "The scheduled function has no secret to be called with."),
    ErrorCode.NO_AGENTS: (503, "No agent is set up yet: the operator of this service has to apply the seed."),
    ErrorCode.AUTH_UNAVAILABLE: (503, "Tokens cannot be verified right now."),
    ErrorCode.STORE_UNAVAILABLE: (503, "The database cannot be reached."),
    ErrorCode.OVERLOADED: (503, "This instance has too much to do."),
    ErrorCode.FENCED: (503, "Another instance took over."),
    ErrorCode.RUN_NOT_ENDING: (504, "Another run holds the conversation at the provider and does not end."),
    ErrorCode.RUN_EXPIRED: (504, "The run expired at the provider."),
    ErrorCode.RUN_TIMEOUT: (504, "The agent did not finish in time."),
    ErrorCode.TURN_EXPIRED: (504, "The message could not be answered in time."),
}

_BY_STATUS = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.BODY_TOO_LARGE,
}  # what Starlette raises by itself


def status_of(code: ErrorCode) -> int:
    """The HTTP status of an error code."""
    return TABLE[code][0]


def sentence_of(code: ErrorCode) -> str:
    """What people are told about an error code where its error has no better words for its caller."""
    return TABLE[code][1]


def as_chat_error(error: Exception) -> ChatError:
    """Any exception as one of ours; what is unknown becomes `internal_error` and says nothing."""
    if isinstance(error, ChatError):
        return error
    if isinstance(error, HTTPException):
        ours = ErrorCode.INTERNAL_ERROR if error.status_code >= 500 else ErrorCode.MALFORMED_REQUEST
        return InvalidRequest(code=_BY_STATUS.get(error.status_code, ours))
    return ChatError()


def noted(error: Exception) -> ChatError:
    """The error as one of ours, written into the log where it is a failure on this side."""
    chat_error = as_chat_error(error)
    # a turn's own failure was an event when it happened
    if status_of(chat_error.code) >= 500 and not isinstance(error, TurnFailed):
        level = logging.WARNING if isinstance(error, ChatError) else logging.ERROR
        logs.event(EventName.REQUEST_FAILED, level=level, exception=error, code=chat_error.code)
    return chat_error


def error_body(error: ChatError, request_id: str) -> dict[str, Any]:
    """The one shape. Messages of request errors are written for the caller; all others are replaced."""
    if error.code == ErrorCode.NOT_FOUND:
        error = NotFound()  # what is another user's and what does not exist are told apart by nothing at all
    own_words = error.message if isinstance(error, RequestError) else ""
    body: dict[str, Any] = {
        "code": error.code.value,
        "message": own_words or sentence_of(error.code),
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
        missing = error.code is ErrorCode.MISSING_TOKEN
        headers["www-authenticate"] = "Bearer" if missing else 'Bearer error="invalid_token"'
    if error.retry_after is not None:
        headers["retry-after"] = retry_after(error.retry_after)
    elif status in (429, 503):
        headers["retry-after"] = "1"
    if status == 408:
        headers["connection"] = "close"  # the rest of the body may still come, and is no request
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
