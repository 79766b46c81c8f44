"""The stream as a pure function: events and a final turn in, frames out that every reader takes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.multi_agent_chat.stream.call_parts import UNANSWERED
from functions.multi_agent_chat.stream.ui_messages import Known, UiStream
from shared.core.chat_events import (
    ChatEvent,
    HandoffMade,
    ImageMade,
    MessageDelta,
    MessageSteered,
    PersonAsked,
    RunConflicted,
    RunStarted,
    ToolAnswered,
    ToolCalled,
    TurnQueued,
)
from shared.core.error_codes import ErrorCode
from shared.core.images import Image
from shared.core.person_calls import PersonCall, PersonCallKind
from shared.core.runs import Handoff, Source
from shared.core.turns import Joined, RunRecord, TurnStatus
from tests.http.fakes import REPLY, make_turn
from tests.http.stream.frames import of_type, read, states_of, texts_of
from tests.http.tokens import ALICE

Part = dict[str, Any]

OPEN: Part = {"status": TurnStatus.QUEUED, "reply": None, "finished_at": None, "runs": ()}
ERROR = {"code": "run_failed", "message": "The agent could not answer.", "request_id": "r1", "retryable": False}


def told(*events: ChatEvent, end: Part | None = None, error: Any = None, **begin: Any) -> list[Part]:
    """The parts of a whole stream of a turn that begins open and ends completed, unless told otherwise."""
    ids = {"turn_id": "t1", "conversation_id": "c1"}
    stream = UiStream()
    frames = [stream.opening(make_turn(ALICE, **(OPEN | ids | begin)), replayed=False)]
    frames += [stream.event(event) for event in events]
    frames.append(stream.closing(make_turn(ALICE, **(ids | (end or {}))), error))
    return read(b"".join(frames))


def said(run_id: str, text: str, agent: str = "project_manager") -> MessageDelta:
    return MessageDelta(run_id, agent, text)


def test_a_turn_from_its_acceptance_to_its_end() -> None:
    run = RunStarted("resp_1", "project_manager")
    parts = told(TurnQueued(2), RunConflicted("run_9"), run, said("resp_1", "Once upon "), said("resp_1", "a time ..."))
    assert parts[0] == {
        "type": "start",
        "messageId": "t1",
        "messageMetadata": {
            "turn_id": "t1",
            "conversation_id": "c1",
            "seq": 1,
            "agent": "project_manager",
            "replayed": False,
        },
    }
    ids = {"turn_id": "t1", "conversation_id": "c1", "seq": 1}
    assert [part["data"] for part in of_type(parts, "data-turn")] == [
        ids | {"state": "accepted", "position": 0},
        ids | {"state": "queued", "position": 2},
        ids | {"state": "conflict", "position": 2, "waiting_on": "run_9"},
        ids | {"state": "running", "position": 0, "agent": "project_manager"},
        ids | {"state": "completed", "position": 0, "agent": "project_manager"},
    ]
    assert texts_of(parts) == ["Once upon a time ..."]
    assert "resp_1" in of_type(parts, "text-start")[0]["id"]
    assert parts[-1]["messageMetadata"] == {
        "turn_id": "t1",
        "status": "completed",
        "agent": "project_manager",
        "usage": {"input_tokens": 10, "output_tokens": 20},
        "runs": [{"run_id": "resp_1", "agent": "project_manager", "status": "completed"}],
        "handoffs": [],
        "conflicts": 2,
        "waited_ms": 1200,
    }


@pytest.mark.parametrize("steering", [False, True])
def test_a_message_that_joins_stands_among_the_words(steering: bool) -> None:
    ids = {"turn_id": "t1", "conversation_id": "c1"}
    stream = UiStream(steering=steering)
    frames = [stream.opening(make_turn(ALICE, **(OPEN | ids)), replayed=False)]
    steered = MessageSteered("t2", "t1", "in green")
    frames += [stream.event(event) for event in (said("r", "Let me look."), steered, said("s", REPLY))]
    frames.append(stream.closing(make_turn(ALICE, **ids), None))
    parts = read(b"".join(frames))
    assert texts_of(parts) == ["Let me look.", REPLY]
    (told,) = of_type(parts, "steering-message" if steering else "data-steered")
    data: Part = {"data": {"turn_id": "t2", "text": "in green"}}
    shown = {"parts": [{"type": "text", "text": "in green"}]} if steering else data
    assert told == {"type": told["type"], "id": "t2"} | shown
    kinds = [part["type"] for part in parts]
    ends = [at for at, kind in enumerate(kinds) if kind == "text-end"]
    assert ends[0] < kinds.index(told["type"]) < ends[1]


def test_the_message_that_joins_hears_what_it_has_joined_and_what_is_said_from_then_on() -> None:
    parts = told(TurnQueued(1), MessageSteered("t1", "t0", "in green"), said("s", REPLY), end={"steered_into": "t0"})
    states = [part["data"] for part in of_type(parts, "data-turn")]
    assert [(one["state"], one.get("steered_into")) for one in states] == [
        ("accepted", None), ("queued", None), ("steered", "t0"), ("running", "t0"), ("completed", "t0")
    ]  # fmt: skip
    assert texts_of(parts) == [REPLY]
    assert parts[-1]["messageMetadata"]["steered_into"] == "t0"


@pytest.mark.parametrize("begin", [{"status": TurnStatus.COMPLETED}, {}])
def test_a_reply_that_nobody_heard_is_said_at_once(begin: dict[str, Any]) -> None:
    parts = told(**begin)
    assert [part["delta"] for part in of_type(parts, "text-delta")] == [REPLY]
    assert states_of(parts)[-1] == "completed"


@pytest.mark.parametrize(
    ("heard", "texts"),
    [
        ([said("r", REPLY)], [REPLY]),
        ([said("r", "Once upon")], [REPLY]),
        ([said("r", "Once"), RunStarted("x", "project_manager")], ["Once", " upon a time ..."]),
        ([said("r", "Let me look."), said("s", REPLY)], ["Let me look.", REPLY]),
        ([said("r", "Let me look."), said("s", "Once upon")], ["Let me look.", REPLY]),
        ([said("r", "Let me look."), RunStarted("s", "project_manager")], ["Let me look.", REPLY]),
        ([said("r", "Something else")], ["Something else", REPLY]),
        ([said("r", REPLY), said("q", "What it asked.", "script_writer")], [REPLY, "What it asked."]),
        ([said("q", REPLY, "script_writer")], [REPLY]),
    ],
)
def test_the_reply_is_said_once_and_whole(heard: list[ChatEvent], texts: list[str]) -> None:
    assert texts_of(told(*heard)) == texts


def test_a_reply_of_several_runs_is_not_said_again() -> None:
    parts = told(said("r", "Let me look."), said("s", "Noon."), end={"reply": "Let me look.\n\nNoon."})
    assert texts_of(parts) == ["Let me look.", "Noon."]


def test_what_a_row_cannot_hold_makes_no_second_reply() -> None:
    parts = told(said("r", "a\x00b\ud83d"), said("r", "\ude00c\ud800d"), end={"reply": "a\ufffdb\U0001f600c\ufffdd"})
    assert texts_of(parts) == ["a\x00b\U0001f600c\ufffdd"]


def test_every_run_has_a_text_of_its_own() -> None:
    parts = told(
        RunStarted("r1", "project_manager"),
        said("r1", "I ask "),
        RunStarted("r2", "script_writer"),
        said("r2", "A scene", "script_writer"),
        said("r1", "somebody."),
        HandoffMade("project_manager", "script_writer", "scenes", "write one"),
        said("r1", " Late."),
        said("r3", "Done.", "script_writer"),
        end={"reply": "Done.", "agent": "script_writer"},
    )
    assert texts_of(parts) == ["I ask somebody.", "A scene", " Late.", "Done."]
    handoff = {"from": "project_manager", "to": "script_writer", "reason": "scenes", "task": "write one"}
    assert of_type(parts, "data-handoff") == [{"type": "data-handoff", "id": "handoff-1", "data": handoff}]
    first_end = next(number for number, part in enumerate(parts) if part["type"] == "text-end")
    assert parts[first_end]["id"] == of_type(parts, "text-start")[0]["id"]
    assert [part["type"] for part in parts[first_end:]].index("data-handoff") == 2, "what was open ends before it"


def test_telling_the_same_again_says_nothing() -> None:
    run, queued = RunStarted("r1", "project_manager"), TurnQueued(1)
    call = ToolCalled("c1", "clock", "{}", "project_manager")
    answer = ToolAnswered("c1", "clock", "noon", failed=False)
    once = told(queued, run, call, answer, said("r1", REPLY))
    assert told(queued, queued, run, run, call, call, answer, call, answer, said("r1", ""), said("r1", REPLY)) == once


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ('{"city": "Bonn"}', {"city": "Bonn"}),
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ("[1, 2.5, null, true]", [1, 2.5, None, True]),
        ("{", "{"),
        ("Bonn", "Bonn"),
        ('{"x": NaN}', '{"x": NaN}'),
        ('{"x": 1e999}', '{"x": 1e999}'),
        ('{"x": -1e999}', '{"x": -1e999}'),
        ("9" * 5000, "9" * 5000),
        ('{"__proto__": {}}', '{"__proto__": {}}'),
        ('{"a": [{"constructor": {"prototype": 1}}]}', '{"a": [{"constructor": {"prototype": 1}}]}'),
        ("[" * 40 + "]" * 40, "[" * 40 + "]" * 40),
        ("[" * 20_000, "[" * 20_000),
        ("[" * 20_000 + "]" * 20_000, "[" * 20_000 + "]" * 20_000),
        ('{"x": "a\\u2028b\\ud83d"}', {"x": "a\u2028b\ufffd"}),
        ('{"x\x00": 1}', '{"x\x00": 1}'),
    ],
)
def test_what_goes_into_a_tool_and_what_comes_out(arguments: str, value: object) -> None:
    parts = told(
        ToolCalled("c1", "clock", arguments, "project_manager"), ToolAnswered("c1", "clock", arguments, failed=False)
    )
    call, answer = of_type(parts, "tool-input-available")[0], of_type(parts, "tool-output-available")[0]
    assert (call["toolName"], call["input"]) == ("clock", value)
    assert answer["output"] == (arguments if value == {} and arguments != "{}" else value)
    assert call["providerExecuted"] is answer["providerExecuted"] is True


def test_a_failed_call_is_an_error_of_the_tool() -> None:
    parts = told(ToolCalled("c1", "clock", "{}", "a"), ToolAnswered("c1", "clock", '{"error": "late"}', failed=True))
    assert of_type(parts, "tool-output-error")[0]["errorText"] == '{"error": "late"}'


def test_an_answer_to_a_call_that_nobody_heard_brings_its_call() -> None:
    parts = told(ToolAnswered("c1", "clock", "noon", failed=False))
    assert of_type(parts, "tool-input-available")[0]["toolName"] == "clock"


def test_calls_of_two_runs_with_one_id_are_two() -> None:
    parts = told(
        ToolCalled("call_0", "clock", "{}", "a"),
        ToolAnswered("call_0", "clock", "noon", failed=False),
        ToolCalled("call_0", "weather", "{}", "a"),
        ToolCalled("call_0-2", "dice", "{}", "a"),
        ToolAnswered("call_0", "weather", "rain", failed=False),
    )
    calls = {part["toolName"]: part["toolCallId"] for part in of_type(parts, "tool-input-available")}
    assert len(set(calls.values())) == 3
    outputs = {part["toolCallId"]: part["output"] for part in of_type(parts, "tool-output-available")}
    assert outputs == {calls["clock"]: "noon", calls["weather"]: "rain"}


def test_the_wait_ended_first() -> None:
    parts = told(TurnQueued(1), end=OPEN | {"position": 3})
    assert of_type(parts, "data-turn")[-1]["data"] == {
        "turn_id": "t1",
        "conversation_id": "c1",
        "seq": 1,
        "state": "open",
        "position": 3,
        "retry_after": 2,
    }
    assert parts[-1]["messageMetadata"]["status"] == "queued"
    assert of_type(parts, "error") == []


def test_a_failure_says_so_after_all_that_was_said() -> None:
    failed = {
        "status": TurnStatus.FAILED,
        "reply": None,
        "runs": (RunRecord("r1", "project_manager", "failed", "quoted", "script_writer"),),
        "handoffs": (Handoff("a", "b", "quoted", "quoted"),),
    }
    call = ToolCalled("c1", "clock", "{}", "project_manager")
    parts = told(said("r1", "Once"), call, end=failed, error=ERROR)
    assert [part["type"] for part in parts[-6:]] == [
        *("text-end", "tool-output-error", "data-turn", "data-error", "error", "finish")
    ]
    assert of_type(parts, "tool-output-error")[0]["errorText"] == UNANSWERED
    assert states_of(parts)[-1] == "failed"
    assert parts[-3] == {"type": "data-error", "id": "error", "data": ERROR}
    assert parts[-2] == {"type": "error", "errorText": ERROR["message"]}
    metadata = parts[-1]["messageMetadata"]
    assert metadata["status"] == "failed"
    assert metadata["runs"] == [
        {"run_id": "r1", "agent": "project_manager", "status": "failed", "asked_by": "script_writer"}
    ]
    assert metadata["handoffs"] == [{"from": "a", "to": "b"}]


def test_a_failure_here_ends_a_stream_whose_turn_goes_on() -> None:
    parts = told(said("r1", "Once"), end=OPEN, error=ERROR)
    assert states_of(parts)[-1] == "running"
    assert parts[-2]["type"] == "error"


def test_the_end_holds_what_the_answer_holds() -> None:
    joined = tuple(Joined(one, "x", TurnStatus.COMPLETED) for one in ("t1", "t2"))
    handoffs = (Handoff("project_manager", "script_writer", "why", "what"),)
    runs = (RunRecord("r1", "project_manager", "completed", "Over to you."), RunRecord("r2", "a", "completed"))
    parts = told(end={"joined": joined, "handoffs": handoffs, "runs": runs})
    metadata = parts[-1]["messageMetadata"]
    assert metadata["covers"] == ["t1", "t2"]
    assert metadata["runs"][0]["text"] == "Over to you."
    assert metadata["runs"][1] == {"run_id": "r2", "agent": "a", "status": "completed"}
    handoff = {"from": "project_manager", "to": "script_writer", "reason": "why", "task": "what"}
    assert metadata["handoffs"] == [handoff]
    assert of_type(parts, "data-handoff")[0]["data"] == handoff, "a replay shows it as well"


def test_what_is_cited_is_told_once_before_the_end() -> None:
    """As the row has it, so that every reader is told the same: also of a run that another instance has served."""
    page, file = Source("https://owls.example", None, "Owls"), Source(None, "file_1", "owls.pdf")
    runs = (RunRecord("r1", "a", "completed", sources=(page, file)), RunRecord("r2", "a", "completed", sources=(page,)))
    asked = RunRecord("r3", "b", "completed", asked_by="a", sources=(Source("https://other.example"),))
    parts = told(said("r1", "Once"), end={"runs": (*runs, asked)})
    (url,), (document,) = of_type(parts, "source-url"), of_type(parts, "source-document")
    assert url == {"type": "source-url", "sourceId": url["sourceId"], "url": "https://owls.example", "title": "Owls"}
    assert document == {
        "type": "source-document",
        "sourceId": document["sourceId"],
        "mediaType": "application/pdf",
        "title": "owls.pdf",
        "filename": "owls.pdf",
    }
    assert url["sourceId"] != document["sourceId"]
    assert parts[-1]["messageMetadata"]["runs"][0]["sources"][0] == {"url": "https://owls.example", "title": "Owls"}


def test_an_image_is_told_where_it_was_made_and_once() -> None:
    first, second = (Image(f"i{n}", "image/png", 5, f"no. {n}") for n in (1, 2))
    left_out = Image("i3", None, 9, fault=ErrorCode.TOO_MANY_IMAGES)
    runs = (
        RunRecord("r1", "a", "completed", images=(first,)),
        RunRecord("r2", "b", "completed", asked_by="a", images=(second, left_out)),
    )
    made = ImageMade("a", first)
    parts = told(
        said("r1", "Look: ", "a"), made, made, said("r1", "see?", "a"), end={"reply": "Look: see?", "runs": runs}
    )
    shown = [part for part in parts if part["type"] in ("text-end", "file", "data-image", "text-delta")]
    assert [part.get("url", part["type"]) for part in shown] == [
        "text-delta",
        "text-end",
        "/images/i1",
        "text-delta",
        "text-end",
        "/images/i2",
        "data-image",
    ]
    assert of_type(parts, "file")[0] == {
        "type": "file",
        "mediaType": "image/png",
        "url": "/images/i1",
        "providerMetadata": {"multi-agent-chat": {"image_id": "i1", "bytes": 5, "description": "no. 1"}},
    }
    assert "images" not in parts[-1]["messageMetadata"], "they were told"


def test_the_end_says_what_a_reply_under_a_schema_means() -> None:
    told_json = told(said("r1", '{"a": 1}'), end={"reply": '{"a": 1}', "structured_at": 0})[-1]["messageMetadata"]
    assert told_json["json"] == {"a": 1}
    told_fault = told(said("r1", "Sorry."), end={"reply": "Sorry.", "structured_at": 0})[-1]["messageMetadata"]
    assert told_fault["json_error"]["code"] == "reply_not_json"
    assert not {"json", "json_error"} & told(said("r1", "x"), end={"reply": "x"})[-1]["messageMetadata"].keys()


def test_nothing_follows_the_end() -> None:
    stream, turn = UiStream(), make_turn(ALICE)
    read(stream.opening(turn, replayed=True) + stream.closing(turn, None))
    assert stream.closing(turn, None) == stream.event(said("r", "more")) == b""


# characters that break framing, JSON or Unicode somewhere, more often than chance would bring them
_nasty = st.sampled_from(
    ["\u2028", "\u2029", "\x85", "\n\n", "\r", "\x00", "\ud83d", "\ude00", '"', "\\", "data: [DONE]"]
)
_text = st.lists(_nasty | st.text(st.characters(), max_size=8), max_size=4).map("".join)
_id = st.sampled_from(["r1", "r2", "c1", "c1-2", "", "\u2028", "\ud800"])
_agent = st.sampled_from(["project_manager", "script_writer"])
_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text | st.just("__proto__"), inner, max_size=3),
    max_leaves=8,
).map(json.dumps)
_events = st.lists(
    st.one_of(
        st.builds(TurnQueued, st.integers(0, 8)),
        st.builds(RunConflicted, st.none() | _id),
        st.builds(RunStarted, _id, _agent),
        st.builds(MessageDelta, _id, _agent, _text),
        st.builds(ToolCalled, _id, _text, _text | _json, _agent),
        st.builds(ToolAnswered, _id, _text, _text | _json, st.booleans()),
        st.builds(HandoffMade, _agent, _agent, _text, _text),
    ),
    max_size=12,
)


def _ended(status: TurnStatus, reply: str, agent: str) -> dict[str, Any]:
    return {"status": status, "reply": reply if status is TurnStatus.COMPLETED else None, "agent": agent}


@settings(max_examples=300, deadline=None)
@given(
    events=_events,
    end=st.builds(_ended, st.sampled_from(TurnStatus), _text, _agent),
    error=st.none() | st.just(ERROR),
    begin=st.sampled_from(TurnStatus),
)
def test_whatever_is_said_the_frames_hold(
    events: list[ChatEvent], end: dict[str, Any], error: Any, begin: TurnStatus
) -> None:
    parts = told(*events, end=end, error=error, status=begin)
    assert len(of_type(parts, "error")) == (error is not None)
    wanted = "".join(event.text for event in events if isinstance(event, MessageDelta))
    if wanted.isascii() and end["status"] is not TurnStatus.COMPLETED:
        assert sorted("".join(texts_of(parts))) == sorted(wanted)


@settings(max_examples=200, deadline=None)
@example(reply="\ud83d\x00", cuts=[1])
@given(reply=_text, cuts=st.lists(st.integers(0, 40), max_size=5))
def test_a_reply_comes_whole_wherever_it_is_cut(reply: str, cuts: list[int]) -> None:
    """Also in the middle of a character, and where the last piece never comes."""
    halves = "".join(_halved(char) for char in reply)
    edges = sorted({0, *(cut for cut in cuts if cut < len(halves))})
    pieces = [halves[begin:end] for begin, end in itertools.pairwise(edges)]
    kept = halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    parts = told(*(said("r1", piece) for piece in pieces), end={"reply": kept})
    assert "".join(texts_of(parts)) == kept


def _halved(char: str) -> str:
    if char <= "\uffff":
        return char
    code = ord(char) - 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


APPROVAL = PersonCall("call_1", PersonCallKind.APPROVAL, "send", '{"to": "Bo"}', "2026-11-29T12:00:00Z")
QUESTION = PersonCall("call_2", PersonCallKind.QUESTION, "ask_user", '{"question": "q"}', "2026-11-29T12:00:00Z")
WAITS: Part = {"status": TurnStatus.WAITING, "reply": None, "finished_at": None}


def asked(*calls: PersonCall, approvals: bool) -> list[Part]:
    stream = UiStream(approvals=approvals)
    frames = [stream.opening(make_turn(ALICE, **OPEN), replayed=False)]
    for call in calls:
        frames.append(stream.event(ToolCalled(call.call_id, call.name, call.arguments, "boss", call.kind)))
        frames.append(stream.event(PersonAsked(call)))
    frames.append(stream.closing(make_turn(ALICE, **WAITS), None))
    return read(b"".join(frames))


def test_a_call_that_waits_is_a_part_of_our_own_to_readers_that_know_no_other() -> None:
    parts = asked(APPROVAL, QUESTION, approvals=False)
    assert [part["data"]["kind"] for part in of_type(parts, "data-call")] == ["approval", "question"]
    assert of_type(parts, "data-call")[0]["data"]["arguments"] == {"to": "Bo"}
    assert all(part["providerExecuted"] for part in of_type(parts, "tool-input-available"))
    assert of_type(parts, "tool-approval-request") == []
    assert states_of(parts)[-1] == "waiting"


def test_to_those_that_know_them_it_is_the_sdks() -> None:
    parts = asked(APPROVAL, QUESTION, approvals=True)
    assert of_type(parts, "tool-approval-request") == [
        {"type": "tool-approval-request", "approvalId": "call_1", "toolCallId": "call_1"}
    ]
    assert not any("providerExecuted" in part for part in of_type(parts, "tool-input-available")), "they are its user's"
    assert of_type(parts, "data-call") == []


def test_a_run_behind_another_begins_a_step_where_calls_may_be_answered_by_the_reader() -> None:
    """Else the page takes the calls of the first for those of its last step, and sends what it knows for ever."""
    events: list[ChatEvent] = [
        RunStarted("r1", "boss"),
        ToolCalled("c", "look", "{}", "boss", PersonCallKind.CLIENT),
        ToolAnswered("c", "look", "{}", False),
        said("r2", "Done."),
    ]
    for approvals, steps in ((True, 1), (False, 0)):
        stream = UiStream(approvals=approvals)
        frames = [stream.opening(make_turn(ALICE, **OPEN), replayed=False), *map(stream.event, events)]
        parts = read(b"".join([*frames, stream.closing(make_turn(ALICE, agent="boss", reply="Done."), None)]))
        assert len(of_type(parts, "start-step")) == steps
        kinds = [
            part["type"] for part in parts if part["type"] in ("tool-output-available", "start-step", "text-start")
        ]
        assert kinds == ["tool-output-available", *["start-step"] * steps, "text-start"]


def test_a_stream_that_goes_on_tells_what_another_page_has_brought_about() -> None:
    """Its own page has stopped at the first run, whose calls were answered elsewhere meanwhile."""
    runs = (RunRecord("run_1", "boss", "completed", text="Let me."), RunRecord("run_2", "boss", "completed"))
    turn = make_turn(ALICE, agent="boss", reply="Let me.\n\nDone.", runs=runs)
    stream = UiStream(approvals=True, known=Known(runs=1))
    events = (said("run_1", "Let me.", "boss"), said("run_2", "Done.", "boss"))
    frames = [stream.opening(turn, replayed=False), *map(stream.event, events), stream.closing(turn, None)]
    parts = read(b"".join(frames))
    assert texts_of(parts) == ["Done."]
    assert len(of_type(parts, "start-step")) == 1


@pytest.mark.parametrize("heard", ["Done now.", "Done"])
def test_a_steered_message_that_goes_on_hears_only_what_comes(heard: str) -> None:
    """Its row has no runs until its end, so that what was said before is not told again to be passed over."""
    stream = UiStream(approvals=True, known=Known(runs=1))
    frames = [stream.opening(make_turn(ALICE, **OPEN), replayed=False), stream.event(said("run_3", heard, "boss"))]
    end = make_turn(ALICE, agent="boss", reply="Which?\n\nDone now.", runs=(RunRecord("run_3", "boss", "completed"),))
    parts = read(b"".join([*frames, stream.closing(end, None)]))
    assert "".join(texts_of(parts)) == "Done now."


def test_a_stream_that_goes_on_repeats_nothing_that_was_said() -> None:
    runs = (RunRecord("run_1", "boss", "completed", text="Let me."),)
    row = make_turn(ALICE, **(OPEN | {"status": TurnStatus.REQUIRES_ACTION, "runs": runs, "agent": "boss"}))
    stream = UiStream(approvals=True, known=Known(runs=1))
    events = (
        RunStarted("run_1", "boss"),
        MessageDelta("run_1", "boss", "Let me."),
        ToolCalled("call_1", "send", '{"to": "Bo"}', "boss", PersonCallKind.APPROVAL),
        ToolAnswered("call_1", "send", '{"error": {"code": "denied", "message": "no"}}', True, approved=False),
        RunStarted("run_2", "boss"),
        MessageDelta("run_2", "boss", "Done."),
    )
    frames = [stream.opening(row, replayed=False), *(stream.event(event) for event in events)]
    end = make_turn(
        ALICE, agent="boss", reply="Let me.\n\nDone.", runs=(*runs, RunRecord("run_2", "boss", "completed"))
    )
    frames.append(stream.closing(end, None))
    parts = read(b"".join(frames))
    assert texts_of(parts) == ["Done."]
    kinds = [part["type"] for part in parts]
    assert kinds.index("tool-output-denied") < kinds.index("start-step") < kinds.index("text-start")
    assert of_type(parts, "tool-output-denied") == [{"type": "tool-output-denied", "toolCallId": "call_1"}]


@pytest.mark.parametrize("approvals", [True, False])
@pytest.mark.parametrize(
    ("output", "approved", "last"),
    [
        ("sent", True, "tool-output-available"),
        ('{"error": {"code": "tool_failed", "message": "no"}}', True, "tool-output-error"),
        ('{"error": {"code": "denied", "message": "no"}}', False, "tool-output-denied"),
        ('{"error": {"code": "expired", "message": "no"}}', False, "tool-output-denied"),
        ('{"error": {"code": "denied", "message": "no"}}', None, "tool-output-error"),  # of a question
    ],
)
def test_what_the_user_has_said_to_a_call_goes_before_what_came_of_it(
    output: str, approved: bool | None, last: str, approvals: bool
) -> None:
    """Any page of the user's may have said it: the SDK keeps no approval whose answer it was not told."""
    stream, failed = UiStream(approvals=approvals), output.startswith('{"error"')
    frames = [
        stream.opening(make_turn(ALICE, **OPEN), replayed=False),
        stream.event(ToolCalled("c", "send", "{}", "boss")),
        stream.event(ToolAnswered("c", "send", output, failed, approved)),
        stream.closing(make_turn(ALICE), None),
    ]
    parts = [part for part in read(b"".join(frames)) if part["type"].startswith("tool-")]
    word = {"type": "tool-approval-response", "approvalId": "c", "approved": approved}
    word |= {} if approved else {"reason": "no"}
    asked = {"type": "tool-approval-request", "approvalId": "c", "toolCallId": "c"}
    assert parts[1:-1] == ([asked, word] if approvals and approved is not None else [])
    assert parts[-1]["type"] == (last if approvals or not failed else "tool-output-error")
