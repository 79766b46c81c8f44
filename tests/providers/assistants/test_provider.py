"""The Assistants wire: what is sent, and what is made of answers that are not as documented."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from shared.core.errors import NotCancellable, NotSent, OutcomeUnknown, ProviderRefused, ThreadGone
from shared.core.runs import Handoff, RunState, Step, Thread, ToolCall, ToolSpec, Usage
from shared.core.turns import Displaced
from shared.providers.assistants import create
from shared.providers.assistants.provider import AssistantsProvider
from tests.providers.making import (
    BASE_URL,
    TURN,
    Assistants,
    agent,
    assistants,
    line,
    openai_client,
    outputs,
    page,
    start,
)

THREAD = Thread("assistants", "thread_1")
RUN = {"id": "run_1", "object": "run", "thread_id": "thread_1", "status": "queued"}


@pytest.fixture
async def provider() -> AsyncIterator[AssistantsProvider]:
    async with openai_client() as client:
        yield assistants(client)


@pytest.fixture
def api() -> Any:
    with respx.mock(base_url=BASE_URL, assert_all_called=False) as mock:
        yield mock


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


async def test_message_and_run_go_in_one_call(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    state = await provider.start_run(start(THREAD, "Hi\x00 \ud800"))

    assert state == RunState("run_1", "queued", thread_id="thread_1")
    assert sent(route) == {
        "assistant_id": "asst_1",
        "model": "emulated-model",
        "instructions": "Be brief.",
        "tools": [],
        "metadata": {"turn_id": "turn-1", "run_key": "key-1"},
        "additional_messages": [{"role": "user", "content": "Hi \ufffd", "metadata": {"turn_id": "turn-1"}}],
    }


async def test_a_create_that_is_answered_when_its_run_is_over_brings_the_answer(
    provider: AssistantsProvider, api: respx.MockRouter
) -> None:
    api.post("/threads/thread_1/runs").respond(json={**RUN, "status": "completed"})
    said = {"role": "assistant", "run_id": "run_1", "content": "done"}
    messages = api.get("/threads/thread_1/messages").respond(json={"data": [said]})
    state = await provider.start_run(start(THREAD, "Hi"))
    assert (state.status, state.text) == ("completed", "done")
    messages.respond(503)
    assert (await provider.start_run(start(THREAD, "Hi"))).terminal is False


async def test_the_agents_row_overrides_only_what_it_names(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    await provider.start_run(start(THREAD, None, agent=agent(model="", instructions="")))

    assert set(sent(route)) == {"assistant_id", "metadata"}


@pytest.mark.parametrize(
    ("left", "repeats"),
    [
        ([{"id": "m1", "role": "user", "metadata": {"turn_id": "turn-1"}}], False),
        ([{"id": "m1", "role": "user", "metadata": {"turn_id": "turn-2"}}], True),
        ([{"id": "m1", "role": "assistant", "metadata": {"turn_id": "turn-1"}}], True),
        ([{"id": "m1", "role": "user", "metadata": None}], True),
        ([], True),
    ],
)
async def test_a_message_is_not_added_twice(
    provider: AssistantsProvider, api: respx.MockRouter, left: list[dict[str, Any]], repeats: bool
) -> None:
    api.get("/threads/thread_1/messages").mock(return_value=page(*left))
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    await provider.start_run(start(THREAD, repeated=True))

    assert ("additional_messages" in sent(route)) is repeats


async def test_a_look_that_fails_starts_nothing(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    api.get("/threads/thread_1/messages").respond(503)
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    with pytest.raises(NotSent):
        await provider.start_run(start(THREAD, repeated=True))

    assert not route.called


LOOK = ToolSpec("look", "Looks it up.", {"type": "object"})


@pytest.mark.parametrize(
    ("fields", "sent_tools"),
    [
        ({"agent": agent(), "tools": (LOOK,)}, ["look"]),
        ({"agent": agent(assistant_id=None, instructions="")}, []),
        ({"agent": agent(instructions="", handoffs=("b",))}, []),
        ({"agent": agent(instructions="", tools=("look",)), "tools": (LOOK,)}, ["look"]),
        # Made elsewhere, and the row says nothing of what it may do: its own file search stays.
        ({"agent": agent(instructions="")}, None),
    ],
)
async def test_tools_override_those_of_the_assistant(
    provider: AssistantsProvider, api: respx.MockRouter, fields: dict[str, Any], sent_tools: list[str] | None
) -> None:
    api.post("/assistants").respond(json={"id": "asst_new"})
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    await provider.start_run(start(THREAD, **fields))

    tools = sent(route).get("tools")
    assert (None if tools is None else [tool["function"]["name"] for tool in tools]) == sent_tools
    if sent_tools:
        function = {"name": "look", "description": "Looks it up.", "parameters": {"type": "object"}}
        assert tools == [{"type": "function", "function": function}]


HANDOFF = Handoff("orchestrator", "writer", "It is a script.", "Write it.")
STEP = Step("run_0", "writer", "Let me see.", (ToolCall("call_1", "look", "{}"),), outputs(("call_1", "seen")))


async def test_steps_and_the_handoff_are_told_as_messages(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    await provider.start_run(start(THREAD, steps=(STEP,), handoff=HANDOFF, known_run_ids=("run_0",)))

    handoff = "Handoff from orchestrator to writer: It is a script.\n\nTask: Write it."
    assert [(m["role"], m["content"], m["metadata"]) for m in sent(route)["additional_messages"]] == [
        ("user", "Hello", {"turn_id": "turn-1"}),
        ("assistant", "Let me see.\nCalled look with {}: seen", {"turn_id": "turn-1", "step": "run_0 call_1"}),
        ("assistant", handoff, {"turn_id": "turn-1", "handoff": "writer", "after": "1"}),
    ]


@pytest.mark.parametrize(
    ("left", "added"),
    [
        ([], ["user", "handoff"]),
        ([{"role": "user", "metadata": {"turn_id": "turn-1"}}], ["handoff"]),
        ([{"role": "assistant", "metadata": {"turn_id": "turn-1", "handoff": "writer", "after": "0"}}], ["user"]),
        # The same agent was brought in before, by another run.
        ([{"role": "assistant", "metadata": {"turn_id": "turn-1", "handoff": "writer", "after": "2"}}], None),
    ],
)
async def test_what_stands_in_the_thread_is_not_added_again(
    provider: AssistantsProvider, api: respx.MockRouter, left: list[dict[str, Any]], added: list[str] | None
) -> None:
    api.get("/threads/thread_1/messages").mock(return_value=page(*left))
    route = api.post("/threads/thread_1/runs").respond(json=RUN)

    await provider.start_run(start(THREAD, handoff=HANDOFF, repeated=True))

    messages = sent(route)["additional_messages"]
    names = ["handoff" if "handoff" in m["metadata"] else m["role"] for m in messages]
    assert names == (added or ["user", "handoff"])


async def test_what_was_told_is_no_answer_and_goes_with_its_turn(
    provider: AssistantsProvider, api: respx.MockRouter
) -> None:
    told = [
        said("new", None, id="m5"),
        said("Handoff", None, id="m4", metadata={"turn_id": "turn-1", "handoff": "writer"}),
        said("Called", None, id="m3", metadata={"turn_id": "turn-1", "step": "0"}),
        said("Hello", None, "user", id="m2", metadata={"turn_id": "turn-1"}),
        said("old", None, id="m1"),
    ]
    api.get("/threads/thread_1/messages").mock(return_value=page(*told))
    api.get("/threads/thread_1/runs/run_1").respond(json=RUN | {"status": "completed"})
    drop = api.delete(url__regex=r".*/messages/.*").respond(json={})

    assert (await provider.get_run(THREAD, "run_1", TURN)).text == "new"
    assert await provider.erase_turn(start(THREAD)) is not None

    assert [each.request.url.path.rpartition("/")[2] for each in drop.calls] == ["m4", "m3", "m2"]


@pytest.mark.parametrize(("known", "erased"), [((), True), (("run_1",), False)])
async def test_a_list_without_the_message_of_an_accepted_run_is_not_trusted(
    provider: AssistantsProvider, api: respx.MockRouter, known: tuple[str, ...], erased: bool
) -> None:
    api.get("/threads/thread_1/messages").mock(return_value=page(said("old", None, id="m1")))
    assert (await provider.erase_turn(start(THREAD, known_run_ids=known)) is not None) == erased


@pytest.mark.parametrize("appears", [True, False])
async def test_what_an_accepted_run_has_put_there_is_looked_for_again_where_the_list_lags(
    api: respx.MockRouter, appears: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "LIST_LAGS_SECONDS", (0.0, 0.001, 0.001))
    shown = [page(), page(said("Hello", None, "user", id="m1", metadata={"turn_id": TURN})) if appears else page()]
    lists = api.get("/threads/thread_1/messages")
    lists.side_effect = [*shown, page()]
    route = api.post("/threads/thread_1/runs").respond(json=RUN)
    async with openai_client() as client:
        provider = assistants(client)
        await provider.start_run(start(THREAD))
        told = (Displaced(TURN, "Hello", ""), Displaced("never sent", "Well", ""))
        await provider.start_run(start(THREAD, "And", turn_id="turn-2", displaced=told))
    sent = [message["content"] for message in json.loads(route.calls[-1].request.content)["additional_messages"]]
    assert sent == (["Well", "And"] if appears else ["Hello", "Well", "And"])
    assert lists.call_count == (2 if appears else 3)


GONE = {"error": {"message": "No assistant found with id 'asst_first'.", "type": "invalid_request_error"}}


async def test_an_assistant_of_ours_that_was_deleted_is_made_anew_once(api: respx.MockRouter) -> None:
    made = api.post("/assistants")
    made.side_effect = [httpx.Response(200, json={"id": name}) for name in ("asst_first", "asst_second")]
    route = api.post("/threads/thread_1/runs")
    route.side_effect = [httpx.Response(200, json=RUN), httpx.Response(404, json=GONE), httpx.Response(200, json=RUN)]
    memory = Assistants()
    async with openai_client() as client:
        provider = assistants(client, memory=memory)
        await provider.start_run(start(THREAD, agent=agent(assistant_id=None)))
        # The record keeps the first one, so the row names it from now on.
        await provider.start_run(start(THREAD, agent=agent(assistant_id="asst_first")))
        assert sent(route)["assistant_id"] == "asst_second"
        route.side_effect = None
        route.respond(json=RUN)
        await provider.start_run(start(THREAD, agent=agent(assistant_id="asst_first")))

    assert sent(route)["assistant_id"] == "asst_second"
    assert (made.call_count, route.call_count) == (2, 4)


async def test_an_assistant_made_elsewhere_is_not_made_anew(
    provider: AssistantsProvider, api: respx.MockRouter
) -> None:
    made = api.post("/assistants").respond(json={"id": "asst_new"})
    api.post("/threads/thread_1/runs").respond(404, json=GONE)

    with pytest.raises(ProviderRefused):
        await provider.start_run(start(THREAD))

    assert not made.called


async def test_an_agent_without_an_assistant_gets_one_once(api: respx.MockRouter) -> None:
    made = api.post("/assistants").mock(side_effect=lambda _: httpx.Response(200, json={"id": "asst_new"}))
    route = api.post("/threads/thread_1/runs").respond(json=RUN)
    memory = Assistants()
    async with openai_client() as client:
        provider = assistants(client, memory=memory)
        several = [provider.start_run(start(THREAD, agent=agent(assistant_id=None))) for _ in range(5)]
        await asyncio.gather(*several)

    assert made.call_count == 1
    assert memory.known == {"agent-1": "asst_new"}
    assert sent(route)["assistant_id"] == "asst_new"
    body = sent(made)
    assert set(body.pop("metadata")) == {"made_as"}, "so it is found where its maker died"
    assert body == {"model": "emulated-model", "name": "Writer", "instructions": "Be brief."}


async def test_the_assistant_on_record_wins(api: respx.MockRouter) -> None:
    api.post("/assistants").respond(json={"id": "asst_late"})
    route = api.post("/threads/thread_1/runs").respond(json=RUN)
    memory = Assistants()
    memory.known["agent-1"] = "asst_first"
    async with openai_client() as client:
        await assistants(client, memory=memory).start_run(start(THREAD, agent=agent(assistant_id=None)))

    assert sent(route)["assistant_id"] == "asst_first"


async def test_an_assistant_that_may_have_been_made_is_no_run(api: respx.MockRouter) -> None:
    api.post("/assistants").respond(500)
    async with openai_client() as client:
        with pytest.raises(NotSent):
            await assistants(client).start_run(start(THREAD, agent=agent(assistant_id=None)))


async def test_a_run_that_was_not_named_may_exist(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    api.post("/threads/thread_1/runs").respond(json={"status": "queued"})

    with pytest.raises(OutcomeUnknown):
        await provider.start_run(start(THREAD))


@pytest.mark.parametrize("text", ["No run found with id 'x'.", "Cannot cancel run with status 'completed'."])
async def test_a_create_is_refused_and_nothing_else(
    provider: AssistantsProvider, api: respx.MockRouter, text: str
) -> None:
    status = 404 if "found" in text else 400
    api.post("/threads/thread_1/runs").respond(status, json={"error": {"message": text}})

    with pytest.raises(ProviderRefused):
        await provider.start_run(start(THREAD))


def run(run_id: str, status: str | None, turn_id: str | None = "turn-1", **fields: Any) -> dict[str, Any]:
    return {"id": run_id, "status": status, "metadata": {"turn_id": turn_id} if turn_id else None, **fields}


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([], None),
        ([run("r1", "queued", "turn-2"), run("r2", "queued", None)], None),
        ([run("r3", "in_progress"), run("r2", "completed")], "r3"),
        ([run("r3", "failed"), run("r2", "in_progress")], "r2"),
        ([run("r3", "expired"), run("r2", "cancelled")], "r3"),
        ([run("r0", "in_progress"), run("r2", "queued")], "r2"),
        ([run("r0", "queued")], None),
        ([run("r4", "new_word"), run("r3", "failed")], "r4"),
        ([run("r1", "queued", created_at=1), run("r9", "queued", created_at=9)], "r9"),
    ],
)
async def test_a_lost_run_is_found_by_its_mark(
    provider: AssistantsProvider, api: respx.MockRouter, runs: list[dict[str, Any]], found: str | None
) -> None:
    api.get("/threads/thread_1/runs").mock(return_value=page(*runs))

    api.get("/threads/thread_1/messages").mock(return_value=page())
    state = await provider.find_run(start(THREAD, known_run_ids=("r0",)))

    assert (state and state.run_id) == found


@pytest.mark.parametrize(
    ("statuses", "holder"),
    [
        (["completed", "failed"], None),
        (["completed", "in_progress"], 1),
        (["requires_action"], 0),
        (["cancelling", "queued"], 0),
        (["a_new_word"], 0),
        ([None], 0),
        ([], None),
    ],
)
async def test_the_holder_is_the_newest_run_that_has_not_ended(
    provider: AssistantsProvider, api: respx.MockRouter, statuses: list[str | None], holder: int | None
) -> None:
    api.get("/threads/thread_1/runs").mock(
        return_value=page(*[run(f"run_{at}", status) for at, status in enumerate(statuses)])
    )

    state = await provider.find_active_run(THREAD)

    assert (state and state.run_id) == (None if holder is None else f"run_{holder}")
    assert await provider.find_active_run(Thread("assistants")) is None


async def test_a_run_is_read_with_all_that_it_says(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": "a\\u0000\ud800"}'}},
        {"id": None, "function": {"name": "no id"}},
        {"id": "call_2", "function": None},
        "nonsense",
    ]
    body = RUN | {
        "status": "requires_action",
        "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}},
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "last_error": None,
    }
    headers = {"openai-poll-after-ms": "250", "content-type": "application/json"}
    api.get("/threads/thread_1/runs/run_1").respond(content=json.dumps(body).encode(), headers=headers)
    said_so_far = {"role": "assistant", "run_id": "run_1", "content": "Let me see."}
    api.get("/threads/thread_1/messages").mock(return_value=page(said_so_far))

    state = await provider.get_run(THREAD, "run_1", TURN)

    assert state.status == "requires_action"
    assert state.text == "Let me see."
    assert state.tool_calls == (ToolCall("call_1", "look", '{"q": "a\ufffd"}'),)
    assert state.usage == Usage(3, 4)
    assert state.poll_after_seconds == 0.25
    assert not state.terminal


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"last_error": {"code": "rate_limit_exceeded", "message": "slow\x00ly"}}, "rate_limit_exceeded", "slowly"),
        ({"incomplete_details": {"reason": "max_completion_tokens"}}, "max_completion_tokens", None),
        ({"last_error": "boom"}, None, None),
        ({"last_error": {"code": 7, "message": ["x"]}}, None, None),
        ({"last_error": {"code": "x", "message": "m" * 9000}}, "x", "m" * 199 + "\u2026"),
        ({}, None, None),
    ],
)
async def test_why_a_run_failed(
    provider: AssistantsProvider, api: respx.MockRouter, fields: dict[str, Any], code: str | None, message: str | None
) -> None:
    api.get("/threads/thread_1/runs/run_1").respond(json=RUN | {"status": "failed"} | fields)

    state = await provider.get_run(THREAD, "run_1", TURN, with_text=False)

    assert (state.status, state.error_code) == ("failed", code)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"status": None, "usage": None, "required_action": None, "metadata": None},
        {"status": 7, "usage": [], "required_action": [], "thread_id": {}},
        {"status": "s" * 1000, "usage": {"prompt_tokens": -1, "completion_tokens": 10**30}},
        {"status": "requires_action", "required_action": {"submit_tool_outputs": {"tool_calls": {"0": 1}}}},
        {"usage": {"prompt_tokens": True, "completion_tokens": 1.5}},
    ],
)
async def test_fields_that_are_not_as_documented_do_no_harm(
    provider: AssistantsProvider, api: respx.MockRouter, odd: dict[str, Any]
) -> None:
    api.get("/threads/thread_1/runs/run_1").respond(json=odd)
    api.get("/threads/thread_1/messages").mock(return_value=page())

    state = await provider.get_run(THREAD, "run_1", TURN)

    assert state.run_id == "run_1"
    assert not state.terminal
    assert len(state.status) <= 64
    assert state.tool_calls == ()
    assert 0 <= state.usage.input_tokens + state.usage.output_tokens < 2**32


def said(text: str, run_id: str | None = "run_1", role: str = "assistant", **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    return {"id": "m", "role": role, "run_id": run_id, "content": content, **fields}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([said("two"), said("one")], "one\n\ntwo"),
        ([said("one", created_at=1), said("two", created_at=2)], "one\n\ntwo"),
        ([said("other", "run_2"), said("ours"), said("mine", None, "user")], "ours"),
        ([said("new", None), said("hello", None, "user"), said("old", None)], "new"),
        ([said("a\x00b\ud800")], "ab\ufffd"),
        ([{"role": "assistant", "run_id": "run_1", "content": "plain"}], "plain"),
        ([{"role": "assistant", "run_id": "run_1", "content": [{"text": "flat"}, {"refusal": "no"}, {}]}], "flatno"),
        ([{"role": "assistant", "run_id": "run_1", "content": None}, {}, said("x")], "x"),
        ([], ""),
    ],
)
async def test_the_text_is_what_the_assistant_said_in_this_run(
    provider: AssistantsProvider, api: respx.MockRouter, messages: list[dict[str, Any]], text: str
) -> None:
    api.get("/threads/thread_1/runs/run_1").respond(json=RUN | {"status": "completed"})
    body = json.dumps({"data": messages}).encode()
    listed = api.get("/threads/thread_1/messages").respond(content=body)

    assert (await provider.get_run(THREAD, "run_1", TURN)).text == text
    assert listed.calls.last.request.url.params["run_id"] == "run_1"


async def test_text_is_fetched_only_when_the_run_has_ended(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    api.get("/threads/thread_1/runs/run_1").respond(json=RUN)

    assert (await provider.get_run(THREAD, "run_1", TURN)).text == ""


async def test_outputs_go_in_one_call(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    route = api.post("/threads/thread_1/runs/run_1/submit_tool_outputs").respond(json=RUN)

    await provider.submit_tool_outputs(THREAD, "run_1", TURN, outputs(("call_1", "a\x00"), ("call_2", "b")))

    given = [{"tool_call_id": "call_1", "output": "a"}, {"tool_call_id": "call_2", "output": "b"}]
    assert sent(route) == {"tool_outputs": given}


async def test_a_thread_is_seeded_with_the_transcript(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    route = api.post("/threads").respond(json={"id": "thread_9"})

    thread = await provider.create_thread([line("user", "a"), line("assistant", "b", 2), line("assistant", " ", 3)])

    assert thread == Thread("assistants", "thread_9")
    assert [(m["role"], m["content"]) for m in sent(route)["messages"]] == [("user", "a"), ("assistant", "b")]


@pytest.mark.parametrize("status", [400, 404, 405, 409])
async def test_a_cancel_that_is_refused(provider: AssistantsProvider, api: respx.MockRouter, status: int) -> None:
    api.post("/threads/thread_1/runs/run_1/cancel").respond(status, json={"detail": "No."})

    with pytest.raises(NotCancellable):
        await provider.cancel_run(THREAD, "run_1")


async def test_a_cancel_on_a_thread_that_is_gone(provider: AssistantsProvider, api: respx.MockRouter) -> None:
    text = "No thread found with id 'thread_1'."
    api.post("/threads/thread_1/runs/run_1/cancel").respond(404, json={"error": {"message": text}})

    with pytest.raises(ThreadGone):
        await provider.cancel_run(THREAD, "run_1")
