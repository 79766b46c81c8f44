"""Threads and runs: the state rules, over the raw wire (the vendor's own classes for it are deprecated)."""

import json
from typing import Any

import httpx
import pytest

from dev.emulator.testing import RunningEmulator

Json = dict[str, Any]


class Thread:
    """One thread and one assistant, in the words of a test."""

    def __init__(self, api: httpx.AsyncClient, thread_id: str, assistant_id: str) -> None:
        self.api = api
        self.id = thread_id
        self.assistant_id = assistant_id

    async def ask(self, text: str | None, **body: Any) -> httpx.Response:
        messages = [] if text is None else [{"role": "user", "content": text}]
        body = {"assistant_id": self.assistant_id, "additional_messages": messages, **body}
        return await self.api.post(f"/threads/{self.id}/runs", json=body)

    async def start(self, text: str, **body: Any) -> str:
        answer = (await self.ask(text, **body)).raise_for_status().json()
        assert answer["status"] == "queued"
        return str(answer["id"])

    async def run(self, run_id: str) -> Json:
        return ok(await self.api.get(f"/threads/{self.id}/runs/{run_id}"))

    async def cancel(self, run_id: str) -> httpx.Response:
        return await self.api.post(f"/threads/{self.id}/runs/{run_id}/cancel")

    async def give(self, run_id: str, outputs: dict[str, str], **body: Any) -> httpx.Response:
        given = [{"tool_call_id": call_id, "output": output} for call_id, output in outputs.items()]
        path = f"/threads/{self.id}/runs/{run_id}/submit_tool_outputs"
        return await self.api.post(path, json={"tool_outputs": given, **body})

    async def messages(self, **query: Any) -> Json:
        return ok(await self.api.get(f"/threads/{self.id}/messages", params=query))

    async def said(self) -> list[tuple[str, str]]:
        rows = (await self.messages(order="asc"))["data"]
        return [(row["role"], row["content"][0]["text"]["value"] if row["content"] else "") for row in rows]


def ok(answer: httpx.Response) -> Json:
    body: Json = answer.raise_for_status().json()
    return body


def refused(answer: httpx.Response, status: int = 400) -> Json:
    assert answer.status_code == status, answer.text
    error: Json = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def events_of(text: str) -> list[tuple[str, str]]:
    blocks = [block.split("\n", 1) for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), data.removeprefix("data: ")) for name, data in blocks]


@pytest.fixture
async def thread(api: httpx.AsyncClient) -> Thread:
    assistant = ok(await api.post("/assistants", json={"model": "emulated-model"}))
    created = ok(await api.post("/threads", json={"metadata": {"ours": "1"}}))
    assert created["metadata"] == {"ours": "1"}
    return Thread(api, created["id"], assistant["id"])


async def test_a_run_answers_the_last_user_message(emulator: RunningEmulator, thread: Thread) -> None:
    run_id = await thread.start("hello", metadata={"turn": "t1"})
    assert await emulator.reached(run_id) == "completed"
    answer = await thread.api.get(f"/threads/{thread.id}/runs/{run_id}")
    assert answer.headers["openai-poll-after-ms"] == "200"
    run = ok(answer)
    assert run["metadata"] == {"turn": "t1"}
    assert run["usage"] == {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}
    assert run["completed_at"] >= run["started_at"] >= run["created_at"]
    [newest] = (await thread.messages(limit=1))["data"]
    assert (newest["run_id"], newest["assistant_id"], newest["status"]) == (run_id, thread.assistant_id, "completed")
    assert await thread.said() == [("user", "hello"), ("assistant", "Emulated reply 1 to: hello")]
    [seen] = (await emulator.state())["runs"]
    assert [each["status"] for each in seen["transitions"]] == ["queued", "in_progress", "completed"]
    assert seen["created_at"] < seen["started_at"] < seen["ended_at"]


