"""What a failed run means: whether another one is worth a try, and when."""

from typing import Any

import pytest

from shared.providers.assistants.runs import run_state
from shared.providers.responses.items import response_state

TOO_LARGE = "Request too large: Limit 30000, Requested 31538."
RATE = "Rate limit reached on tokens per min (TPM). Please try again in 12s."


@pytest.mark.parametrize(
    ("error", "refusal", "seconds"),
    [
        ({"code": "rate_limit_exceeded", "message": RATE}, "provider_rate_limited", 12.0),
        ({"code": "rate_limit_exceeded", "message": "Slow down."}, "provider_rate_limited", None),
        (
            {"code": "rate_limit_exceeded", "message": TOO_LARGE},
            "context_too_long",
            None,
        ),
        ({"code": "context_length_exceeded", "message": "x"}, "context_too_long", None),
        ({"code": None, "message": "Your input exceeds the context window of this model."}, None, None),
        ({"code": "invalid_prompt", "message": "flagged"}, "content_flagged", None),
        ({"code": "content_filter", "message": ""}, "content_flagged", None),
        ({"code": "insufficient_quota", "message": ""}, "provider_quota", None),
        ({"code": "server_error", "message": "Try again in 3 seconds."}, None, 3.0),
        ({}, None, None),
    ],
)
def test_why_a_run_failed(error: dict[str, Any], refusal: str | None, seconds: float | None) -> None:
    one = response_state({"id": "r", "status": "failed", "error": error})
    other = run_state({"id": "r", "status": "failed", "last_error": error})

    for state in (one, other):
        assert (state.refusal, state.retry_after_seconds) == (refusal, seconds)
        assert state.error_code == error.get("code")


@pytest.mark.parametrize("status", ["completed", "incomplete", "cancelled", "in_progress"])
def test_only_what_has_failed_has_a_reason(status: str) -> None:
    state = response_state({"id": "r", "status": status, "error": {"code": "rate_limit_exceeded", "message": RATE}})

    assert (state.refusal, state.retry_after_seconds) == (None, None)
