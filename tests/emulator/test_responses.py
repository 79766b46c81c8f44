"""The Responses and Conversations wire through the vendor's own client."""

import asyncio
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response

from dev.emulator.testing import RunningEmulator

Json = dict[str, Any]

MODEL = "emulated-model"


@pytest.fixture
async def conversation(client: AsyncOpenAI) -> str:
    created = await client.conversations.create(metadata={"ours": "1"})
    assert created.metadata == {"ours": "1"}
    return created.id


async def refused(call: Any, status: int = 400) -> Json:
    with pytest.raises(openai.APIStatusError) as caught:
        await call
    assert caught.value.status_code == status
    error = caught.value.body
    assert isinstance(error, dict)
    return error


async def said(client: AsyncOpenAI, conversation: str) -> list[str]:
    """The conversation's items, oldest first, as role and text or as type."""
    rows = [item.to_dict() async for item in await client.conversations.items.list(conversation, order="asc")]
    return [f"{row['role']}: {row['content'][0]['text']}" if "role" in row else str(row["type"]) for row in rows]  # type: ignore[index]


async def test_a_foreground_response_answers_when_it_is_over(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=MODEL, input="hello", metadata={"turn": "t1"})
    assert (response.status, response.background) == ("completed", False)
    assert response.output_text == "Emulated reply 1 to: hello"
    assert response.metadata == {"turn": "t1"}
    assert response.usage is not None
    assert response.usage.total_tokens == 6
    assert await client.responses.retrieve(response.id) == response


async def test_a_conversation_keeps_the_history(client: AsyncOpenAI, conversation: str) -> None:
    for number, text in enumerate(["hello", "again"], start=1):
        response = await client.responses.create(model=MODEL, input=text, conversation={"id": conversation})
        assert response.output_text == f"Emulated reply {number} to: {text}"
        assert response.conversation is not None
        assert response.conversation.id == conversation
    assert await said(client, conversation) == [
        "user: hello",
        "assistant: Emulated reply 1 to: hello",
        "user: again",
        "assistant: Emulated reply 2 to: again",
    ]
    page = await client.conversations.items.list(conversation, limit=3)
    assert (len(page.data), page.has_more) == (3, True)
    item = await client.conversations.items.retrieve(page.data[0].id or "", conversation_id=conversation)
    await client.conversations.items.delete(item.id or "", conversation_id=conversation)
    assert len(await said(client, conversation)) == 3


async def test_a_transcript_is_a_history_too(client: AsyncOpenAI) -> None:
    response = await client.responses.create(
        model=MODEL,
        store=False,
        input=[
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "input_text", "text": "again"}]},
        ],
    )
    assert response.output_text == "Emulated reply 2 to: again"
    await refused(client.responses.retrieve(response.id), 404)


async def test_a_response_continues_another(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=MODEL, input="hello")
    second = await client.responses.create(model=MODEL, input="again", previous_response_id=first.id)
    assert second.output_text == "Emulated reply 2 to: again"
    items = await client.responses.input_items.list(second.id, order="asc")
    assert len(items.data) == 3
    await client.responses.delete(first.id)
    error = await refused(client.responses.create(model=MODEL, input="more", previous_response_id=first.id))
    assert error["code"] == "previous_response_not_found"


@pytest.mark.parametrize("background", [True, False])
async def test_a_conversation_has_one_active_response(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str, background: bool
) -> None:
    held = await emulator.foreign(conversation_id=conversation, background=background)
    error = await refused(client.responses.create(model=MODEL, input="hello", conversation=conversation))
    assert error == {
        "message": "Another process is currently operating on this conversation. Please retry in a few seconds.",
        "type": "invalid_request_error",
        "param": "conversation",
        "code": "conversation_locked",
    }
    items: Any = [{"type": "message", "role": "user", "content": "hi"}]
    await refused(client.conversations.items.create(conversation, items=items))
    if not background:
        error = await refused(client.responses.cancel(held))
        assert error["message"] == "Cannot cancel a synchronous response."
        return
    assert (await client.responses.cancel(held)).status == "cancelled"
    await client.responses.create(model=MODEL, input="hello", conversation=conversation)
    state = await emulator.state()
    assert (state["violations"], state["max_active"]) == ([], {conversation: 1})


async def test_a_busy_conversation_may_be_409(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str
) -> None:
    await emulator.configure(conflict_status=409)
    await emulator.foreign(conversation_id=conversation)
    error = await refused(client.responses.create(model=MODEL, input="hello", conversation=conversation), 409)
    assert (error["code"], error["type"]) == ("conversation_locked", "conflict")


async def test_without_a_lock_both_are_accepted(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str
) -> None:
    await emulator.configure(lock=False)
    held = await emulator.foreign(conversation_id=conversation)
    response = await client.responses.create(model=MODEL, input="hello", conversation=conversation)
    [violation] = (await emulator.state())["violations"]
    assert violation["active"] == [held, response.id]


