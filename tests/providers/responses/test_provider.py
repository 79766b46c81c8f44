"""The Responses wire: what is sent, and what is made of answers that are not as documented."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
import respx
from openai import AsyncOpenAI

from shared.core.errors import (
    ConversationIgnored,
    NotCancellable,
    NotFoundAtProvider,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
)
from shared.core.runs import RunState, Step, Thread, ToolCall, ToolSpec, Usage
from shared.core.turns import Displaced, Steered, TurnStatus
from tests.providers.making import line, outputs, page, responses, start

THREAD = Thread("responses", "conv_1", "item_9")
QUEUED = {"id": "resp_1", "status": "queued", "background": True, "conversation": {"id": "conv_1"}, "output": []}


def sent(route: respx.Route, at: int = -1) -> Any:
    return json.loads(route.calls[at].request.content)


def message(role: str, text: str, **fields: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}


async def test_message_and_run_go_in_one_call(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(json=QUEUED)

    state = await responses(client).start_run(start(THREAD, "Hi\x00"))

    assert state == RunState("resp_1", "queued", thread_id="conv_1")
    assert sent(route) == {
        "model": "emulated-model",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "conversation": "conv_1",
        "background": True,
        "store": True,
        "metadata": {"turn_id": "turn-1", "run_key": "key-1"},
    }


async def test_without_a_thread_the_transcript_goes_along(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    done = {"id": "resp_1", "status": "completed", "output": [message("assistant", "Yes")]}
    route = api.post("/responses").respond(json=done)
    provider = responses(client, state="transcript", background="off")
    history = (line("user", "One"), line("assistant", "Two", 2))

    thread = await provider.create_thread(history)
    state = await provider.start_run(start(thread, "Three", history=history))

    assert thread == Thread("responses")
    assert not provider.keeps_threads
    assert state.text == "Yes"
    body = sent(route)
    assert [(item["role"], item["content"]) for item in body["input"]] == [
        ("user", "One"),
        ("assistant", "Two"),
        ("user", "Three"),
    ]
    assert body["store"] is False
    assert not {"background", "conversation", "previous_response_id"} & set(body)


async def test_outputs_of_functions_start_a_run(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(json=QUEUED)

    await responses(client).start_run(start(THREAD, None, tool_outputs=outputs(("call_1", "a\x00"))))

    assert sent(route)["input"] == [{"type": "function_call_output", "call_id": "call_1", "output": "a"}]
    assert sent(route)["conversation"] == "conv_1"


async def test_tools_are_offered(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(json=QUEUED)
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}

    await responses(client).start_run(start(THREAD, tools=(ToolSpec("look", "Looks it up.", schema),)))

    assert sent(route)["tools"] == [
        {"type": "function", "name": "look", "description": "Looks it up.", "parameters": schema, "strict": False}
    ]


STEP = Step(
    "resp_0",
    "writer",
    "Let me see.",
    (ToolCall("call_1", "look", '{"q": 1}'), ToolCall("call_2", "hear", "{}"), ToolCall("call_3", "lost", "{}")),
    outputs(("call_1", "seen"), ("call_2", "heard")),
)


async def test_steps_are_told_in_full_where_the_thread_lacks_them(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(json=QUEUED | {"conversation": None})
    history = (line("user", "x"), line("assistant", "y", 2))
    told = [
        {"type": "message", "role": "user", "content": "Hello"},
        {"type": "message", "role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"q": 1}'},
        {"type": "function_call", "call_id": "call_2", "name": "hear", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
        {"type": "function_call_output", "call_id": "call_2", "output": "heard"},
    ]

    provider = responses(client, state="transcript", background="off")
    await provider.start_run(start(Thread("responses"), steps=(STEP,), history=history, known_run_ids=("resp_0",)))

    assert sent(route)["input"][2:] == told
    assert sent(route)["store"] is False
    assert "previous_response_id" not in sent(route)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        (
            {"status": "completed", "output": [message("assistant", "a\x00b", id="i1"), message("assistant", "c")]},
            RunState("resp_1", "completed", "ab\n\nc", cursor="i1"),
        ),
        (
            {"status": "completed", "output": [{"role": "assistant", "content": "plain", "id": "i2"}]},
            RunState("resp_1", "completed", "plain", cursor="i2"),
        ),
        (
            {"status": "completed", "output": [message("assistant", "")], "output_text": "flat"},
            RunState("resp_1", "completed", "flat"),
        ),
        (
            {
                "status": "completed",
                "output": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}],
            },
            RunState("resp_1", "completed", "I will not."),
        ),
        (
            {
                "status": "completed",
                "output": [
                    {"type": "reasoning", "id": "rs_1", "summary": []},
                    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"},
                    {"type": "function_call", "call_id": None, "name": "look"},
                ],
            },
            RunState(
                "resp_1",
                "requires_action",
                tool_calls=(ToolCall("call_1", "look", "{}"), ToolCall("call_unnamed_1", "look", "")),
                cursor="fc_1",
            ),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": None},
            RunState("resp_1", "incomplete", error_code="max_output_tokens"),
        ),
        (
            {"status": "failed", "error": {"code": "server_error", "message": "It broke."}},
            RunState("resp_1", "failed", error_code="server_error"),
        ),
        ({"status": "cancelled", "output": []}, RunState("resp_1", "cancelled")),
        ({"status": "thinking"}, RunState("resp_1", "unknown")),
        ({"status": None}, RunState("resp_1", "unknown")),
        ({}, RunState("resp_1", "unknown")),
        (
            {"status": "in_progress", "usage": {"input_tokens": 5, "output_tokens": 6}, "conversation": "conv_2"},
            RunState("resp_1", "in_progress", usage=Usage(5, 6), thread_id="conv_2"),
        ),
        ({"status": 5, "output": {"a": 1}, "usage": 3, "error": "x"}, RunState("resp_1", "unknown")),
    ],
)
async def test_a_response_is_read_for_what_it_is(
    client: AsyncOpenAI, api: respx.MockRouter, fields: dict[str, Any], state: RunState
) -> None:
    body = json.dumps({"id": "resp_1", **fields}).encode()
    api.get("/responses/resp_1").respond(content=body)

    assert await responses(client).get_run(THREAD, "resp_1", "turn-1") == state


@pytest.mark.parametrize("status", [404, 405, 410, 501])
async def test_a_response_that_cannot_be_read_is_not_found(
    client: AsyncOpenAI, api: respx.MockRouter, status: int
) -> None:
    api.get("/responses/resp_1").respond(status, json={"detail": "Not Found"})

    with pytest.raises(NotFoundAtProvider):
        await responses(client).get_run(THREAD, "resp_1", "turn-1")


@pytest.mark.parametrize("status", [400, 404, 405, 409, 501])
async def test_a_cancel_that_is_refused(client: AsyncOpenAI, api: respx.MockRouter, status: int) -> None:
    api.post("/responses/resp_1/cancel").respond(status, json={"detail": "No."})

    with pytest.raises(NotCancellable):
        await responses(client).cancel_run(THREAD, "resp_1")


# --- what a server shows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"error": {"message": "Background mode is not supported.", "param": "background"}}),
        (400, {"error": {"message": "no", "param": "background", "code": "unsupported_parameter"}}),
        (404, {"detail": "background responses are not available"}),
        (422, {"detail": [{"loc": ["body", "background"], "msg": "Extra inputs", "type": "extra_forbidden"}]}),
    ],
)
async def test_a_refusal_of_background_is_followed_by_the_foreground_once(
    client: AsyncOpenAI, api: respx.MockRouter, status: int, error: dict[str, Any]
) -> None:
    done = {"id": "resp_1", "status": "completed", "conversation": {"id": "conv_1"}, "output": []}
    route = api.post("/responses")
    route.side_effect = [
        httpx.Response(status, json=error),
        httpx.Response(200, json=done),
        httpx.Response(200, json=done),
    ]
    provider = responses(client)

    assert (await provider.start_run(start(THREAD))).status == "completed"
    await provider.start_run(start(THREAD))

    assert [sent(route, at).get("background") for at in range(3)] == [True, None, None]


async def test_background_that_is_insisted_on_has_no_foreground(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(400, json={"error": {"message": "no", "param": "background"}})

    with pytest.raises(ProviderRefused):
        await responses(client, background="on").start_run(start(THREAD))

    assert route.call_count == 1


async def test_an_unclear_refusal_of_background_is_not_repeated(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(501, json={"detail": "background is not implemented"})
    provider = responses(client)

    with pytest.raises(OutcomeUnknown):
        await provider.start_run(start(THREAD))
    assert route.call_count == 1

    route.respond(json=QUEUED)
    await provider.start_run(start(THREAD))
    assert "background" not in sent(route)


async def test_any_other_refusal_is_not_repeated(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(400, json={"error": {"message": "no", "param": "model"}})

    with pytest.raises(ProviderRefused):
        await responses(client).start_run(start(THREAD))

    assert route.call_count == 1


async def test_background_ignored_is_remembered(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    done = {"id": "r", "status": "completed", "background": False, "conversation": "conv_1"}
    route = api.post("/responses").respond(json=done)
    provider = responses(client)

    await provider.start_run(start(THREAD))
    await provider.start_run(start(THREAD))

    assert [sent(route, at).get("background") for at in range(2)] == [True, None]


@pytest.mark.parametrize("named", ["conv_1", {"id": "conv_1"}, {"id": "CONV_1", "object": "conversation"}, "1"])
async def test_a_conversation_may_be_named_in_two_ways(client: AsyncOpenAI, api: respx.MockRouter, named: Any) -> None:
    api.post("/responses").respond(json=QUEUED | {"conversation": named})
    provider = responses(client)

    state = await provider.start_run(start(THREAD))

    assert state.thread_id == (named if isinstance(named, str) else named["id"])
    assert provider.keeps_threads


@pytest.mark.parametrize("named", ["conv_2", {"id": "conv_2"}, 7])
async def test_a_conversation_ignored_is_told_when_something_is_forgotten(
    client: AsyncOpenAI, api: respx.MockRouter, named: Any
) -> None:
    api.post("/responses").respond(json=QUEUED | {"conversation": named})
    cancel = api.post("/responses/resp_1/cancel").respond(500)
    provider = responses(client)

    with pytest.raises(ConversationIgnored):
        await provider.start_run(start(THREAD))

    assert cancel.call_count == 1
    assert not provider.keeps_threads
    assert await provider.create_thread([]) == Thread("responses")


UNKNOWN_PARAMETER = [
    {"message": "Unknown parameter: 'conversation'.", "param": "conversation", "code": "unknown_parameter"},
    {"message": "Unknown parameter: 'conversation'.", "param": "conversation", "code": None},
    {"message": "Unrecognized request argument supplied: conversation", "param": None, "code": None},
    {"message": "conversation is not supported by this model", "param": None, "code": None},
    {"message": "Extra inputs are not permitted", "param": "body.conversation", "code": "extra_forbidden"},
]


@pytest.mark.parametrize("error", UNKNOWN_PARAMETER)
async def test_a_server_that_does_not_know_the_parameter_keeps_no_conversations(
    error: dict[str, Any], client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    api.post("/responses").respond(400, json={"error": error})
    provider = responses(client)

    with pytest.raises(ConversationIgnored):
        await provider.start_run(start(THREAD))

    assert not provider.keeps_threads


@pytest.mark.parametrize(
    "message", ["Invalid conversation: too many items", "The conversation holds an unknown item", "Extra item in it"]
)
async def test_a_server_that_dislikes_what_stands_in_a_conversation_keeps_conversations(
    message: str, client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    error = {"message": message, "param": "conversation", "type": "invalid_request_error", "code": None}
    api.post("/responses").respond(400, json={"error": error})
    provider = responses(client)

    with pytest.raises(ProviderError):
        await provider.start_run(start(THREAD))

    assert provider.keeps_threads


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_conversations_is_sent_transcripts(
    client: AsyncOpenAI, api: respx.MockRouter, status: int
) -> None:
    route = api.post("/conversations").respond(status, json={"detail": "Not Found"})
    provider = responses(client)

    assert await provider.create_thread([line("user", "x")]) == Thread("responses")
    assert not provider.keeps_threads
    await provider.create_thread([])
    assert route.call_count == 1


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_server_in_trouble_is_not_one_without_conversations(
    client: AsyncOpenAI, api: respx.MockRouter, status: int
) -> None:
    api.post("/conversations").respond(status)
    provider = responses(client)

    with pytest.raises(ProviderError):
        await provider.create_thread([])

    assert provider.keeps_threads


async def test_a_long_transcript_is_seeded_in_several_calls(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    first = api.post("/conversations").respond(json={"id": "conv_1"})
    more = api.post("/conversations/conv_1/items").mock(return_value=page())
    api.get("/conversations/conv_1/items").mock(return_value=page({"id": "item_45"}))

    thread = await responses(client).create_thread([line("user", f"line {at}", at) for at in range(45)])

    assert thread == Thread("responses", "conv_1", "item_45")
    texts = [
        item["content"] for call in (*first.calls, *more.calls) for item in json.loads(call.request.content)["items"]
    ]
    assert texts == [f"line {at}" for at in range(45)]
    assert (first.call_count, more.call_count) == (1, 2)


# --- lost answers ---------------------------------------------------------------------------------------------------

OURS = message("user", "Hello", id="u1")
CURSOR = message("assistant", "earlier", id="item_9")
BEFORE = [CURSOR, message("user", "Hello", id="u0")]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([message("assistant", "Yes", id="a1"), OURS, *BEFORE], ("completed", "Yes", "a1", None)),
        (
            [message("assistant", "Yes", id="a1", response_id="resp_7"), OURS, *BEFORE],
            ("completed", "Yes", "a1", "resp_7"),
        ),
        ([message("assistant", "Ye", id="a1", status="incomplete"), OURS, *BEFORE], ("incomplete", "Ye", "a1", None)),
        ([message("assistant", "2"), message("assistant", "1"), OURS, *BEFORE], ("completed", "1\n\n2", None, None)),
        (
            [{"type": "function_call", "call_id": "c", "name": "f", "id": "f1"}, OURS, *BEFORE],
            ("requires_action", "", "f1", None),
        ),
        (
            [message("assistant", "no"), message("user", "other"), message("assistant", "Yes", id="a1"), OURS, *BEFORE],
            ("completed", "Yes", "a1", None),
        ),
        ([OURS, message("assistant", "Yes", id="a1"), OURS, *BEFORE], ("completed", "Yes", "a1", None)),
        (
            [
                message("assistant", "So", id="a1"),
                {"type": "function_call_output", "call_id": "c", "output": "x"},
                {"type": "function_call", "call_id": "c", "name": "f"},
                OURS,
                *BEFORE,
            ],
            ("completed", "So", "a1", None),
        ),
        ([OURS, *BEFORE], None),
        ([message("assistant", "hm"), message("user", "other"), *BEFORE], None),
        (BEFORE, None),
        ([message("assistant", "Yes", response_id="known"), OURS, *BEFORE], None),
        # The last item known does not show: the answer may be to an older question in the same words.
        ([message("assistant", "Yes", id="a1"), OURS], None),
        ([], None),
    ],
)
async def test_a_lost_run_is_found_by_what_it_left(
    client: AsyncOpenAI, api: respx.MockRouter, items: list[dict[str, Any]], found: tuple[Any, ...] | None
) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(*items))

    state = await responses(client).find_run(start(THREAD, known_run_ids=("known",)))

    assert (state and (state.status, state.text, state.cursor, state.run_id)) == found


async def test_the_answer_to_outputs_is_found_too(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "x", "id": "o1"}
    api.get("/conversations/conv_1/items").mock(return_value=page(message("assistant", "So", id="a"), output, CURSOR))

    state = await responses(client).find_run(start(THREAD, None, tool_outputs=outputs(("call_1", "x"))))

    assert state is not None
    assert state.text == "So"


def call(call_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": "{}", **fields}


def output(call_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "x", **fields}


TOLD = [
    output("call_2", id="t6"),
    output("call_1", id="t5"),
    call("call_2", id="t4"),
    call("call_1", id="t3"),
    message("assistant", "Let me see.", id="t2"),
    OURS,
]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([*TOLD, *BEFORE], None),
        ([message("assistant", "So", id="a1"), *TOLD, *BEFORE], "So"),
        ([call("call_9", id="c9"), *TOLD, *BEFORE], ""),
    ],
)
async def test_what_was_told_is_no_answer(
    client: AsyncOpenAI, api: respx.MockRouter, items: list[dict[str, Any]], found: str | None
) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(*items))

    state = await responses(client).find_run(start(THREAD, steps=(STEP,)))

    assert (state and state.text) == found


@pytest.mark.parametrize(
    ("items", "dropped"),
    [
        ([*TOLD, *BEFORE], ["t6", "t5", "t4", "t3", "t2", "u1"]),
        ([OURS, *BEFORE], ["u1"]),
        ([OURS, *TOLD, *BEFORE], ["u1", "t6", "t5", "t4", "t3", "t2", "u1"]),
        # It reads as what was told, and is an answer.
        ([message("assistant", "Let me see.", id="a1"), *TOLD, *BEFORE], []),
        ([OURS, message("assistant", "Let me see.", id="a1"), *BEFORE], ["u1"]),
        ([call("call_9", id="c9"), *TOLD, *BEFORE], []),
    ],
)
async def test_what_was_told_and_not_answered_is_taken_out_again(
    client: AsyncOpenAI, api: respx.MockRouter, items: list[dict[str, Any]], dropped: list[str]
) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(*items))
    drop = api.delete(url__regex=r".*/items/.*").respond(json={})
    api.post("/responses").respond(json=QUEUED)

    await responses(client).start_run(start(THREAD, steps=(STEP,), repeated=True))

    assert [each.request.url.path.rpartition("/")[2] for each in drop.calls] == dropped


TURN = [
    message("assistant", "Done.", id="d5"),
    output("call_1", id="d4"),
    call("call_1", id="d3"),
    message("assistant", "Wait.", id="d2"),
    message("user", "Hello", id="d1"),
]


@pytest.mark.parametrize(
    ("items", "fields", "dropped"),
    [
        ([*TURN, *BEFORE], {}, ["d5", "d4", "d3", "d2", "d1"]),
        ([message("user", "next", id="n1"), *TURN, *BEFORE], {}, ["d5", "d4", "d3", "d2", "d1"]),
        # The turn began before the last item known: its calls tell where.
        (
            [TURN[0], TURN[1], CURSOR, *TURN[2:], *BEFORE[1:]],
            {"steps": (STEP,)},
            ["d5", "d4", "item_9", "d3", "d2", "d1"],
        ),
        ([*TURN, *BEFORE], {"text": None, "tool_outputs": outputs(("call_1", "x"))}, ["d5", "d4", "d3", "d2", "d1"]),
        # Without its text the beginning stays: only what a run too many has left behind the answer goes.
        (
            [TURN[0], TURN[1], CURSOR, *TURN[2:], *BEFORE[1:]],
            {"text": None, "steps": (STEP,), "tool_outputs": outputs(("call_1", "x"))},
            ["d5", "d4"],
        ),
        ([*BEFORE], {}, []),
    ],
)
async def test_a_turn_is_erased_with_all_its_runs(
    client: AsyncOpenAI,
    api: respx.MockRouter,
    items: list[dict[str, Any]],
    fields: dict[str, Any],
    dropped: list[str],
) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(*items))
    drop = api.delete(url__regex=r".*/items/.*").respond(json={})

    assert await responses(client).erase_turn(start(THREAD, **fields)) is not None

    assert [each.request.url.path.rpartition("/")[2] for each in drop.calls] == dropped


STEERED = (Steered("turn-2", "and", TurnStatus.CANCELLED, 1, 1), Steered("turn-3", "also", TurnStatus.CANCELLED, 1, 1))
# Two messages that were steered at one step, and the step behind them, whose last item is the last one known.
STEERED_ITEMS = [
    output("call_2", id="s7"),
    call("call_2", id="s6"),
    message("user", "also", id="s5"),
    message("user", "and", id="s4"),
    *TURN[1:],
]
PUT_BACK = (Displaced("turn-0", "once", "upon"), Displaced("turn-00", "a", ""))
PUT_BACK_ITEMS = [
    message("user", "a", id="p3"),
    message("assistant", "upon", id="p2"),
    message("user", "once", id="p1"),
]
SAID_BEFORE = [
    message("user", "also", id="b2"),
    message("assistant", "earlier", id="b1"),
    message("user", "a", id="b0"),
]


@pytest.mark.parametrize(
    ("cursor", "items", "fields", "dropped", "left"),
    [
        ("s7", STEERED_ITEMS, {"steered": STEERED}, ["s7", "s6", "s5", "s4", "d4", "d3", "d2", "d1"], "b2"),
        ("s7", [*STEERED_ITEMS, *PUT_BACK_ITEMS], {"steered": STEERED, "displaced": PUT_BACK},
         ["s7", "s6", "s5", "s4", "d4", "d3", "d2", "d1", "p3", "p2", "p1"], "b2"),
        ("d4", [*TURN, *PUT_BACK_ITEMS], {"displaced": PUT_BACK[:1]}, ["d5", "d4", "d3", "d2", "d1"], "p3"),
        ("b2", [*TURN, *PUT_BACK_ITEMS], {"displaced": PUT_BACK},
         ["d5", "d4", "d3", "d2", "d1", "p3", "p2", "p1"], "b2"),
    ],
)  # fmt: skip
async def test_what_came_with_a_turn_is_erased_with_it(
    client: AsyncOpenAI,
    api: respx.MockRouter,
    cursor: str,
    items: list[dict[str, Any]],
    fields: dict[str, Any],
    dropped: list[str],
    left: str,
) -> None:
    """What was steered into it and put back before it, and nothing that reads the same before; its end is known."""
    api.get("/conversations/conv_1/items").mock(return_value=page(*items, *SAID_BEFORE))
    drop = api.delete(url__regex=r".*/items/.*").respond(json={})
    thread = replace(THREAD, cursor=cursor)

    erased = await responses(client).erase_turn(start(thread, steps=(STEP,), **fields))

    assert [each.request.url.path.rpartition("/")[2] for each in drop.calls] == dropped
    assert erased == replace(THREAD, cursor=left)


async def test_pages_are_turned_until_the_last_item_known(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    pages = [
        {"data": [message("assistant", "Yes", id="a1")], "has_more": True},
        {"data": [OURS, CURSOR, *[message("user", "old")] * 50], "has_more": True},
    ]
    route = api.get("/conversations/conv_1/items")
    route.side_effect = [httpx.Response(200, json=each) for each in pages]

    state = await responses(client).find_run(start(THREAD))

    assert state is not None
    assert state.text == "Yes"
    assert [call.request.url.params.get("after") for call in route.calls] == [None, "a1"]


async def test_a_list_without_end_is_left(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    endless = {"data": [message("user", "x", id="same")], "has_more": True}
    route = api.get("/conversations/conv_1/items").respond(json=endless)

    assert await responses(client).find_run(start(THREAD)) is None
    assert route.call_count == 2


async def test_a_server_without_items_shows_nothing(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    api.get("/conversations/conv_1/items").respond(404, json={"detail": "Not Found"})

    assert await responses(client).find_run(start(THREAD)) is None
    assert await responses(client).find_active_run(THREAD) is None


async def test_a_leftover_is_taken_out_before_the_message_is_sent_again(
    client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(OURS, *BEFORE))
    drop = api.delete("/conversations/conv_1/items/u1").respond(json={})
    route = api.post("/responses").respond(json=QUEUED)

    await responses(client).start_run(start(THREAD, repeated=True))

    assert drop.call_count == 1
    assert len(sent(route)["input"]) == 1


async def test_a_message_that_was_answered_is_no_leftover(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    answered = [message("assistant", "Yes", id="a1"), message("user", "Hello", id="u2")]
    api.get("/conversations/conv_1/items").mock(return_value=page(OURS, *answered, *BEFORE))
    drop = api.delete(url__regex=r".*/items/.*").respond(json={})
    api.post("/responses").respond(json=QUEUED)

    await responses(client).start_run(start(THREAD, repeated=True))

    assert [call.request.url.path.rpartition("/")[2] for call in drop.calls] == ["u1"]


@pytest.mark.parametrize("status", [404, 405, 500])
async def test_a_leftover_that_stays_stops_no_create(client: AsyncOpenAI, api: respx.MockRouter, status: int) -> None:
    api.get("/conversations/conv_1/items").mock(return_value=page(OURS, *BEFORE))
    api.delete("/conversations/conv_1/items/u1").respond(status)
    api.post("/responses").respond(json=QUEUED)

    assert (await responses(client).start_run(start(THREAD, repeated=True))).run_id == "resp_1"


async def test_a_look_that_fails_starts_nothing(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    api.get("/conversations/conv_1/items").respond(502)
    route = api.post("/responses").respond(json=QUEUED)

    with pytest.raises(NotSent):
        await responses(client).start_run(start(THREAD, repeated=True))

    assert not route.called
