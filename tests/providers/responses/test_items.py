"""A response object as a state: what is made of one that says nothing of itself."""

from __future__ import annotations

from typing import Any

import pytest

from shared.providers.responses.items import response_state


def said(text: str, status: str | None) -> dict[str, Any]:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return item if status is None else {**item, "status": status}


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ([said("whole", "completed")], "completed"),
        ([said("whole", None)], "completed"),
        ([said("half", "in_progress")], "unknown"),
        ([said("whole", "completed"), said("half", "in_progress")], "unknown"),
        ([said("cut off", "incomplete")], "unknown"),
        ([], "unknown"),
    ],
)
@pytest.mark.parametrize("missing", [{}, {"status": None}])
def test_without_a_status_only_whole_items_are_taken_for_an_answer(
    missing: dict[str, Any], output: list[dict[str, Any]], status: str
) -> None:
    assert response_state({"id": "resp_1", "output": output, **missing}).status == status