async def test_a_thread_has_one_active_run(emulator: RunningEmulator, thread: Thread) -> None:
    run_id = await thread.start("[[never]] first")
    error = refused(await thread.ask("second"))
    assert error == {
        "message": f"Thread {thread.id} already has an active run {run_id}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    message = await thread.api.post(f"/threads/{thread.id}/messages", json={"role": "user", "content": "third"})
    assert refused(message)["message"] == f"Can't add messages to {thread.id} while a run {run_id} is active."
    ok(await thread.cancel(run_id))
    assert await emulator.reached(run_id) == "cancelled"
    assert await emulator.reached(await thread.start("fourth")) == "completed"
    assert [text for role, text in await thread.said() if role == "user"] == ["[[never]] first", "fourth"]
    state = await emulator.state()
    assert (state["violations"], state["max_active"][thread.id]) == ([], 1)
    assert state["threads"][0]["conflicts"] == 2


@pytest.mark.parametrize(("config", "kept"), [({}, []), ({"keep_refused_message": True}, ["second"])])
async def test_what_a_refused_run_leaves(
    emulator: RunningEmulator, thread: Thread, config: Json, kept: list[str]
) -> None:
    await emulator.configure(**config)
    await thread.start("[[stuck]] first")
    refused(await thread.ask("second"))
    assert [text for _, text in await thread.said()] == ["[[stuck]] first", *kept]


async def test_a_conflict_may_be_409_and_name_nothing(emulator: RunningEmulator, thread: Thread) -> None:
    await emulator.configure(conflict_status=409, conflict_names_run=False)
    run_id = await thread.start("[[stuck]]")
    error = refused(await thread.ask("second"), 409)
    assert error["message"] == "Thread already has an active run."
    runs = ok(await thread.api.get(f"/threads/{thread.id}/runs", params={"order": "desc", "limit": 1}))
    assert [run["id"] for run in runs["data"]] == [run_id]


async def test_without_a_lock_two_runs_are_a_violation(emulator: RunningEmulator, thread: Thread) -> None:
    await emulator.configure(lock=False)
    runs = [await thread.start("[[stuck]]"), await thread.start("[[stuck]]")]
    state = await emulator.state()
    assert state["max_active"][thread.id] == 2
    [violation] = state["violations"]
    assert (violation["place"], violation["active"]) == (thread.id, runs)


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("[[fail]]", "failed", {"last_error": {"code": "server_error", "message": "Emulated failure: server_error."}}),
        ("[[incomplete]]", "incomplete", {"incomplete_details": {"reason": "max_completion_tokens"}}),
        ("[[expire]]", "expired", {"last_error": None}),
    ],
)
async def test_a_run_ends_as_asked(
    emulator: RunningEmulator, thread: Thread, text: str, status: str, detail: Json
) -> None:
    run_id = await thread.start(text)
    assert await emulator.reached(run_id) == status
    run = await thread.run(run_id)
    assert {name: run[name] for name in detail} == detail
    error = refused(await thread.cancel(run_id))
    assert error["message"] == f"Cannot cancel run with status '{status}'."
    ok(await thread.ask("next"))


@pytest.mark.parametrize("text", ["[[never]]", "[[stuck]]", "[[tool wait]]"])
async def test_what_does_not_end_expires(emulator: RunningEmulator, thread: Thread, text: str) -> None:
    await emulator.configure(expiry_seconds=0.1)
    assert await emulator.reached(await thread.start(text)) == "expired"


async def test_a_cancel_is_a_request(emulator: RunningEmulator, thread: Thread) -> None:
    run_id = await thread.start("[[never]] [[ignore-cancel 0.4]] hello")
    await emulator.reached(run_id, "in_progress")
    assert ok(await thread.cancel(run_id))["status"] == "cancelling"
    assert refused(await thread.cancel(run_id))["message"] == "Cannot cancel run with status 'cancelling'."
    refused(await thread.ask("still locked"))
    assert await emulator.reached(run_id) == "cancelled"
    times = dict(emulator.emulator.runs[run_id].transitions)
    assert times["cancelled"] - times["cancelling"] >= 0.4


