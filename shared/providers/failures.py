"""What the failure of a run means: the provider's own code, and whether and when another run is worth a try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from shared.core.error_codes import ErrorCode
from shared.core.errors import OutcomeUnknown
from shared.core.redaction import shown_code
from shared.core.runs import RunStatus
from shared.providers import fields
from shared.providers.refusals.classify import run_refusal


class Failure(TypedDict):
    """The fields of a `RunState` that say why it did not complete."""

    error_code: str | None
    refusal: ErrorCode | None
    retry_after_seconds: float | None


def failure_of(run: Mapping[str, Any], key: str, status: str) -> Failure:
    """`key`: where this wire keeps the error of a run."""
    error = fields.inner(run, key)
    code = fields.text(error, "code") or fields.text(error, "type")
    reason = fields.text(fields.inner(run, "incomplete_details"), "reason")
    word = code or reason
    told = shown_code(word) if word else None
    said: Failure = {"error_code": told, "refusal": None, "retry_after_seconds": None}
    if status != RunStatus.FAILED:
        return said
    refusal = run_refusal(code, fields.text(error, "message"))
    known = None if isinstance(refusal, OutcomeUnknown) else refusal.code
    return {**said, "refusal": known, "retry_after_seconds": refusal.retry_after}
