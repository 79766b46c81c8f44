"""Who speaks next, as rows: what a run's calls come to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.core.error_codes import ErrorCode
from shared.core.handoff import Plan, Stop, TurnLimits, plan, said_since_handoff
from shared.core.model import Agent, Peer
from shared.core.runs import Handoff, Step, ToolCall, ToolSpec
from shared.core.tool_messages import offers

LIMITS = TurnLimits(handoffs=3, tool_calls=4, budget_seconds=300, person_seconds=60)
PEERS = (
    Peer("writer", "Writer", "writes", handoff=True, ask=False),
    Peer("helper", "Helper", "helps", handoff=False, ask=True),
    Peer("both", "Both", "", handoff=True, ask=True),
)
BOSS = Agent("boss", "Boss", "", "m", "", peers=PEERS)
FUNCTIONS = frozenset({"save"})


def call(name: str, arguments: Any = None, call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id, name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


def planned(*calls: ToolCall, text: str = "", **more: Any) -> Plan | Stop:
    given = {"steps": (), "handoffs": (), "functions": FUNCTIONS, "limits": LIMITS, "working_seconds": 1.0, **more}
    return plan(BOSS, calls, text, **given)


def codes(result: Plan | Stop) -> list[str]:
    assert isinstance(result, Plan)
    return [json.loads(answer.output)["error"]["code"] for answer in result.answers]


TASK = {"reason": "r", "task": "t"}


def test_what_may_be_called_is_what_is_offered() -> None:
    names = [spec.name for spec in offers(BOSS, [ToolSpec("save", "", {})])]
    assert names == ["save", "transfer_to_writer", "transfer_to_both", "ask_helper", "ask_both"]
    for name in names:
        result = planned(call(name, TASK | {"question": "q"}))
        assert isinstance(result, Plan)
        assert not [answer for answer in result.answers if "error" in answer.output]


def test_a_handoff_takes_reason_and_task_along_and_answers_its_call() -> None:
    result = planned(call("transfer_to_writer", TASK))
    assert isinstance(result, Plan)
    assert result.handoff == Handoff("boss", "writer", "r", "t")
    assert json.loads(result.answers[0].output)["task"] == "t"


def test_functions_and_questions_of_the_same_run_are_done_before_control_moves() -> None:
    made = [call("save", {}, "a"), call("ask_helper", {"question": "q"}, "b"), call("transfer_to_writer", TASK, "c")]
    result = planned(*made)
    assert isinstance(result, Plan)
    assert ([one.call_id for one in result.functions], [one.agent for one in result.questions]) == (["a"], ["helper"])
    assert result.handoff is not None


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (call("nope"), "unknown_tool"),
        (call("transfer_to_boss", TASK), "unknown_tool"),
        (call("transfer_to_helper", TASK), "unknown_tool"),  # may be asked, not handed over to
        (call("ask_writer", {"question": "q"}), "unknown_tool"),
        (call("transfer_to_"), "unknown_tool"),
        (call("ask_helper"), "invalid_arguments"),
        (call("ask_helper", {"question": "  "}), "invalid_arguments"),
        (call("ask_helper", "[1]"), "invalid_arguments"),
        (call("transfer_to_writer", "{"), "invalid_arguments"),
        (call("transfer_to_writer", "[" * 20_000), "invalid_arguments"),
    ],
)
def test_what_cannot_be_is_a_typed_error_for_the_model(made: ToolCall, code: str) -> None:
    result = planned(made)
    assert codes(result) == [code]
    assert isinstance(result, Plan)
    assert result.handoff is None


def test_the_first_of_two_handoffs_counts() -> None:
    result = planned(call("transfer_to_writer", TASK, "a"), call("transfer_to_both", TASK, "b"))
    assert isinstance(result, Plan)
    assert result.handoff is not None
    assert result.handoff.to_agent == "writer"
    assert json.loads(result.answers[1].output)["error"]["code"] == "already_handed_over"


def test_words_that_are_no_texts_travel_as_json_and_bounded() -> None:
    result = planned(call("transfer_to_writer", {"reason": {"a": 1}, "task": "x" * 100_000}))
    assert isinstance(result, Plan)
    assert result.handoff is not None
    assert (result.handoff.reason, len(result.handoff.task)) == ('{"a": 1}', 8_000)


def step(
    agent: str, *, text: str = "", to: str | None = None, calls: tuple[ToolCall, ...] = (), run: str = "r"
) -> Step:
    handoff = None if to is None else Handoff(agent, to, "", "")
    made = (*calls, *((call(f"transfer_to_{to}"),) if to else ()))
    return Step(run, agent, text, made, handoff=handoff)


def history(*steps: Step) -> dict[str, Any]:
    return {"steps": steps, "handoffs": tuple(one.handoff for one in steps if one.handoff)}


@pytest.mark.parametrize(
    ("before", "text", "more", "expected"),
    [
        (history(step("writer", to="boss")), "", (), "handoff_loop"),  # writer -> boss -> writer
        (history(step("writer", to="boss")), "new words", (), None),
        (history(step("writer", to="boss")), "", (call("save", {}, "s"),), None),
        (history(step("writer", to="boss"), step("boss", text="so", calls=(call("save"),))), "", (), None),
        (history(step("boss", to="both"), step("both", to="boss")), "", (), None),  # writer was not there before
        (history(step("writer", to="both"), step("both", to="boss")), "", (), "handoff_loop"),  # the long way round
        (
            history(*[step("boss", text="w", to="both"), step("both", text="w", to="boss")] * 2),
            "w",
            (),
            "handoff_limit",
        ),
    ],
)
def test_when_handing_over_ends(before: Any, text: str, more: tuple[ToolCall, ...], expected: str | None) -> None:
    result = planned(*more, call("transfer_to_writer", TASK, "t"), text=text, **before)
    assert (result.code if isinstance(result, Stop) else None) == expected


def test_calls_are_counted_over_the_whole_turn_and_handoffs_are_not_among_them() -> None:
    before = history(step("boss", calls=(call("save"), call("save"), call("ask_helper"))), step("boss", to="both"))
    assert isinstance(planned(call("save"), **before), Plan)
    assert planned(call("save"), call("nope", call_id="d"), **before) == Stop(ErrorCode.TOOL_LIMIT)


def test_nothing_more_is_started_once_the_budget_is_used_up() -> None:
    assert planned(call("save"), working_seconds=300.0) == Stop(ErrorCode.RUN_TIMEOUT)


def test_what_an_agent_said_since_control_came_to_it_is_told_once() -> None:
    steps = (
        step("boss", text="mine, and handed over", to="writer", run="r1"),
        step("writer", text="first", calls=(call("save"),), run="r2"),
        step("writer", text="first and more", calls=(call("save"),), run="r2"),  # the same run went on
        step("writer", text="second", calls=(call("save"),), run="r3"),
    )
    assert said_since_handoff("writer", steps, "r4", "last") == "first and more\n\nsecond\n\nlast"
    assert said_since_handoff("writer", steps, "r3", "second and all") == "first and more\n\nsecond and all"
    assert said_since_handoff("writer", (), None, "") == ""


def test_runs_whose_ids_never_arrived_have_each_said_something() -> None:
    steps = tuple(Step(None, "writer", text, ()) for text in ("first", "second"))
    assert said_since_handoff("writer", steps, None, "last") == "first\n\nsecond\n\nlast"
    assert said_since_handoff("writer", steps, None, "second") == "first\n\nsecond", "its step is on record"
    assert said_since_handoff("writer", steps, "r3", "last") == "first\n\nsecond\n\nlast"


ASKER = Agent(
    "asker", "Asker", "", "m", "", tools=("save", "read"), approvals=("save", "gone"), ask_user=True,
    client_tools=(ToolSpec("where", "", {"type": "object"}),), peers=(Peer("user", "User", "", False, True),),
)  # fmt: skip


def asked(*calls: ToolCall) -> Plan | Stop:
    functions = frozenset({"save", "read"})
    return plan(ASKER, calls, "", steps=(), handoffs=(), functions=functions, limits=LIMITS, working_seconds=1.0)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (call("save"), "approval"),
        (call("read"), None),
        (call("gone"), None),  # which is no function of ours
        (call("where", {"x": 1}), "client"),
        (call("ask_user", {"question": "Which?", "choices": ["a", "b"]}), "question"),
    ],
)
def test_which_calls_wait_for_a_person(made: ToolCall, kind: str | None) -> None:
    result = asked(made)
    assert isinstance(result, Plan)
    assert [one.value for _, one in result.person] == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    "made",
    [
        call("save", "["),
        call("where", "1"),
        call("ask_user"),
        call("ask_user", {"question": " "}),
        call("ask_user", {"question": "q", "choices": "a"}),
        call("ask_user", {"question": "q", "choices": ["a"] * 21}),
        call("ask_user", {"question": "q", "choices": [1]}),
    ],
)
def test_what_cannot_be_put_before_a_person_is_an_error_for_the_model(made: ToolCall) -> None:
    assert codes(asked(made)) == ["invalid_arguments"]


def test_an_agent_that_may_ask_its_user_is_offered_that_once() -> None:
    names = [spec.name for spec in offers(ASKER, [ToolSpec("save", "", {})])]
    assert names == ["save", "where", "ask_user"]
