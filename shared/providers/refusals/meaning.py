"""What a refusal means for the request it answers, where the answer alone does not tell."""

from __future__ import annotations

from shared.core.error_codes import ErrorCode
from shared.core.errors import (
    ContentsRefused,
    NotCancellable,
    NotFoundAtProvider,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ThreadGone,
)

_CONTENTS = ("input", "body.input", "messages", "item", "thread", "conversation", "prompt", "content")
"""How the parameter begins that a refusal of stored items names."""

ABSENT = frozenset({404, 405, 501})
"""How servers say that they do not have a route; 501 was observed for parts of the Responses API."""


def lacks_route(error: ProviderError) -> bool:
    """Whether the server has no such route at all."""
    return error.status in ABSENT and isinstance(error, ProviderRefused | OutcomeUnknown)


def is_gone(error: ProviderError) -> bool:
    """Whether something that could not be deleted is not there."""
    return error.status in (404, 410) or isinstance(error, NotFoundAtProvider | ThreadGone)


def cancel_refused(error: ProviderError) -> ProviderError:
    """A definite no to a cancel means that there is nothing to cancel, unless it is about the key or the quota."""
    plain = isinstance(error, ProviderRefused) and error.code == ErrorCode.PROVIDER_REFUSED
    if lacks_route(error) or (plain and error.status in (400, 409, 422)):
        return NotCancellable(error.message, status=error.status, details=error.details)
    return error


def start_refused(error: ProviderError) -> ProviderError:
    """A create or a submission is refused or not: what other requests may hear of runs is a plain no to it."""
    if isinstance(error, NotFoundAtProvider | NotCancellable):
        return ContentsRefused(error.message, status=error.status, details=error.details)
    if isinstance(error, ProviderRefused) and _may_be_contents(error):
        return ContentsRefused(error.message, code=error.code, status=error.status, details=error.details)
    return error


def _may_be_contents(error: ProviderRefused) -> bool:
    """Whether what stands in the thread may be what is refused: it is said, or nothing else is."""
    if error.code in (ErrorCode.CONTEXT_TOO_LONG, ErrorCode.CONTENT_FLAGGED):
        return True
    param = str(error.details.get("param", "")).lower()
    named = param.startswith(_CONTENTS) or (not param and "about" not in error.details)
    return error.code is ErrorCode.PROVIDER_REFUSED and error.status in (400, 404, 409, 413, 422) and named


def nothing_started(error: ProviderError) -> ProviderError:
    """For requests that only prepare a start: when their outcome is unknown, that of the start is not."""
    if isinstance(error, OutcomeUnknown):
        return NotSent(f"Nothing was started: {error.message}", status=error.status, retry_after=error.retry_after)
    return error


def refuses_background(error: ProviderError) -> bool:
    """Whether the server will not run this in the background. Observed as 400, 404 and 422; a 501 may mean it too."""
    return error.details.get("about") == "background" and error.status in (400, 403, 404, 405, 409, 422, 501)


def refuses_stream(error: ProviderError) -> bool:
    """Whether the server will not stream this."""
    return error.details.get("about") == "stream" and error.status in (400, 403, 404, 405, 409, 422, 501)


def refuses_field(error: ProviderError, name: str) -> bool:
    """Whether the server does not take this field of a create, which another create can do without."""
    return error.details.get("about") == name and error.status in (400, 403, 404, 409, 422)


def may_refuse_items(error: ProviderError) -> bool:
    """Whether the shape of an input item may be what is refused."""
    return isinstance(error, ContentsRefused) and error.code is ErrorCode.PROVIDER_REFUSED


def misses_assistant(error: ProviderError) -> bool:
    """Whether a create was refused because there is no such assistant."""
    return error.details.get("about") == "assistant" and isinstance(error, ProviderRefused | NotFoundAtProvider)


def refuses_conversation(error: ProviderError) -> bool:
    """Whether the server does not know the parameter: it keeps no conversations."""
    param = str(error.details.get("param", "")).rpartition(".")[2]
    code = str(error.details.get("provider_code", ""))
    unknown = any(word in code for word in ("unknown", "unsupported", "unrecognized", "extra", "not_supported"))
    named = error.details.get("about") == "conversation"
    return isinstance(error, ProviderRefused) and (named or (param == "conversation" and unknown))
