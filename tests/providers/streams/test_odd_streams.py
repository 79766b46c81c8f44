"""Streams as servers that resemble the vendor's send them: what was said reaches its reader, and the end is known."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.responses.events import ResponseEvents
from shared.providers.responses.items import response_state
from shared.providers.sse import ServerEvent

Json = dict[str, Any]
TEXTS = st.text(st.sampled_from("ab \u00e4"), min_size=1, max_size=6).filter(str.strip)


def take(*events: Json) -> ResponseEvents:
    reader = ResponseEvents()
    for event in events:
        if not reader.over:
            reader.take(ServerEvent("", json.dumps(event)))
    return reader


def message(text: str, **more: Any) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content, **more}


def call(name: str = "read_project", arguments: Any = "{}", **more: Any) -> Json:
    return {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": name, "arguments": arguments, **more}


CREATED = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}


def told(items: list[Json], *, first: int = 0, part: int = 0, closes: bool = True) -> list[Json]:
    """The events of these items, with places counted from `first`."""
    events: list[Json] = [CREATED]
    for at, item in enumerate(items, first):
        place = {"output_index": at, "item_id": item["id"]}
        events.append({"type": "response.output_item.added", **place, "item": {**item, "content": [], "arguments": ""}})
        if item["type"] == "function_call":
            events.append({"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]})
        text = "".join(one["text"] for one in item.get("content", []))
        step = {"type": "response.output_text.delta", **place, "content_index": part}
        events.extend({**step, "delta": char} for char in text)
        if closes:
            events.append({"type": "response.output_item.done", **place, "item": item})
    return events


NUMBERINGS: dict[str, Callable[[int], Any]] = {
    "counted": lambda at: at,
    "from one": lambda at: at + 1,
    "all zero": lambda at: 0,
    "none": lambda at: None,
    "anew for every third": lambda at: at % 3,
    "falling": lambda at: 1000 - at,
    "by two": lambda at: at * 2,
    "words": lambda at: f"n{at}",
}
ENDS: list[Json] = [
    {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}},
    {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}},
    {"type": "response.completed", "response": {"id": "resp_1", "status": "in_progress", "output": None}},
    {"type": "response.completed", "response": {}},
    {"type": "response.completed"},
    {"type": "response.done", "response": {"id": "resp_1"}},
    {"type": "response.completed", "response": {"output": [{"type": "reasoning", "summary": []}]}},
]


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=3),
    first=st.integers(0, 2),
    part=st.integers(0, 2),
    closes=st.booleans(),
    numbering=st.sampled_from(sorted(NUMBERINGS)),
    end=st.sampled_from(ENDS),
    role=st.sampled_from(["assistant", None]),
    empty=st.booleans(),
)
def test_what_was_said_is_the_answer(
    texts: list[str], first: int, part: int, closes: bool, numbering: str, end: Json, role: str | None, empty: bool
) -> None:
    items = [message(text, id=f"msg_{at}", role=role) for at, text in enumerate(texts)]
    full = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": items}}
    events = [*told(items, first=first, part=part, closes=closes), end if empty else full]
    numbered = [{**event, "sequence_number": NUMBERINGS[numbering](at)} for at, event in enumerate(events)]

    reader = take(*numbered)

    whole = "\n\n".join(texts)
    assert reader.end is not None
    assert (reader.end.run_id, reader.end.status, reader.end.text) == ("resp_1", "completed", whole)
    assert reader.run_text.text == whole


@pytest.mark.parametrize("numbering", sorted(NUMBERINGS))
@pytest.mark.parametrize("first", [0, 1])
def test_words_are_told_while_they_come(numbering: str, first: int) -> None:
    events = told([message("one two three")], first=first, part=1)[:-1]
    numbered = [{**event, "sequence_number": NUMBERINGS[numbering](at)} for at, event in enumerate(events)]

    heard = [take(*numbered[:count]).run_text.text for count in range(len(numbered) + 1)]

    assert heard[-1] == "one two three"
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(heard))
    assert len(set(heard)) > 10


@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_was_told_is_made(end: Json) -> None:
    reader = take(*told([message("Let me look."), call(arguments='{"a": 1}')]), end)

    assert reader.end is not None
    assert reader.end.status == "requires_action"
    assert [(one.call_id, one.arguments) for one in reader.end.tool_calls] == [("call_1", '{"a": 1}')]
    assert reader.end.text == "Let me look."


@pytest.mark.parametrize("status", ["completed", "requires_action", "failed"])
def test_a_response_that_has_just_been_made_has_not_ended(status: str) -> None:
    reader = take({"type": "response.created", "response": {"id": "resp_1", "status": status, "output": []}})

    assert not reader.over
    assert response_state(reader.run or {}).run_id == "resp_1"


ERRORS = [
    {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Try again in 1.5s."}},
    {"type": "error", "code": "rate_limit_exceeded", "message": "Try again in 1.5s.", "param": None},
    {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Try again in 1.5s."}},
    {"type": "", "error": {"code": "rate_limit_exceeded", "message": "Try again in 1.5s.", "status": 429}},
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("said", [0, 4])
def test_a_typed_error_ends_a_run_in_the_foreground(error: Json, said: int) -> None:
    reader = take(*told([message("Hello")])[: 2 + said], error)

    assert reader.end is not None
    assert (reader.end.run_id, reader.end.status) == ("resp_1", "failed")
    assert reader.end.error_code == "rate_limit_exceeded"
    assert reader.end.text == "Hello"[:said]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_of_the_stream_says_nothing_of_a_run_in_the_background(error: Json) -> None:
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "queued", "background": True}}

    reader = take(created, error)

    assert (reader.end, reader.over, reader.refusal) == (None, True, None)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_before_the_run_was_named_is_a_refusal(error: Json) -> None:
    reader = take(error)

    assert reader.over
    assert json.loads(reader.refusal or "") == error


def test_an_error_without_a_type_leaves_the_run_to_be_asked_for() -> None:
    reader = take(*told([message("Hello")])[:4], {"type": "error", "message": "upstream went away"})

    assert (reader.end, reader.over) == (None, True)


def test_an_event_that_came_before_is_known_again() -> None:
    events = [{**event, "sequence_number": at} for at, event in enumerate(told([message("Hello")], closes=False))]

    assert take(*events[:5], *events[3:]).run_text.text == "Hello"


def test_a_stream_that_was_opened_again_begins_where_the_last_one_broke_off() -> None:
    events = [{**event, "sequence_number": at} for at, event in enumerate(told([message("Hello")], closes=False))]
    reader = take(*events[:4])
    reader.resumed()
    for event in events[4:]:
        reader.take(ServerEvent("", json.dumps(event)))

    assert reader.run_text.text == "Hello"


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled"])
def test_the_event_says_how_it_ended(status: str) -> None:
    reader = take(*told([message("Hello")]), {"type": f"response.{status}", "response": {"id": "resp_1"}})

    assert reader.end is not None
    assert reader.end.status == status
    assert reader.end.text == ("" if status == "cancelled" else "Hello")


@pytest.mark.parametrize("said_so", [True, False])
def test_a_stream_that_the_server_ends_without_a_last_event_was_whole(said_so: bool) -> None:
    reader = take(*told([message("Let me look."), call()]))

    reader.finished(said_so=said_so)

    assert reader.end is not None
    assert (reader.end.status, reader.end.text, len(reader.end.tool_calls)) == ("requires_action", "Let me look.", 1)


@pytest.mark.parametrize(("said_so", "whole"), [(True, True), (False, False)])
def test_words_without_their_end_are_whole_only_where_the_server_says_so(said_so: bool, whole: bool) -> None:
    reader = take(*told([message("Hello")], closes=False))

    reader.finished(said_so=said_so)

    assert (reader.end is not None) == whole
    assert reader.run_text.text == "Hello"


def test_the_end_of_its_stream_says_nothing_of_a_run_in_the_background() -> None:
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "queued", "background": True}}
    reader = take(created, *told([message("Hello")])[1:])

    reader.finished(said_so=True)

    assert reader.end is None
