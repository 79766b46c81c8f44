"""Events out of bytes, however they come."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers import sse
from shared.providers.sse import EventParser, EventTooLarge, ServerEvent


def parsed(*pieces: bytes) -> list[ServerEvent]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"data: a\n\n", [ServerEvent("", "a")]),
        (b"event: x\ndata: a\n\n", [ServerEvent("x", "a")]),
        (b"event: x\r\ndata: a\r\n\r\n", [ServerEvent("x", "a")]),
        (b"event: x\rdata: a\r\r", [ServerEvent("x", "a")]),
        (b"data:a\n\n", [ServerEvent("", "a")]),
        (b"data:  a\n\n", [ServerEvent("", " a")]),
        (b"data: a\ndata: b\ndata\n\n", [ServerEvent("", "a\nb\n")]),
        (b": keep-alive\n\n:\n\ndata: a\n\n", [ServerEvent("", "a")]),
        (b"id: 7\nretry: 10\nodd: x\ndata: a\n\n", [ServerEvent("", "a")]),
        (b"event: x\n\ndata: a\n\n", [ServerEvent("", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [ServerEvent("", "a")]),
        ("data: \u00e4\U0001f600\n\n".encode(), [ServerEvent("", "\u00e4\U0001f600")]),
        (b"data: \xff\n\n", [ServerEvent("", "\ufffd")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
        (b"\n\n\n", []),
        (b'data: {"a": 1}\n\ndata: [DONE]\n\n', [ServerEvent("", '{"a": 1}'), ServerEvent("", "[DONE]")]),
    ],
)
def test_a_stream_is_read_as_the_standard_says(sent: bytes, events: list[ServerEvent]) -> None:
    assert parsed(sent) == events
    assert parsed(*(bytes([byte]) for byte in sent)) == events


def test_an_event_is_told_as_soon_as_it_is_whole() -> None:
    assert parsed(b"data: a\r\n\r") == [ServerEvent("", "a")]


LINES = st.sampled_from(
    [
        "data: a",
        "data:\u00e4\U0001f600",
        "event: x",
        ": c",
        "",
        "",
        "data",
        "id: 3",
        "data: " + json.dumps({"k": "\u20ac"}),
    ]
)
ENDS = st.sampled_from(["\n", "\r", "\r\n"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(0, 200), max_size=8))
def test_any_split_gives_the_same_events(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    sent = "".join(line + end for line, end in lines).encode()
    at = sorted({min(cut, len(sent)) for cut in cuts})
    pieces = [sent[a:b] for a, b in zip([0, *at], [*at, len(sent)], strict=True)]

    assert parsed(*pieces) == parsed(sent)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_are_too_odd(sent: bytes, cut: int) -> None:
    assert parsed(sent[:cut], sent[cut:]) == parsed(sent)


@pytest.mark.parametrize("sent", [b"data: " + b"x" * 200, b"data: xxxxxxxxx\n" * 20])
def test_what_never_ends_is_left(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)

    with pytest.raises(EventTooLarge):
        parsed(*(bytes([byte]) for byte in sent))
