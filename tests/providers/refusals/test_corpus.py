"""Error bodies that real servers and their clients have written, each with what it means."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import ActiveRun, UnansweredCalls
from shared.providers.refusals.classify import from_answer

ROWS = [json.loads(line) for line in (Path(__file__).parent / "provider_errors.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes", "text"])
def test_every_recorded_body_is_read_for_what_it_means(row: dict[str, Any], as_bytes: bool) -> None:
    error = from_answer(row["status"], {}, row["body"].encode() if as_bytes else row["body"])

    assert type(error).__name__ == row["error"]
    assert error.status == row["status"]
    if isinstance(error, ActiveRun):
        assert error.run_id == row["holder"]
    if isinstance(error, UnansweredCalls):
        assert error.call_id == row["call_id"]


@pytest.mark.parametrize("status", [409, 422, 423])
def test_a_conflict_is_one_under_other_statuses_too(status: int) -> None:
    for row in ROWS:
        if row["error"] == "ActiveRun":
            assert isinstance(from_answer(status, {}, row["body"]), ActiveRun), row["id"]
