"""Calls whose ids tell nothing: each is told from every other, and its output goes to the id that the server gave."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.runs import Thread, ToolOutput
from shared.providers.assistants.runs import run_state
from shared.providers.calls import arguments_text, own_call_id, read_calls, wire_call_id
from shared.providers.responses.input_items import input_items
from shared.providers.responses.items import response_state
from tests.providers.making import start

IDS = st.one_of(
    st.none(),
    st.sampled_from(["call_0", "call_1", "0", "call_0__n2", "call_0__n1", "__n2"]),
    st.text("_n2a", min_size=1),
)


@given(st.lists(IDS, max_size=6))
def test_no_two_calls_have_the_same_id(ids: list[str | None]) -> None:
    calls = read_calls((call_id, "look", "{}") for call_id in ids)

    assert len({call.call_id for call in calls}) == len(ids)
    assert [wire_call_id(call.call_id) for call, call_id in zip(calls, ids, strict=True) if call_id is not None] == [
        call_id for call_id in ids if call_id is not None
    ]
    assert calls == read_calls((call_id, "look", "{}") for call_id in ids)


@given(st.text(min_size=1, max_size=20), st.integers(1, 30))
def test_the_servers_id_is_found_again(call_id: str, number: int) -> None:
    assert wire_call_id(own_call_id(call_id, number)) == call_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab\u00e4\x00", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.text("ab", max_size=3), JSON, max_size=3))
def test_arguments_are_the_same_however_they_are_written(arguments: dict[str, Any]) -> None:
    text = json.dumps(arguments)
    written = [arguments_text(form) for form in (arguments, text, json.dumps(text))]

    assert [json.loads(form) for form in written] == [json.loads(written[0])] * 3


@pytest.mark.parametrize(
    ("given_as", "text"), [(None, ""), ("", ""), ("{", "{"), ('"x', '"x'), (["a"], '["a"]'), (7, "7")]
)
def test_arguments_that_are_no_object_are_kept_as_they_are(given_as: Any, text: str) -> None:
    assert arguments_text(given_as) == text


def function_call(call_id: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": {"q": 1}, **more}


def test_outputs_go_to_the_ids_that_the_server_gave() -> None:
    output = [function_call("call_0"), function_call("call_0"), function_call(None, id="fc_3")]
    state = response_state({"id": "r", "status": "completed", "output": output})

    assert [call.arguments for call in state.tool_calls] == ['{"q": 1}'] * 3
    given_back = tuple(ToolOutput(call.call_id, str(at)) for at, call in enumerate(state.tool_calls))
    again = start(Thread("responses", "conv_1"), text=None, tool_outputs=given_back)

    sent = [(item["call_id"], item["output"]) for item in input_items(again)]
    assert sent == [("call_0", "0"), ("call_0", "1"), ("fc_3", "2")]


def test_each_output_answers_one_call() -> None:
    answered = {"type": "function_call_output", "call_id": "call_0", "output": "x"}
    output = [function_call("call_0"), function_call("call_0"), answered]

    assert len(response_state({"id": "r", "status": "completed", "output": output}).tool_calls) == 1


def asks(*calls: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": "run_1",
        "status": "requires_action",
        "required_action": {"submit_tool_outputs": {"tool_calls": list(calls)}},
    }


def test_the_other_wire_reads_calls_alike() -> None:
    call = {"id": "call_0", "function": {"name": "look", "arguments": {"q": 1}}}

    state = run_state(asks(call, call))

    assert [(one.call_id, one.arguments) for one in state.tool_calls] == [
        ("call_0", '{"q": 1}'),
        ("call_0__n2", '{"q": 1}'),
    ]


@pytest.mark.parametrize(
    "run",
    [
        {"id": "run_1", "status": "requires_action", "required_action": None},
        {"id": "run_1", "status": "requires_action"},
        asks(),
        asks(None),
    ],
)
def test_a_run_that_does_not_say_what_it_asks_for_is_still_under_way(run: dict[str, Any]) -> None:
    state = run_state(run)

    assert state.status == "in_progress"
    assert not state.settled
