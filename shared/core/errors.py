"""Every way this project says no, as one tree.

    ChatError
    ├── RequestError            the caller can act: 4xx
    │   ├── InvalidRequest, NotFound, Unauthorized, Forbidden
    │   └── Conflict, ConversationDeleted, TooMany
    ├── TurnFailed              the turn's final outcome is a typed failure
    ├── ProviderError           what a provider answered, read once by providers/refusals
    │   ├── ActiveRun           another run is active on the thread: the event behind this project
    │   ├── RateLimited         refused for now
    │   ├── ThreadGone          the provider no longer has the thread
    │   ├── UnansweredCalls     the thread waits for outputs of function calls
    │   ├── NotCancellable      the run cannot be cancelled
    │   │   └── RunsInForeground    and never will be, because it has no id until it ends
    │   ├── NotFoundAtProvider  the provider does not know the run
    │   │   └── NeverShown          and never will, because it shows no runs
    │   ├── ProviderRefused     a definite no that no repetition changes
    │   │   └── ContentsRefused     or one that may be about what stands in the thread: seed a new one, once
    │   ├── ConversationIgnored the server took the run and keeps no conversation
    │   ├── NotSent             the request never reached the provider
    │   └── OutcomeUnknown      the request may or may not have taken effect
    ├── NoAgents                nothing is set up that could answer: the operator's to mend, not the caller's
    ├── StoreUnavailable        the database cannot be used now: nothing is half accepted; `fault` says why
    ├── StoreRefused            the database refuses a call of ours: a fault of this program
    ├── KeysUnavailable         the keys that verify tokens cannot be fetched
    └── Fenced                  a newer holder of the lease exists; this one must stop writing

Each has a code of error_codes.py; the sentences that people get to read stand in functions/asgi/errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from shared.core.error_codes import ErrorCode


class ChatError(Exception):
    """Base of all typed errors. `retry_after` is in seconds.

    `message` is for a caller of ours only in a RequestError, and only where it says more than the sentence of the code;
    in all others it may quote a provider or the database, and no answer carries it.
    """

    code: ErrorCode = ErrorCode.INTERNAL_ERROR
    retryable = False

    def __init__(
        self,
        message: str = "",
        *,
        code: ErrorCode | None = None,
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
    code = ErrorCode.INVALID_REQUEST


class Unauthorized(RequestError):
    code = ErrorCode.INVALID_TOKEN


class Forbidden(RequestError):
    code = ErrorCode.FORBIDDEN


class NotFound(RequestError):
    """No such object, or another user's: the two are indistinguishable from outside."""

    code = ErrorCode.NOT_FOUND


class Conflict(RequestError):
    code = ErrorCode.CONFLICT


class ConversationDeleted(RequestError):
    """The conversation that a message is for, or that it is waiting in, was deleted by its user."""

    code = ErrorCode.CONVERSATION_DELETED


class TooMany(RequestError):
    code = ErrorCode.RATE_LIMITED
    retryable = True


class TurnFailed(ChatError):
    """The turn ended without a reply; the same answer for every later read and retry."""

    code = ErrorCode.RUN_FAILED


class ProviderError(ChatError):
    """What a provider answered. `status` is its HTTP status, None where there was no answer."""

    code = ErrorCode.PROVIDER_ERROR

    def __init__(self, message: str = "", *, status: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.status = status


class ActiveRun(ProviderError):
    """Another run is active on the thread. `run_id` is its id where the error names one."""

    code = ErrorCode.RUN_CONFLICT

    def __init__(self, message: str = "", *, run_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.run_id = run_id


class RateLimited(ProviderError):
    """Refused for now; not before `retry_after` seconds where given. Nothing was started."""

    code = ErrorCode.PROVIDER_RATE_LIMITED
    retryable = True


class ThreadGone(ProviderError):
    """The provider no longer has the thread: seed a new one. Not raised when the whole API is absent."""

    code = ErrorCode.THREAD_GONE


class UnansweredCalls(ProviderError):
    """The conversation waits for outputs of function calls that no request will bring: post synthetic ones."""

    code = ErrorCode.UNANSWERED_CALLS

    def __init__(self, message: str = "", *, call_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.call_id = call_id


class NotCancellable(ProviderError):
    """The run cannot be cancelled: it has just ended, is already cancelling, or runs in the foreground."""

    code = ErrorCode.NOT_CANCELLABLE


class RunsInForeground(NotCancellable):
    """A response in the foreground: it takes no cancel, however often it is asked."""


class NotFoundAtProvider(ProviderError):
    """The provider does not know this run. Says nothing of the thread."""

    code = ErrorCode.RUN_NOT_FOUND


class NeverShown(NotFoundAtProvider):
    """This server shows no runs: asking again will not help."""


class ProviderRefused(ProviderError):
    """A definite no: bad key, no quota, unknown model, an API that this host does not have, a bad request."""

    code = ErrorCode.PROVIDER_REFUSED


class ContentsRefused(ProviderRefused):
    """A definite no that may be about what stands in the thread, or in the transcript that was sent: too long, flagged,
    damaged, or a refusal that does not say what it is about. A thread is a cache, so a new one is worth one try."""


class ConversationIgnored(ProviderError):
    """The server took the run but does not keep conversations: send the transcript instead."""

    code = ErrorCode.CONVERSATION_IGNORED


class NotSent(ProviderError):
    """The request never reached the provider: refused connection, DNS, TLS, no free connection."""

    code = ErrorCode.PROVIDER_UNREACHABLE
    retryable = True


class OutcomeUnknown(ProviderError):
    """The request may or may not have taken effect: look before repeating it."""

    code = ErrorCode.PROVIDER_UNAVAILABLE
    retryable = True


class NoAgents(ChatError):
    code = ErrorCode.NO_AGENTS


class StoreFault(StrEnum):
    """Why the database could not be used. Its operator acts on it; the caller only waits."""

    DATABASE_AWAY = "database_away"
    FUNCTION_MISSING = "function_missing"
    KEY_REFUSED = "key_refused"


class StoreUnavailable(ChatError):
    code = ErrorCode.STORE_UNAVAILABLE
    retryable = True

    def __init__(self, message: str = "", *, fault: StoreFault = StoreFault.DATABASE_AWAY, **given: Any) -> None:
        super().__init__(message, **given)
        self.fault = fault


class StoreRefused(ChatError):
    """The database is there and says no to a call of ours: a fault of this program, not of its surroundings."""


class KeysUnavailable(ChatError):
    """There is no key to judge a token by, and none can be fetched now: neither a yes nor a no."""

    code = ErrorCode.AUTH_UNAVAILABLE
    retryable = True


class Fenced(ChatError):
    code = ErrorCode.FENCED
    retryable = True
