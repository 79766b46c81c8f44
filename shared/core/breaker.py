"""Which failures speak against a provider or a model, and not against the message: they count for a breaker.

A breaker is shared by all instances through the database, which counts what it is told and measures the time
(`chat_breakers` of the migrations): after `open_after` failures in a row it opens for half a minute, twice as long each
time up to ten minutes; then one turn at a time tries again, and one success closes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.core.error_codes import ErrorCode
from shared.core.runs import SERVER_ERROR


@dataclass(frozen=True, slots=True)
class FailureKind:
    """`of_wire`: all that is asked of that provider fails as well, with any model."""

    open_after: int  # failures in a row
    of_wire: bool = False


# a refusal says what is wrong, and a second one that it was no slip
_REFUSALS: Mapping[ErrorCode, FailureKind] = {
    ErrorCode.PROVIDER_API_ABSENT: FailureKind(2, of_wire=True),
    ErrorCode.PROVIDER_AUTH: FailureKind(2, of_wire=True),
    ErrorCode.PROVIDER_MODEL: FailureKind(2),
    ErrorCode.PROVIDER_QUOTA: FailureKind(2),
}
# a run may fail for reasons of its own
_FAILED_RUN = FailureKind(3)


@dataclass(frozen=True, slots=True)
class FailedChoice:
    """What is written of a failure that counts."""

    provider: str  # the wire's own name
    by_default: bool  # it is the one that agents mean whose rows name none
    model: str | None  # None: the whole wire
    open_after: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class ProvenChoice:
    """What is written of a success, where failures were on record."""

    provider: str | None  # as the agent's row has it
    model: str
    failed_us: int  # the last failure known as the turn was claimed, on the database's clock: later ones stand


def failure_kind(code: ErrorCode, run_error: str | None = None) -> FailureKind | None:
    """`run_error` is the provider's own code where a run has failed. None: it may be the message's fault."""
    if code is ErrorCode.RUN_FAILED:
        return _FAILED_RUN if run_error == SERVER_ERROR else None
    return _REFUSALS.get(code)


def failed_choice(kind: FailureKind, provider: str, default: str, model: str, code: ErrorCode) -> FailedChoice:
    """`provider` is the wire that has failed, `default` the one that PROVIDER names."""
    return FailedChoice(provider, provider == default, None if kind.of_wire else model, kind.open_after, code)
