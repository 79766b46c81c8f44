"""What happens to a turn is written down by the statements that make it happen: ids, codes, numbers, no words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from shared.core.chat_events import EventName
from tests.db.database import Answer, Chat, new_id

SQL = "select * from public.chat_turn_events where turn_id = %s order by at, number"
WORD = "xylophone"
RUN = {"run_id": "r1", "agent": "orchestrator", "status": "in_progress"}


def events(chat: Chat, turn: str) -> list[dict[str, Any]]:
    return chat.db.rows(SQL, turn)


def names(chat: Chat, turn: str) -> list[str]:
    return [row["name"] for row in events(chat, turn)]


def patch(**changes: Any) -> str:
    return json.dumps(changes)


def begun(chat: Chat, **changes: Any) -> tuple[int, str]:
    claim: Answer = chat.submit(text=WORD, **changes)["claim"]
    return claim["epoch"], claim["turn"]["turn_id"]


def ended(epoch: int, turn: str, chat: Chat) -> Answer:
    run = RUN | {"status": "completed"}
    usage = {"input_tokens": 3, "output_tokens": 4}
    return chat.advance(epoch, turn, "completed", patch(reply=WORD, run=run, usage=usage), lease_ms=0)


def test_a_turn_without_incident_has_five_and_a_heartbeat_none(chat: Chat) -> None:
    epoch, turn = begun(chat)
    chat.advance(epoch, turn, "running", patch(run=RUN))
    chat.advance(epoch, turn, None)
    chat.advance(epoch, turn, None, patch(draft=WORD))
    ended(epoch, turn, chat)
    rows = events(chat, turn)
    assert [row["name"] for row in rows] == [
        "turn.accepted",
        "turn.claimed",
        "run.started",
        "run.ended",
        "turn.completed",
    ]
    last = rows[-1]
    assert (last["nth"], last["input_tokens"], last["output_tokens"]) == (0, 3, 4)
    assert last["waited_ms"] <= last["ms"]
    assert {row["run_id"] for row in rows[2:4]} == {"r1"}
    assert all(row["conversation_id"] is not None and row["agent"] == "orchestrator" for row in rows)


def test_behind_whom_it_waits_and_since_when_it_could_have_begun(chat: Chat) -> None:
    epoch, first = begun(chat)
    second = chat.submit(owner=None)["turn"]["turn_id"]
    third = chat.submit(owner=None)["turn"]["turn_id"]
    assert [(row["other_turn_id"], row["nth"]) for row in events(chat, first)[:1]] == [(None, 0)]
    assert [(str(row["other_turn_id"]), row["nth"]) for row in events(chat, second)] == [(first, 1)]
    assert [(str(row["other_turn_id"]), row["nth"]) for row in events(chat, third)] == [(second, 2)]
    ended(epoch, first, chat)
    chat.db.let_pass(7)
    chat.claim()
    claimed = events(chat, second)[-1]
    assert (claimed["name"], round(claimed["ms"] / 1000)) == ("turn.claimed", 7)


def test_conflict_pause_loss_and_takeover(chat: Chat) -> None:
    epoch, turn = begun(chat)
    chat.advance(epoch, turn, "queued", patch(conflict=True, blocked_by="run_x"))
    chat.advance(epoch, turn, "starting")
    chat.advance(epoch, turn, "queued", patch(delay_ms=5000, held_up_by="provider_rate_limited"))
    chat.advance(epoch, turn, "starting")
    chat.advance(epoch, turn, "starting", patch(count_failure=True))
    chat.advance(epoch, turn, "running", patch(run=RUN))
    chat.db.let_pass(16)
    chat.claim()
    told = [(row["name"], row["run_id"], row["code"], row["nth"]) for row in events(chat, turn)[2:]]
    assert told == [
        ("run.conflicted", "run_x", None, 1),
        ("turn.claimed", None, None, 2),
        ("run.deferred", None, "provider_rate_limited", 0),
        ("turn.claimed", None, None, 3),
        ("run.lost", None, None, 1),
        ("run.started", "r1", None, 4),
        ("turn.claimed", "r1", "running", 4),
    ]
    assert events(chat, turn)[4]["ms"] == 5000


def test_a_claim_that_is_repeated_is_one(chat: Chat) -> None:
    epoch, turn = begun(chat)
    chat.advance(epoch, turn, "running", patch(run=RUN))
    chat.db.let_pass(16)
    op = new_id()
    for _ in range(3):
        chat.claim(op=op)
    assert names(chat, turn).count("turn.claimed") == 2


def test_handoff_tools_and_the_runs_of_asked_agents(chat: Chat) -> None:
    epoch, turn = begun(chat)
    fence: Answer = {"turn": turn, "epoch": epoch}
    chat.advance(epoch, turn, "running", patch(run=RUN))
    step: Answer = {
        "run_id": "r1",
        "agent": "orchestrator",
        "text": WORD,
        "calls": [],
        "thread_id": None,
        "handoff": None,
    }
    chat.advance(epoch, turn, "requires_action", patch(run=RUN | {"status": "completed", "text": WORD}, step=step))
    for call, output in (("c1", WORD), ("c2", '{"error": {"code": "timeout", "message": "xylophone"}}')):
        for _ in range(2):
            chat.fenced("chat_begin_tool_call", **fence, call=call, name="read_project", op=call)
            chat.fenced("chat_finish_tool_call", **fence, call=call, output=output)
    asked = {"run_id": "r9", "agent": "describer", "status": "completed", "asked_by": "c2"}
    chat.advance(epoch, turn, None, patch(asked=[asked]))
    handoff = {"from": "orchestrator", "to": "script_writer", "reason": WORD, "task": WORD}
    chat.advance(epoch, turn, "starting", patch(handoff=handoff | {"said": WORD}))
    assert [(row["name"], row["agent"], row["tool"], row["code"]) for row in events(chat, turn)[3:]] == [
        ("run.ended", "orchestrator", None, "completed"),
        ("tool.called", "orchestrator", "read_project", None),
        ("tool.answered", "orchestrator", "read_project", None),
        ("tool.called", "orchestrator", "read_project", None),
        ("tool.answered", "orchestrator", "read_project", "timeout"),
        ("run.ended", "describer", None, "completed"),
        ("handoff.made", "orchestrator", None, "script_writer"),
    ]


def test_cancelled_displaced_joined_and_failed(chat: Chat) -> None:
    epoch, first = begun(chat)
    by = chat.submit(owner=None, strategy="interrupt")["turn"]["turn_id"]
    chat.advance(epoch, first, "cancelled", lease_ms=0)
    displaced = [(row["name"], row["code"], row["other_turn_id"]) for row in events(chat, first)[2:]]
    assert [one[:2] for one in displaced] == [
        ("cancel.requested", None),
        ("turn.displaced", "interrupt"),
        ("turn.cancelled", "superseded"),
    ]
    assert str(displaced[1][2]) == by
    chat.db.call("chat_cancel_turn", user=chat.user, turn=by)
    assert names(chat, by) == ["turn.accepted", "cancel.requested", "turn.cancelled"]
    joining = [chat.submit(owner=None, strategy="coalesce")["turn"]["turn_id"] for _ in range(2)]
    claim = chat.claim()
    chat.advance(claim["epoch"], joining[0], "failed", patch(error={"code": "run_failed", "provider_code": WORD}))
    assert events(chat, joining[0])[-1]["code"] == "run_failed"
    assert [(row["name"], row["code"]) for row in events(chat, joining[1])[1:]] == [
        ("turn.joined", None),
        ("turn.failed", "run_failed"),
    ]


def test_a_thread_that_is_given_up_is_noted_with_the_turn(chat: Chat) -> None:
    epoch, turn = begun(chat)
    thread = {"provider": "responses", "thread_id": new_id(), "cursor": None}
    chat.advance(epoch, turn, None, patch(thread=thread))
    chat.advance(epoch, turn, "queued", patch(forget_thread=True))
    ended(epoch, turn, chat)
    assert [(row["code"], row["nth"]) for row in events(chat, turn) if row["name"] == "thread.rotated"] == [
        ("given_up", 1)
    ]


@pytest.mark.parametrize("whole", [True, False], ids=["conversation", "withdrawn turn"])
def test_events_go_with_their_turn(chat: Chat, whole: bool) -> None:
    epoch, turn = begun(chat)
    waiting = chat.submit(owner=None)["turn"]["turn_id"] if whole else new_id()
    if whole:
        chat.db.run("delete from public.chat_conversations where user_id = %s", chat.user)
    else:
        chat.fenced("chat_withdraw_turn", turn=turn, epoch=epoch)
    assert events(chat, turn) + events(chat, waiting) == []


def test_no_word_of_anyone_is_in_them(chat: Chat) -> None:
    """What servers and models choose, too, is written down only where it looks like a code."""
    epoch, turn = begun(chat, metadata=patch(a=WORD), key=WORD)
    chat.advance(epoch, turn, "running", patch(run=RUN))
    chat.fenced("chat_begin_tool_call", turn=turn, epoch=epoch, call=WORD, name=f"no {WORD}", op="o")
    chat.fenced("chat_finish_tool_call", turn=turn, epoch=epoch, call=WORD, output=f'{{"error": {{"code": "{WORD} 1"}}')
    strange = RUN | {"status": "failed", "run_id": "r1", "text": WORD}
    error = {"code": f"what {WORD}", "partial_text": WORD, "provider_code": WORD}
    chat.advance(epoch, turn, "failed", patch(error=error, run=strange))
    assert names(chat, turn)[-1] == "turn.failed"
    assert WORD not in str(events(chat, turn))


def test_their_names_are_those_of_logs_and_streams(chat: Chat) -> None:
    written = set(re.findall(r"'((?:turn|run|tool|thread|handoff|cancel)\.\w+)'", _source()))
    assert len(written) > 10
    assert written <= {name.value for name in EventName}


def _source() -> str:
    from tests.db.database import MIGRATIONS

    return "".join(file.read_text() for file in MIGRATIONS)