async def test_a_background_response_is_polled(client: AsyncOpenAI, emulator: RunningEmulator) -> None:
    response = await client.responses.create(model=MODEL, input="hello", background=True)
    assert (response.status, response.background, response.output) == ("queued", True, [])
    assert await emulator.reached(response.id) == "completed"
    assert (await client.responses.retrieve(response.id)).output_text == "Emulated reply 1 to: hello"
    error = await refused(client.responses.cancel(response.id))
    assert error["message"] == "Cannot cancel a completed response."
    assert (error["param"], error["code"]) == ("response_id", "invalid_request_error")


@pytest.mark.parametrize(
    ("config", "left"),
    [({}, []), ({"keep_failed_user_message": True}, ["user: [[never]] hello"])],
)
async def test_a_cancel_clears_the_output_and_the_lock(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str, config: Json, left: list[str]
) -> None:
    await emulator.configure(**config)
    response = await client.responses.create(
        model=MODEL, input="[[never]] hello", conversation=conversation, background=True
    )
    await emulator.reached(response.id, "in_progress")
    for _ in range(2):
        cancelled = await client.responses.cancel(response.id)
        assert (cancelled.status, cancelled.output) == ("cancelled", [])
    assert await said(client, conversation) == left
    await client.responses.create(model=MODEL, input="next", conversation=conversation)


async def test_a_cancel_may_be_ignored_for_a_while(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str
) -> None:
    response = await client.responses.create(
        model=MODEL, input="[[never]] [[ignore-cancel 0.4]]", conversation=conversation, background=True
    )
    await emulator.reached(response.id, "in_progress")
    assert (await client.responses.cancel(response.id)).status == "in_progress"
    await refused(client.responses.create(model=MODEL, input="next", conversation=conversation))
    assert await emulator.reached(response.id) == "cancelled"


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("[[fail]]", "failed", ("error", "code", "server_error")),
        ("[[fail rate_limit]]", "failed", ("error", "code", "rate_limit_exceeded")),
        ("[[incomplete]]", "incomplete", ("incomplete_details", "reason", "max_output_tokens")),
        ("[[expire]]", "failed", ("error", "code", "server_error")),
    ],
)
async def test_a_response_ends_as_asked(
    client: AsyncOpenAI, text: str, status: str, detail: tuple[str, str, str]
) -> None:
    body = (await client.responses.create(model=MODEL, input=text)).to_dict()
    assert body["status"] == status
    field, name, value = detail
    assert isinstance(details := body[field], dict)
    assert details[name] == value


async def test_a_response_that_never_ends_fails_by_age(emulator: RunningEmulator, client: AsyncOpenAI) -> None:
    await emulator.configure(expiry_seconds=0.1)
    assert (await client.responses.create(model=MODEL, input="[[never]]")).status == "failed"
    stuck = await client.responses.create(model=MODEL, input="[[stuck]]", background=True)
    assert await emulator.reached(stuck.id) == "failed"


def calls_of(response: Response) -> list[tuple[str, str, str]]:
    return [(each.call_id, each.name, each.arguments) for each in response.output if each.type == "function_call"]


async def test_calls_end_a_response_and_poison_the_conversation(client: AsyncOpenAI, conversation: str) -> None:
    response = await client.responses.create(
        model=MODEL, input='[[tool look {"at": "it"}]] [[tool hear]] go', conversation=conversation
    )
    assert response.status == "completed"
    calls = calls_of(response)
    assert [call[1:] for call in calls] == [("look", '{"at": "it"}'), ("hear", "{}")]
    first, second = calls[0][0], calls[1][0]
    error = await refused(client.responses.create(model=MODEL, input="never mind", conversation=conversation))
    assert error["message"] == f"No tool output found for function call {first}."
    # One output is posted as an item, the other comes with the next create.
    given: Any = [{"type": "function_call_output", "call_id": first, "output": "seen"}]
    await client.conversations.items.create(conversation, items=given)
    given = [{"type": "function_call_output", "call_id": second, "output": "heard"}]
    answer = await client.responses.create(model=MODEL, input=given, conversation=conversation)
    assert answer.output_text == "Emulated reply 1 to: go (look -> seen; hear -> heard)"
    given = [{"type": "function_call_output", "call_id": "call_none", "output": ""}]
    error = await refused(client.responses.create(model=MODEL, input=given))
    assert error["message"] == "No tool call found for function call output with call_id call_none."


