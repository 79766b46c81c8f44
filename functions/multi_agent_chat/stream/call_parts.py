"""Calls and what came of them as parts of the AI SDK's stream: every output after its call, and once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.multi_agent_chat import render, tool_values
from functions.multi_agent_chat.stream.frames import frame
from shared.core.chat_events import ToolAnswered, ToolCalled
from shared.core.person_calls import PersonCall, PersonCallKind

UNANSWERED = "The turn ended before there was an output."


@dataclass(slots=True)
class _Call:
    part_id: str
    tool: str
    arguments: str
    kind: PersonCallKind | None = None  # what it waits for, where the reader was told so
    answered: bool = False


class CallParts:
    """Of one stream. `approvals`: its reader knows the parts of calls that wait for a person."""

    def __init__(self, *, approvals: bool) -> None:
        self._approvals = approvals
        self._calls: dict[str, _Call] = {}
        self._call_ids: set[str] = set()

    def called(self, event: ToolCalled) -> bytes:
        known = self._calls.get(event.call_id)
        if known and (known.tool, known.arguments) == (event.tool, event.arguments):
            return b""  # told again
        return self._call(event.call_id, event.tool, event.arguments, event.kind if self._approvals else None)

    def _call(self, call_id: str, tool: str, arguments: str, kind: PersonCallKind | None = None) -> bytes:
        part_id, number = call_id, 1
        while part_id in self._call_ids:  # servers that count from one in every run
            number += 1
            part_id = f"{call_id}-{number}"
        self._call_ids.add(part_id)
        self._calls[call_id] = call = _Call(part_id, tool, arguments, kind)
        given = tool_values.given(arguments)
        return frame(_tool("tool-input-available", call) | {"toolName": tool, "input": given})

    def asked(self, call: PersonCall) -> bytes:
        """As the SDK's own parts to a reader that says that it knows them: others refuse the whole stream for them."""
        shown = self._calls.get(call.call_id)
        if not self._approvals or shown is None:
            return frame({"type": "data-call", "id": call.call_id, "data": render.person_call(call)})
        if call.kind is not PersonCallKind.APPROVAL:
            return b""  # a call that was not carried out here is the reader's to answer
        return frame({"type": "tool-approval-request", "approvalId": call.call_id, "toolCallId": shown.part_id})

    def answered(self, event: ToolAnswered) -> bytes:
        frames = b""
        if event.call_id not in self._calls:  # a reader that came late has not heard of the call
            frames = self._call(event.call_id, event.tool, "")
        call = self._calls[event.call_id]
        return frames + self._word(call, event) + self._output(call, event.output, event.failed, event.approved)

    def _word(self, call: _Call, event: ToolAnswered) -> bytes:
        """What the user has said to the call, perhaps on another page. The SDK wants a request before it."""
        if event.approved is None or not self._approvals or call.answered:
            return b""
        frames = frame({"type": "tool-approval-request", "approvalId": event.call_id, "toolCallId": call.part_id})
        reason = {} if event.approved else {"reason": tool_values.error_message(event.output)}
        said = {"type": "tool-approval-response", "approvalId": event.call_id, "approved": event.approved, **reason}
        return frames + frame(said)

    def _output(self, call: _Call, output: str, failed: bool, approved: bool | None = None) -> bytes:
        if call.answered:
            return b""
        call.answered = True
        if approved is False and self._approvals:
            return frame({"type": "tool-output-denied", "toolCallId": call.part_id})
        if failed:
            return frame(_tool("tool-output-error", call) | {"errorText": output})
        return frame(_tool("tool-output-available", call) | {"output": tool_values.came_of_it(output)})

    def unanswered(self) -> bytes:
        """Where the turn has ended before: an output for each call that has none."""
        return b"".join(self._output(call, UNANSWERED, failed=True) for call in self._calls.values())


def _tool(kind: str, call: _Call) -> dict[str, Any]:
    # a page must neither do itself what is carried out here nor send its output back. What waits for its user is not
    # marked so, a function of ours included: else the page takes the step for done without the user's word
    here = {} if call.kind is not None else {"providerExecuted": True}
    return {"type": kind, "toolCallId": call.part_id, "dynamic": True, **here}
