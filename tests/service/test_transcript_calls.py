"""Calls stand in the transcript where a stream told of them: their line, the words before, what came of them."""

from __future__ import annotations

import uuid
from typing import Any

from dev.emulator.testing import RunningEmulator
from functions.multi_agent_chat import render_conversations
from shared.core.chat_events import ChatEvent, HandoffMade, MessageDelta, ToolAnswered, ToolCalled
from tests.db.database import Database
from tests.service.instances import Instances, new_user
from tests.service.teams import Team, calls, hands_over, says
from tests.service.test_streams import heard, opened

Seen = list[tuple[str, str, str]]


def as_told(events: list[ChatEvent]) -> list[Seen]:
    """Of each agent in control: the words before each call, the call's id and what came of it."""
    segments: list[Seen] = [[]]
    said, run, outputs = "", None, {}
    for event in events:
        match event:
            case MessageDelta():
                said += ("\n\n" if said and event.run_id != run else "") + event.text
                run = event.run_id
            case ToolCalled():
                segments[-1].append((said, event.call_id, event.tool))
            case ToolAnswered():
                outputs[event.call_id] = event.output
            case HandoffMade():
                segments.append([])
                said, run = "", None
    return [[(words, call, f"{tool}: {outputs[call]}") for words, call, tool in one] for one in segments]


async def test_calls_stand_where_they_were_told(instances: Instances, emulator: RunningEmulator, db: Database) -> None:
    one, user, conversation = await instances.make(), new_user(), str(uuid.uuid4())
    team = Team(db, emulator, user)
    save: tuple[str, dict[str, Any]] = ("write_project", {"title": "Owls"})
    read: tuple[str, dict[str, Any]] = ("read_project", {})
    both = ("write_project", "read_project")
    team.add("boss", calls(save, text="First I save it."), hands_over("writer", text="Over to you."),
             handoffs=("writer",), tools=both)  # fmt: skip
    team.add("writer", calls(read, ("ask_clerk", {"question": "?"})), calls(("read_project", {"no": 1}), text="Again."),
             says("Done."), tools=both)  # fmt: skip
    team.add("clerk", says("noted"), as_tool=True)
    live = await opened(one, user, "go", conversation, agent="boss")
    told = as_told((await heard(live))[0])
    lines = await one.store.list_messages(user.id, conversation, after_seq=0, limit=9)
    shown = [
        [(line.text[: call.at], call.call_id, f"{call.name}: {call.output}") for call in line.calls]
        for line in lines
        if line.role == "assistant"
    ]
    assert [line.text for line in lines[1:]] == ["First I save it.\n\nOver to you.", "Again.\n\nDone."]
    assert shown == told
    assert [[words for words, *_ in segment] for segment in told] == [["First I save it."], ["", "", "Again."]]
    placed = [call["state"] for call in render_conversations.transcript_line(lines[2])["calls"]]
    assert placed == ["done", "done", "failed"], "the last one was given arguments that it does not take"