async def test_a_cancelled_run_keeps_what_it_had_said(emulator: RunningEmulator, thread: Thread) -> None:
    async with thread.api.stream(
        "POST",
        f"/threads/{thread.id}/runs",
        json={
            "assistant_id": thread.assistant_id,
            "stream": True,
            "additional_messages": [{"role": "user", "content": "[[never]] hello"}],
        },
    ) as answer:
        async for line in answer.aiter_lines():
            if line == "event: thread.message.delta":
                break
    [run_id] = emulator.emulator.runs
    ok(await thread.cancel(run_id))
    await emulator.reached(run_id, "cancelled")
    [newest] = (await thread.messages(limit=1))["data"]
    assert (newest["status"], newest["incomplete_details"]) == ("incomplete", {"reason": "run_cancelled"})
    assert newest["content"][0]["text"]["value"].startswith("Emulated")


async def test_tool_calls_wait_for_all_their_outputs(emulator: RunningEmulator, thread: Thread) -> None:
    run_id = await thread.start('[[tool look {"at": "it"}]] [[tool transfer_to_writer]] go')
    await emulator.reached(run_id, "requires_action")
    run = await thread.run(run_id)
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("look", '{"at": "it"}'),
        ("transfer_to_writer", "{}"),
    ]
    refused(await thread.ask("locked while it waits"))
    refused(await thread.give(run_id, {calls[0]["id"]: "only one"}))
    assert ok(await thread.give(run_id, {calls[0]["id"]: "seen", calls[1]["id"]: "ok"}))["status"] == "queued"
    assert await emulator.reached(run_id) == "completed"
    assert (await thread.said())[-1][1] == "Emulated reply 1 to: go (look -> seen; transfer_to_writer -> ok)"
    # The next run on the same message, after a handoff, finds the calls made.
    assert await emulator.reached((ok(await thread.ask(None)))["id"]) == "completed"
    assert (await thread.said())[-1][1].endswith("transfer_to_writer -> ok)")


async def test_a_run_can_be_stuck_after_its_calls(emulator: RunningEmulator, thread: Thread) -> None:
    await emulator.configure(expiry_seconds=0.4)
    run_id = await thread.start("[[tool look]] [[stuck]]")
    await emulator.reached(run_id, "requires_action")
    run = await thread.run(run_id)
    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    ok(await thread.give(run_id, {call["id"]: "seen"}))
    assert await emulator.reached(run_id) == "expired"
    seen = [status for status, _ in emulator.emulator.runs[run_id].transitions]
    assert seen == ["queued", "in_progress", "requires_action", "queued", "expired"]


async def test_a_run_that_waits_for_nothing_takes_no_outputs(thread: Thread) -> None:
    run_id = await thread.start("[[stuck]]")
    error = refused(await thread.give(run_id, {"call_1": "out"}))
    assert error["message"] == 'Runs in status "queued" do not accept tool outputs.'


async def test_a_stream_tells_the_whole_run(thread: Thread) -> None:
    answer = await thread.ask("[[tool look]] go", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [name for name, _ in events] == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.requires_action",
        "done",
    ]
    run = json.loads(events[-2][1])
    [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    events = events_of((await thread.give(run["id"], {call["id"]: "seen"}, stream=True)).text)
    names = [name for name, _ in events]
    assert list(dict.fromkeys(names)) == [
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.completed",
        "done",
    ]
    deltas = [json.loads(data)["delta"]["content"][0]["text"] for name, data in events if name.endswith(".delta")]
    assert "".join(delta["value"] for delta in deltas) == "Emulated reply 1 to: go (look -> seen)"
    assert events[-1] == ("done", "[DONE]")


async def test_a_run_needs_something_to_answer(thread: Thread) -> None:
    error = refused(await thread.ask(None))
    assert error["code"] == "invalid_thread"
    ok(await thread.ask(None, instructions="Say something."))


async def test_a_thread_and_its_run_in_one_call(emulator: RunningEmulator, thread: Thread) -> None:
    body: Json = {"assistant_id": thread.assistant_id}
    assert refused(await thread.api.post("/threads/runs", json=body))["code"] == "invalid_thread"
    assert len((await emulator.state())["threads"]) == 1
    body["thread"] = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
    run = ok(await thread.api.post("/threads/runs", json=body))
    assert await emulator.reached(run["id"]) == "completed"
    created = Thread(thread.api, run["thread_id"], thread.assistant_id)
    assert (await created.said())[-1][1] == "Emulated reply 1 to: hi"


async def test_messages_come_in_pages(thread: Thread) -> None:
    ids = []
    for number in range(5):
        body = {"role": "user", "content": f"{number}", "metadata": {"turn": f"{number}"}}
        ids.append(ok(await thread.api.post(f"/threads/{thread.id}/messages", json=body))["id"])
    first = await thread.messages(order="asc", limit=2)
    assert (first["first_id"], first["last_id"], first["has_more"]) == (ids[0], ids[1], True)
    rest = await thread.messages(order="asc", after=ids[1])
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[2:], False)
    assert [row["id"] for row in (await thread.messages(before=ids[2]))["data"]] == [ids[4], ids[3]]
    assert [row["id"] for row in (await thread.messages(order="asc", before=ids[3], limit=2))["data"]] == ids[1:3]
    path = f"/threads/{thread.id}/messages/{ids[0]}"
    assert ok(await thread.api.get(path))["metadata"] == {"turn": "0"}
    assert ok(await thread.api.delete(path))["deleted"] is True
    assert refused(await thread.api.get(path), 404)["message"] == f"No message found with id '{ids[0]}'."
    refused(await thread.api.get(f"/threads/{thread.id}/messages", params={"limit": 101}))


