"""Which failures count against a model, which against all of a provider's wire, and after how many in a row."""

from __future__ import annotations

import pytest

from shared.core.breaker import FailedChoice, FailureKind, failed_choice, failure_kind
from shared.core.error_codes import ErrorCode
from shared.turn.fallback import DEFINITE

COUNTED: dict[tuple[ErrorCode, str | None], FailureKind] = {
    (ErrorCode.PROVIDER_API_ABSENT, None): FailureKind(2, of_wire=True),
    (ErrorCode.PROVIDER_AUTH, None): FailureKind(2, of_wire=True),
    (ErrorCode.PROVIDER_MODEL, None): FailureKind(2),
    (ErrorCode.PROVIDER_QUOTA, None): FailureKind(2),
    # a run that has failed, by what the provider says of it
    (ErrorCode.RUN_FAILED, "server_error"): FailureKind(3),
    (ErrorCode.PROVIDER_QUOTA, "insufficient_quota"): FailureKind(2),
    (ErrorCode.PROVIDER_MODEL, "model_not_found"): FailureKind(2),
}


@pytest.mark.parametrize(("code", "run_error"), COUNTED)
def test_what_speaks_against_a_provider_or_a_model_counts(code: ErrorCode, run_error: str | None) -> None:
    assert failure_kind(code, run_error) == COUNTED[code, run_error]
    assert code in DEFINITE


@pytest.mark.parametrize("code", sorted(set(ErrorCode) - {code for code, _ in COUNTED}))
def test_nothing_else_does(code: ErrorCode) -> None:
    """Refused contents, a message that is too long, an agent that the wire cannot send, rates, unknown outcomes."""
    assert failure_kind(code) is None


@pytest.mark.parametrize("run_error", [None, "rate_limit_exceeded", "invalid_prompt", "conversation_ignored"])
def test_a_run_that_may_have_failed_for_what_it_was_asked_does_not(run_error: str | None) -> None:
    assert failure_kind(ErrorCode.RUN_FAILED, run_error) is None


def test_a_key_is_that_of_the_wire_and_a_quota_that_of_the_model() -> None:
    code = ErrorCode.PROVIDER_AUTH
    kind = FailureKind(2, of_wire=True)
    told = failed_choice(kind, "responses", "responses", "m", code)
    assert told == FailedChoice("responses", by_default=True, model=None, open_after=2, code=code)
    told = failed_choice(FailureKind(2), "assistants", "responses", "m", ErrorCode.PROVIDER_QUOTA)
    assert told == FailedChoice("assistants", False, "m", 2, ErrorCode.PROVIDER_QUOTA)
