"""The steps of a turn as the next holder gets them: every call with the output that is its own."""

from __future__ import annotations

import json
from typing import Any

from tests.db.database import Chat


def step(run: str, *calls: dict[str, Any]) -> dict[str, Any]:
    made = [{"call_id": call["id"], "name": "tool", "arguments": "{}", "output": call.get("output")} for call in calls]
    return {"run_id": run, "agent": "a", "text": "", "thread_id": "t", "handoff": None, "calls": made}


def outputs(chat: Chat) -> list[list[str | None]]:
    chat.db.let_pass(20)
    steps = chat.claim()["steps"]
    return [[call["output"] for call in one["calls"]] for one in steps]


def test_calls_of_one_id_in_several_runs_have_outputs_of_their_own(chat: Chat) -> None:
    claim = chat.submit()["claim"]
    turn, epoch = claim["turn"]["turn_id"], claim["epoch"]
    calls = [
        ({"id": "1"}, {"id": "2"}),
        ({"id": "1"},),
        ({"id": "1"}, {"id": "x" * 300}, {"id": "2", "output": "at once"}),
    ]
    for number, made in enumerate(calls):
        chat.advance(epoch, turn, "requires_action", json.dumps({"step": step(f"run {number}", *made)}))
    for key in ("1", "1#2", "1#3", "x" * 300, "2"):
        chat.fenced("chat_begin_tool_call", turn=turn, epoch=epoch, call=key, name="tool", op="op")
        if key != "1#3":
            chat.fenced("chat_finish_tool_call", turn=turn, epoch=epoch, call=key, output=f"of {key[:9]}")
    assert outputs(chat) == [["of 1", "of 2"], ["of 1#2"], [None, f"of {'x' * 9}", "at once"]]