async def test_lists_may_lag_behind(emulator: RunningEmulator, thread: Thread) -> None:
    await emulator.configure(list_lag_seconds=60)
    run_id = await thread.start("hello")
    assert ok(await thread.api.get(f"/threads/{thread.id}/runs"))["data"] == []
    assert (await thread.messages())["data"] == []
    assert (await thread.run(run_id))["id"] == run_id


async def test_what_is_missing_says_so(thread: Thread) -> None:
    ok(await thread.api.delete(f"/threads/{thread.id}"))
    error = refused(await thread.ask("hello"), 404)
    assert error["message"] == f"No thread found with id '{thread.id}'."
    refused(await thread.api.get("/assistants/asst_none"), 404)


async def test_metadata_has_the_vendors_limits(thread: Thread) -> None:
    for wrong in ({f"{n}": "" for n in range(17)}, {"k" * 65: ""}, {"k": "v" * 513}, {"k": 1}):
        refused(await thread.ask("hello", metadata=wrong))
    ok(await thread.ask("hello", metadata={"k" * 64: "v" * 512}))


async def test_assistants_are_kept(thread: Thread) -> None:
    path = f"/assistants/{thread.assistant_id}"
    tool = {"type": "function", "function": {"name": "look"}}
    changed = ok(await thread.api.post(path, json={"instructions": "Be brief.", "tools": [tool]}))
    assert (changed["instructions"], changed["model"]) == ("Be brief.", "emulated-model")
    assert ok(await thread.api.get(path)) == changed
    assert ok(await thread.api.get("/assistants"))["data"] == [changed]
    run_events = events_of((await thread.ask("[[who]] hi", stream=True)).text)
    message = next(json.loads(data) for name, data in run_events if name == "thread.message.completed")
    assert message["content"][0]["text"]["value"].endswith(
        "[model emulated-model; instructions: Be brief.; tools: look]"
    )
    assert ok(await thread.api.delete(path))["deleted"] is True
    refused(await thread.ask("hello"), 404)


async def test_the_wire_can_be_gone(emulator: RunningEmulator, thread: Thread) -> None:
    await emulator.configure(assistants=False)
    error = refused(await thread.ask("hello"), 404)
    assert error["message"] == f"Invalid URL (POST /v1/threads/{thread.id}/runs)"


async def test_another_program_holds_the_thread(emulator: RunningEmulator, thread: Thread) -> None:
    assert await emulator.reached(await emulator.foreign(thread_id=thread.id, seconds=0.05)) == "completed"
    held = await emulator.foreign(thread_id=thread.id)
    assert held in refused(await thread.ask("hello"))["message"]
    ok(await thread.cancel(held))
    assert await emulator.reached(held) == "cancelled"
    assert [each["foreign"] for each in (await emulator.state())["runs"]] == [True, True]
