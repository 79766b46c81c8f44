"""What is made of a stream's events: only words whose place is certain, and the end as a look would give it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.assistants.events import ThreadRunEvents
from shared.providers.assistants.runs import answer_text
from shared.providers.responses.events import ResponseEvents
from shared.providers.responses.items import response_state
from shared.providers.sse import ServerEvent
from shared.providers.streams.events import RunEvents
from shared.providers.streams.text_assembly import StreamUnreliable

Json = dict[str, Any]


def feed(reader: RunEvents, *events: Json) -> str:
    for event in events:
        reader.take(ServerEvent(event.get("event", ""), json.dumps(event.get("data", event))))
    return reader.run_text.text


def added(at: int, **item: Any) -> Json:
    return {"type": "response.output_item.added", "output_index": at, "item": {"type": "message", **item}}


def delta(at: int, words: str, part: int = 0) -> Json:
    return {"type": "response.output_text.delta", "output_index": at, "content_index": part, "delta": words}


def done(at: int, *texts: str) -> Json:
    content = [{"type": "output_text", "text": text} for text in texts]
    item = {"type": "message", "role": "assistant", "content": content}
    return {"type": "response.output_item.done", "output_index": at, "item": item}


SPEAKS = {"role": "assistant"}


@pytest.mark.parametrize(
    ("events", "heard"),
    [
        ([added(0, **SPEAKS), delta(0, "He"), delta(0, "llo")], "Hello"),
        ([delta(0, "He"), delta(0, "llo")], "Hello"),
        ([{"type": "response.refusal.delta", "output_index": 0, "delta": "No."}], "No."),
        # The second message counts once the first is over.
        ([delta(0, "a"), delta(1, "b")], "a"),
        ([delta(0, "a"), delta(1, "b"), delta(0, "c"), done(0, "ac")], "ac\n\nb"),
        # Some servers count from one, or count what they do not show.
        ([delta(1, "b")], "b"),
        ([added(0, type="reasoning"), delta(1, "b")], "b"),
        ([added(0, role="user"), delta(1, "b")], "b"),
        ([delta(0, "a"), done(0), delta(1, "b")], "a\n\nb"),
        ([added(0, **SPEAKS), done(0), delta(1, "b")], "b"),
        # Parts of one message are not parted by anything.
        ([delta(0, "a"), delta(0, "b", 1)], "a"),
        (
            [delta(0, "a"), {"type": "response.output_text.done", "output_index": 0, "text": "a"}, delta(0, "b", 1)],
            "ab",
        ),
        ([delta(0, "b", 1)], "b"),
        # What was not streamed is told at the end.
        ([done(0, "all at once")], "all at once"),
        ([delta(0, "a"), {"type": "response.output_text.done", "output_index": 0, "text": "abc"}], "abc"),
        # Half a character waits for its other half; what Postgres does not take is left out as get_run leaves it out.
        ([delta(0, "a\ud83d")], "a"),
        ([delta(0, "a\ud83d"), delta(0, "\ude00b")], "a\U0001f600b"),
        ([delta(0, "a\x00b\udc00c")], "ab\ufffdc"),
        # No places: the order has to do.
        (
            [
                {"type": "response.output_text.delta", "delta": "a"},
                {"type": "response.output_text.delta", "delta": "b"},
            ],
            "ab",
        ),
        (
            [
                {"type": "response.output_text.delta", "item_id": "i1", "delta": "a"},
                {"type": "response.output_item.done", "item": done(0, "a")["item"] | {"id": "i1"}},
                {"type": "response.output_text.delta", "item_id": "i2", "delta": "b"},
            ],
            "a\n\nb",
        ),
        ([{"type": "response.something.new", "output_index": 9}, {"type": 7}, {}, delta(0, "a")], "a"),
    ],
)
def test_only_certain_words_are_told(events: list[Json], heard: str) -> None:
    assert feed(ResponseEvents(), *events) == heard


@pytest.mark.parametrize(
    "events",
    [
        [delta(0, "a"), done(0, "b")],
        [delta(0, "a"), {"type": "response.output_text.done", "output_index": 0, "text": "b"}],
        [done(0, "a"), delta(0, "b")],
        [
            delta(0, "a") | {"sequence_number": 3},
            delta(0, "b") | {"sequence_number": 4},
            delta(0, "d") | {"sequence_number": 6},
        ],
        [delta(0, "b", 1), delta(0, "a")],
        [delta(1, "b"), delta(0, "a")],
    ],
)
def test_what_cannot_be_certain_is_said_to_be(events: list[Json]) -> None:
    with pytest.raises(StreamUnreliable):
        feed(ResponseEvents(), *events)


@pytest.mark.parametrize("data", ["{", "[1]", "null", "x" * 10, "[" * 100_000])
def test_a_frame_that_cannot_be_read_is_no_frame_to_skip(data: str) -> None:
    with pytest.raises(StreamUnreliable):
        ResponseEvents().take(ServerEvent("response.output_text.delta", data))


def test_repeated_events_are_heard_once() -> None:
    events = [delta(0, words) | {"sequence_number": at} for at, words in enumerate("abc")]

    assert feed(ResponseEvents(), *events[:2], *events) == "abc"


def test_who_attaches_has_to_hear_the_beginning() -> None:
    for first in ({"type": "response.created", "response": {"id": "r"}}, delta(0, "a") | {"sequence_number": 0}):
        reader = ResponseEvents(attached_to="turn-1")
        feed(reader, first)
    reader = ResponseEvents(attached_to="turn-1")
    with pytest.raises(StreamUnreliable):
        feed(reader, delta(0, "b") | {"sequence_number": 7})


def test_the_end_is_the_response_and_what_was_not_heard_follows() -> None:
    item = done(0, "Hello")["item"]
    response = {"id": "r", "status": "completed", "output": [item | {"id": "m1"}], "conversation": {"id": "c"}}
    reader = ResponseEvents()

    assert feed(reader, delta(0, "Hel"), {"type": "response.completed", "response": response}) == "Hello"
    assert reader.end == response_state(response)
    assert reader.over


WORDS = st.text(st.sampled_from("ab\n \u00e4\U0001f600\x00"), max_size=6)


@given(st.lists(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=2), max_size=4), st.randoms())
def test_what_is_heard_is_always_a_prefix(messages: list[list[list[str]]], random: Any) -> None:
    """Messages and parts begin in order and are mixed; within a part the words are in order."""
    queues = [
        [delta(at, words, index) for words in pieces]
        for at, parts in enumerate(messages)
        for index, pieces in enumerate(parts)
    ]
    output = [done(at, *("".join(pieces) for pieces in parts))["item"] for at, parts in enumerate(messages)]
    whole = response_state({"id": "r", "status": "completed", "output": output}).text
    reader = ResponseEvents()
    begun = 0
    while any(queues):
        at = random.choice([at for at, queue in enumerate(queues) if queue and at <= begun])
        heard = feed(reader, queues[at].pop(0))
        begun = max(begun, at + 1)
        assert whole.startswith(heard)
    for at, item in enumerate(output):
        feed(reader, {"type": "response.output_item.done", "output_index": at, "item": item})

    assert reader.run_text.text == whole


# --- the other wire ---------------------------------------------------------------------------------------------------


def event(name: str, **data: Any) -> Json:
    return {"event": name, "data": data}


def words(message_id: str, text: str, index: int = 0) -> Json:
    part = {"index": index, "type": "text", "text": {"value": text}}
    return event("thread.message.delta", id=message_id, delta={"content": [part]})


def message(kind: str, message_id: str, text: str = "", role: str = "assistant") -> Json:
    content = [{"type": "text", "text": {"value": text}}] if text else []
    return event(f"thread.message.{kind}", id=message_id, role=role, run_id="run_1", content=content)


@pytest.mark.parametrize(
    ("events", "said", "heard"),
    [
        ([message("created", "m1"), words("m1", "He"), words("m1", "llo")], "", "Hello"),
        ([words("m1", "a"), words("m2", "b")], "", "a"),
        ([words("m1", "a"), message("completed", "m1", "a"), words("m2", "b")], "", "a\n\nb"),
        ([words("m1", "a"), message("completed", "m1", "a")], "Before.", "Before.\n\na"),
        ([message("created", "m0", role="user"), words("m1", "a")], "", "a"),
        ([message("completed", "m1", "all")], "", "all"),
        ([event("thread.run.step.delta", id="s", delta={}), words("m1", "a")], "", "a"),
        ([{"object": "thread.message.delta", "id": "m1", "delta": {"content": [{"text": {"value": "a"}}]}}], "", "a"),
    ],
)
def test_a_run_is_heard(events: list[Json], said: str, heard: str) -> None:
    reader = ThreadRunEvents(said)

    assert feed(reader, *events) == heard


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "incomplete", "expired", "requires_action"])
def test_a_run_ends_or_waits(status: str) -> None:
    reader = ThreadRunEvents()
    feed(reader, event("thread.run.created", id="run_1", status="queued"), message("completed", "m1", "Hello"))
    calls = {"submit_tool_outputs": {"tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": "{}"}}]}}
    asked = {"required_action": calls} if status == "requires_action" else {}
    feed(reader, event(f"thread.run.{status}", id="run_1", status=status, **asked))

    assert reader.end is not None
    assert reader.end.status == status
    assert reader.over
    assert reader.run_text.whole


def test_both_ways_to_the_text_agree() -> None:
    reader = ThreadRunEvents()
    listed = [
        {"role": "assistant", "run_id": "run_1", "content": [{"text": {"value": text}}]} for text in ("b", "", "a")
    ]
    for at, text in enumerate(("a", "", "b")):
        feed(reader, words(f"m{at}", text), message("completed", f"m{at}", text))

    assert reader.run_text.text == answer_text(listed, "run_1") == "a\n\nb"


KEYS = "id item item_id output_index content_index delta text part role content response status output"
KEYS += " sequence_number index value error type"
WORDS_SEEN = ["a", "", "assistant", "run_1", "completed", "\ud83d"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(WORDS_SEEN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5),
    max_leaves=12,
)
RESPONSE_EVENTS = ["created", "completed", "output_item.added", "output_item.done", "output_text.delta"]
RESPONSE_EVENTS += ["output_text.done", "content_part.done", "refusal.done", "x"]
RUN_EVENTS = ["message.created", "message.delta", "message.completed", "run.created", "run.completed", "run.step.x"]
NAMES = [f"response.{name}" for name in RESPONSE_EVENTS] + [f"thread.{name}" for name in RUN_EVENTS] + ["error", ""]


@given(st.lists(st.tuples(st.sampled_from(NAMES), JSON), max_size=6))
def test_nothing_that_a_server_sends_does_any_harm(events: list[tuple[str, Any]]) -> None:
    for reader in (ResponseEvents(), ThreadRunEvents()):
        for name, data in events:
            if isinstance(data, dict) and name.startswith("response."):
                data = {**data, "type": name}
            with contextlib.suppress(StreamUnreliable):
                reader.take(ServerEvent(name, json.dumps(data)))
