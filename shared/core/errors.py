"""Every way this project says no, as one tree.

    ChatError
    ├── RequestError            the caller can act: 4xx
    │   ├── InvalidRequest, NotFound, Unauthorized, Forbidden
    │   └── Conflict, TooMany
    ├── TurnFailed              the turn's final outcome is a typed failure
    ├── ProviderError           what a provider answered, read once by providers/errors.py
    │   ├── ActiveRun           another run is active on the thread: the event behind this project
    │   ├── RateLimited, ThreadGone, UnansweredCalls, NotCancellable, NotFoundAtProvider
    │   ├── ProviderRefused     a definite no that no repetition changes
    │   └── OutcomeUnknown      the request may or may not have taken effect
    ├── StoreUnavailable        the database cannot be used now: nothing is half accepted; `fault` says why
    ├── StoreRefused            the database refuses a call of ours: a fault of this program
    └── Fenced                  a newer holder of the lease exists; this one must stop writing

`code` is stable and snake_case; the HTTP status of each code stands in one table, functions/…/http_errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ChatError(Exception):
    """Base of all typed errors. `retry_after` is in seconds."""

    code = "internal_error"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.retryable = type(self).retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.details = dict(details or {})


class RequestError(ChatError):
    """The caller asked for something that cannot be done as asked."""


class InvalidRequest(RequestError):
    code = "invalid_request"


class Unauthorized(RequestError):
    code = "invalid_token"


class Forbidden(RequestError):
    code = "forbidden"


class NotFound(RequestError):
    """No such object, or another user's: the two are indistinguishable from outside."""

    code = "not_found"


class Conflict(RequestError):
    code = "conflict"


class TooMany(RequestError):
    code = "rate_limited"
    retryable = True


class TurnFailed(ChatError):
    """The turn ended without a reply; the same answer for every later read and retry."""

    code = "run_failed"


class ProviderError(ChatError):
    """What a provider answered. `status` is its HTTP status, None where there was no answer."""

    code = "provider_error"

    def __init__(self, message: str, *, status: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.status = status


class ActiveRun(ProviderError):
    """Another run is active on the thread. `run_id` is its id where the error names one."""

    code = "run_conflict"

    def __init__(self, message: str, *, run_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.run_id = run_id


class RateLimited(ProviderError):
    """Refused for now; not before `retry_after` seconds where given. Nothing was started."""

    code = "provider_rate_limited"
    retryable = True


class ThreadGone(ProviderError):
    """The provider no longer has the thread: seed a new one. Not raised when the whole API is absent."""

    code = "thread_gone"


class UnansweredCalls(ProviderError):
    """The conversation waits for outputs of function calls that nobody will bring: post synthetic ones."""

    code = "unanswered_calls"

    def __init__(self, message: str, *, call_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.call_id = call_id


class NotCancellable(ProviderError):
    """The run cannot be cancelled: it has just ended, is already cancelling, or runs in the foreground."""

    code = "not_cancellable"


class NotFoundAtProvider(ProviderError):
    """The provider does not know this run. Says nothing of the thread."""

    code = "run_not_found"


class ProviderRefused(ProviderError):
    """A definite no: bad key, no quota, unknown model, an API that this host does not have, a bad request."""

    code = "provider_refused"


class ConversationIgnored(ProviderError):
    """The server took the run but does not keep conversations: send the transcript instead."""

    code = "conversation_ignored"


class NotSent(ProviderError):
    """The request never reached the provider: refused connection, DNS, TLS, no free connection."""

    code = "provider_unreachable"
    retryable = True


class OutcomeUnknown(ProviderError):
    """The request may or may not have taken effect: look before repeating it."""

    code = "provider_unavailable"
    retryable = True


class StoreFault(StrEnum):
    """Why the database could not be used. Its operator acts on it; the caller only waits."""

    DATABASE_AWAY = "database_away"
    FUNCTION_MISSING = "function_missing"
    KEY_REFUSED = "key_refused"


class StoreUnavailable(ChatError):
    code = "store_unavailable"
    retryable = True

    def __init__(self, message: str, *, fault: StoreFault = StoreFault.DATABASE_AWAY, **given: Any) -> None:
        super().__init__(message, **given)
        self.fault = fault


class StoreRefused(ChatError):
    """The database is there and says no to a call of ours: a fault of this program, not of its surroundings."""


class Fenced(ChatError):
    code = "fenced"
    retryable = True
