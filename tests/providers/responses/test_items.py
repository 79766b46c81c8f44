"""A response object as a state: what is made of one that says nothing of itself."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.images import MadeImage
from shared.core.runs import Source, Step, Thread, ToolCall, ToolOutput
from shared.core.tool_messages import error_output
from shared.providers.responses.heard_output import HeardOutput
from shared.providers.responses.input_items import input_items
from shared.providers.responses.item_traces import found_run
from shared.providers.responses.items import response_state, tool_calls
from tests.providers.making import start


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


DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "generating", "result": "aGVs\nbG8="}


@pytest.mark.parametrize(
    ("item", "made", "unshown"),
    [
        (DRAWN, MadeImage("aGVsbG8="), None),
        (DRAWN | {"result": "data:image/png;base64,aGVsbG8="}, MadeImage("aGVsbG8="), None),
        (
            DRAWN | {"revised_prompt": " an owl ", "size": "1024x1536"},
            MadeImage("aGVsbG8=", "an owl", 1024, 1536),
            None,
        ),
        (DRAWN | {"size": "auto", "revised_prompt": None}, MadeImage("aGVsbG8="), None),
        (DRAWN | {"status": "failed"}, None, "image_generation_call"),
        (DRAWN | {"result": None}, None, "image_generation_call"),
        (DRAWN | {"result": 7}, None, "image_generation_call"),
    ],
)
def test_an_image_that_was_drawn(item: dict[str, Any], made: MadeImage | None, unshown: str | None) -> None:
    for status in ("completed", None):  # a server that does not say is known by its items
        state = response_state({"id": "resp_1", "status": status, "output": [item, said("Look.", "completed")]})
        assert state.images == (() if made is None else (made,))
        assert (state.text, state.unshown) == ("Look.", unshown)
    assert made is None or state.status == "completed"


def test_a_lost_run_that_only_drew_is_found_by_its_image() -> None:
    asked = {"type": "message", "id": "m1", "role": "user", "content": "draw"}
    found = found_run([DRAWN | {"response_id": "resp_1"}, asked], start(Thread("responses", "conv_1"), "draw"))
    assert found is not None
    assert (found.run_id, found.status, found.images) == ("resp_1", "completed", (MadeImage("aGVsbG8="),))


def test_an_end_without_its_image_takes_it_from_what_the_stream_has_told() -> None:
    heard = HeardOutput()
    heard.take("output_item.added", 0, {"item": {"type": "image_generation_call", "id": "ig_1"}})
    heard.take("output_item.done", 0, {"item": DRAWN})
    bare = {name: value for name, value in DRAWN.items() if name != "result"}
    whole = heard.completed({"id": "resp_1", "status": "completed", "output": [bare, said("Look.", "completed")]}, {})
    state = response_state(whole)
    assert (state.text, state.images) == ("Look.", (MadeImage("aGVsbG8="),))


MCP_CALL = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "server_label": "issues",
    "name": "create",
    "arguments": "{}",
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}


def test_a_call_that_an_mcp_server_waits_to_be_allowed_is_a_call() -> None:
    state = response_state({"id": "resp_1", "status": "completed", "output": [MCP_CALL, CALL]})
    assert state.status == "requires_action"
    assert state.tool_calls == (
        ToolCall("call_1", "look", "{}"),
        ToolCall("mcpr_1", "issues.create", "{}", server="issues"),
    )
    said = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    assert tool_calls([MCP_CALL, said]) == ()


@pytest.mark.parametrize(
    ("told", "output"),
    [
        ({"output": "made"}, "made"),
        ({"output": "x" * 5_000}, "x" * 4_000),
        ({"output": None, "error": "no such\x00 repository"}, error_output("server_failed", "no such repository")),
        ({"output": None, "error": {"type": "mcp", "message": "refused"}}, error_output("server_failed", "refused")),
        ({"output": None, "error": {"type": "mcp"}}, error_output("server_failed", "The call failed.")),
        ({"output": 3}, ""),
    ],
)
def test_what_came_of_a_call_of_an_mcp_server(told: dict[str, Any], output: str) -> None:
    made = {"type": "mcp_call", "id": "mcp_1", "approval_request_id": "mcpr_1", "name": "create", "status": "completed"}
    unasked = made | {"approval_request_id": None, "output": "of a call that needed no word"}
    state = response_state({"id": "resp_2", "status": "completed", "output": [made | told, unasked]})
    assert state.server_outputs == (ToolOutput("mcpr_1", output),)


@pytest.mark.parametrize("told", [True, False])
def test_the_word_goes_with_the_next_create(told: bool) -> None:
    """Alone where the conversation has the request, behind it where the transcript travels."""
    outputs = (ToolOutput("mcpr_1", "No.", allowed=False), ToolOutput("mcpr_2", "{}", allowed=True))
    calls = (ToolCall("mcpr_1", "issues.create", "{}", server="issues"), ToolCall("mcpr_2", "issues.x", "{}", "issues"))
    step = Step("resp_1", "boss", "", calls, outputs)
    given: dict[str, Any] = {"tool_outputs": outputs} if told else {"steps": (step,)}
    items = input_items(start(Thread("responses", "conv_1"), text=None, **given))
    requests = [MCP_CALL, MCP_CALL | {"id": "mcpr_2", "name": "x"}]
    assert items == [
        *([] if told else requests),
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False, "reason": "No."},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_2", "approve": True},
    ]


def test_what_is_cited_is_a_page_or_a_file() -> None:
    notes = [
        {"type": "url_citation", "url": "https://a.example/x", "title": "A"},
        {"type": "url_citation", "url": "data:text/html,x", "title": "B"},
        {"type": "url_citation", "url": 3},
        {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf"},
        {"type": "file_path", "file_id": "file_2"},
        {"type": "file_citation"},
    ]
    item = said("x", "completed")
    item["content"][0]["annotations"] = notes
    assert response_state({"id": "resp_1", "output": [item, item]}).sources == (
        Source("https://a.example/x", None, "A"),
        Source(None, "file_1", "a.pdf"),
        Source(None, "file_2"),
    )


def test_a_word_that_a_run_has_acted_upon_is_told_in_words_alone() -> None:
    """With the transcript it would be read as a new one, and the call made again."""
    said = ToolOutput("mcpr_1", '{"allowed": true}', allowed=True)
    call = ToolCall("mcpr_1", "issues.create", "{}", server="issues")
    first = Step("resp_1", "boss", "Let me.", (call,), (said,))
    second = Step("resp_2", "boss", "", (ToolCall("call_1", "look", "{}"),), (ToolOutput("call_1", "seen"),))
    items = input_items(start(Thread("responses"), text=None, steps=(first, second)))
    assert [item.get("content") or item["type"] for item in items] == [
        "Let me.",
        'Called issues.create with {}: {"allowed": true}',
        "function_call",
        "function_call_output",
    ]
