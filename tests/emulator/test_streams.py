"""Streams as servers differ in them, steps with words and calls, on both wires."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from dev.emulator.testing import RunningEmulator

Json = dict[str, Any]
WIRES = ("responses", "assistants")
TOOL = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}


async def asked(api: httpx.AsyncClient, wire: str, text: str, **fields: Any) -> httpx.Response:
    """A streamed create."""
    if wire == "responses":
        return await api.post("/responses", json={"model": "m", "input": text, "stream": True, **fields})
    assistant = (await api.post("/assistants", json={"model": "m"})).json()["id"]
    thread = (await api.post("/threads", json={"messages": [{"role": "user", "content": text}]})).json()["id"]
    body = {"assistant_id": assistant, "stream": True, **fields}
    return await api.post(f"/threads/{thread}/runs", json=body)


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    frames = [frame.split("\ndata: ") for frame in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), None if data == "[DONE]" else json.loads(data)) for name, data in frames]


@pytest.mark.parametrize("wire", WIRES)
async def test_streams_may_be_ignored_or_refused(emulator: RunningEmulator, api: httpx.AsyncClient, wire: str) -> None:
    await emulator.configure(stream="ignore")
    answer = await asked(api, wire, "hello")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == ("completed" if wire == "responses" else "queued")
    await emulator.configure(stream="refuse")
    answer = await asked(api, wire, "hello")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "stream")


@pytest.mark.parametrize("wire", WIRES)
async def test_streams_may_break_or_fall_silent(emulator: RunningEmulator, api: httpx.AsyncClient, wire: str) -> None:
    await emulator.configure(stream_breaks_after=3)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await asked(api, wire, "hello")
    await emulator.configure(stream_breaks_after=None, stream_silent_after=3)
    api.timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        await asked(api, wire, "hello")
    for run_id in await emulator.started(2):
        assert await emulator.reached(run_id) == "completed"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_step_may_say_something_before_its_calls(
    emulator: RunningEmulator, api: httpx.AsyncClient, wire: str
) -> None:
    told = events(await asked(api, wire, "[[aside Let me see.]] [[tool look]] go"))
    last = told[-1][1]["response"] if wire == "responses" else told[-2][1]
    if wire == "responses":
        assert [item["type"] for item in last["output"]] == ["message", "function_call"]
        assert last["output"][0]["content"][0]["text"] == "Let me see."
        assert last["usage"]["output_tokens"] == 4
    else:
        assert [name for name, _ in told][-3:] == ["thread.message.completed", "thread.run.requires_action", "done"]
        assert last["required_action"]["submit_tool_outputs"]["tool_calls"][0]["function"]["name"] == "look"
        [run] = emulator.emulator.runs.values()
        run.give({run.calls[0].id: "three more words"})
        assert await emulator.reached(run.id) == "completed"
        assert run.body()["usage"] == {"prompt_tokens": 10, "completion_tokens": 14, "total_tokens": 24}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_run_may_say_several_messages(emulator: RunningEmulator, api: httpx.AsyncClient, wire: str) -> None:
    told = events(await asked(api, wire, "hello [[more And more.]]"))
    ended = [name for name, _ in told if name in ("response.output_item.done", "thread.message.completed")]
    assert len(ended) == 2
    if wire == "responses":
        texts = [item["content"][0]["text"] for item in told[-1][1]["response"]["output"]]
        assert texts == ["Emulated reply 1 to: hello", "And more."]
        assert [data["sequence_number"] for _, data in told] == list(range(len(told)))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_team_works_with_the_tools_it_is_offered(
    emulator: RunningEmulator, api: httpx.AsyncClient, wire: str
) -> None:
    function = TOOL | {"name": "transfer_to_script_writer"}
    tool = {"type": "function", **function} if wire == "responses" else {"type": "function", "function": function}
    told = events(
        await asked(api, wire, "Write a script about rain", tools=[tool], instructions="You are the project manager.")
    )
    last = told[-1][1]["response"]["output"] if wire == "responses" else told[-2][1]["required_action"]
    assert "transfer_to_script_writer" in json.dumps(last)


async def test_a_reset_ends_silence(emulator: RunningEmulator, api: httpx.AsyncClient) -> None:
    await emulator.configure(stream_silent_after=1)
    waiting = asyncio.create_task(asked(api, "responses", "hello"))
    await emulator.started()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert (await emulator.state())["violations"] == []