async def test_a_stream_is_numbered_from_zero(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=MODEL, input="hello", stream=True)
    events = [event async for event in stream]
    assert list(dict.fromkeys(event.type for event in events)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "Emulated reply 1 to: hello"
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Emulated reply 1 to: hello"


async def test_calls_are_streamed(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=MODEL, input="[[tool look]]", stream=True)
    assert [event.type async for event in stream][2:] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


async def test_a_background_stream_can_be_left_and_found_again(client: AsyncOpenAI) -> None:
    seen = []
    stream = await client.responses.create(model=MODEL, input="hello [[slow 0.2]]", background=True, stream=True)
    async with stream:
        async for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    first = seen[0]
    assert first.type == "response.created"
    assert first.response.status == "queued"
    attached = await client.responses.retrieve(first.response.id, stream=True, starting_after=seen[-1].sequence_number)
    rest = [event async for event in attached]
    numbers = [event.sequence_number for event in [*seen, *rest]]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type == "response.completed"


@pytest.mark.parametrize(("asked", "missing"), [({"stream": False, "background": True}, "stream"), ({}, "background")])
async def test_only_background_streams_take_others(client: AsyncOpenAI, asked: Json, missing: str) -> None:
    response = await client.responses.create(model=MODEL, input="hello", **asked)
    error = await refused(client.responses.retrieve(response.id, stream=True))
    assert error["message"].endswith(f"not created with {missing}=true.")


@pytest.mark.parametrize(("name", "last"), [(None, "output_text.delta"), ("response.cancelled", "cancelled")])
async def test_a_cancel_ends_the_stream(
    emulator: RunningEmulator, client: AsyncOpenAI, name: str | None, last: str
) -> None:
    await emulator.configure(cancel_event=name)
    types: list[str] = []
    stream = await client.responses.create(model=MODEL, input="[[never]]", background=True, stream=True)
    async for event in stream:
        types.append(event.type)
        if types.count("response.output_text.delta") == 1 and event.type == "response.output_text.delta":
            await client.responses.cancel(next(iter(emulator.emulator.responses)))
    assert types[-1] == f"response.{last}"


async def test_a_lost_client_leaves_the_lock(emulator: RunningEmulator, client: AsyncOpenAI, conversation: str) -> None:
    waiting = asyncio.create_task(
        client.responses.create(model=MODEL, input="[[slow 0.6]] hello", conversation=conversation)
    )
    [response_id] = await emulator.started()
    waiting.cancel()
    await asyncio.wait({waiting})
    error = await refused(client.responses.create(model=MODEL, input="next", conversation=conversation))
    assert error["code"] == "conversation_locked"
    assert await emulator.reached(response_id) == "completed"
    assert len(await said(client, conversation)) == 2


async def test_a_stream_dropped_early_may_stick(emulator: RunningEmulator, client: AsyncOpenAI) -> None:
    await emulator.configure(early_drop_sticks=True, latency_seconds=1, expiry_seconds=0.5)
    stream = await client.responses.create(model=MODEL, input="hello", background=True, stream=True)
    await stream.close()
    [response_id] = emulator.emulator.responses
    assert await emulator.reached(response_id) == "failed"
    assert emulator.emulator.responses[response_id].when("in_progress") is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"background": True, "store": False}, "invalid_value"),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "mutually_exclusive_parameters"),
        ({"model": ""}, "missing_required_parameter"),
    ],
)
async def test_contradictions_are_refused(client: AsyncOpenAI, body: Json, code: str) -> None:
    error = await refused(client.responses.create(**{"model": MODEL, "input": "hello", **body}))
    assert error["code"] == code


async def test_background_may_be_refused_or_ignored(emulator: RunningEmulator, client: AsyncOpenAI) -> None:
    await emulator.configure(background="refuse")
    await refused(client.responses.create(model=MODEL, input="hello", background=True))
    await emulator.configure(background="ignore")
    response = await client.responses.create(model=MODEL, input="hello", background=True)
    assert (response.status, response.background) == ("completed", False)


async def test_conversations_may_be_ignored_or_missing(
    emulator: RunningEmulator, client: AsyncOpenAI, conversation: str
) -> None:
    await emulator.configure(conversation="ignore")
    response = await client.responses.create(model=MODEL, input="hello", conversation=conversation)
    assert response.conversation is None
    assert await said(client, conversation) == []
    await emulator.configure(conversation="404")
    await refused(client.conversations.create(), 404)
    await refused(client.responses.create(model=MODEL, input="hello", conversation=conversation), 404)


async def test_sequence_numbers_and_the_error_shape_may_be_missing(
    emulator: RunningEmulator, api: httpx.AsyncClient
) -> None:
    await emulator.configure(sequence_numbers=False, error_shape="detail")
    answer = await api.post("/responses", json={"model": MODEL, "input": "hello", "stream": True})
    assert "sequence_number" not in answer.text
    answer = await api.get("/responses/resp_none")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Response with id 'resp_none' not found."})


async def test_a_conversation_is_deleted_and_renamed(client: AsyncOpenAI, conversation: str) -> None:
    changed = await client.conversations.update(conversation, metadata={"ours": "2"})
    assert changed == await client.conversations.retrieve(conversation)
    assert (await client.conversations.delete(conversation)).deleted
    error = await refused(client.conversations.retrieve(conversation), 404)
    assert error["message"] == f"Conversation with id '{conversation}' not found."
