"""What a Responses server does not take or does not say: it is asked otherwise from then on."""

import json
from typing import Any

import httpx
import pytest
import respx
from openai import AsyncOpenAI

from shared.core.errors import ContentsRefused, ProviderRefused
from shared.core.runs import Thread
from tests.providers.making import TURN, line, responses, start
from tests.providers.responses.test_provider import QUEUED, THREAD, message, sent

UNNAMED: list[Any] = [None, "", {}, {"id": None}]


def answered(*texts: str) -> dict[str, Any]:
    return {"id": "resp_1", "status": "completed", "output": [message("assistant", text, id="m9") for text in texts]}


@pytest.mark.parametrize("named", UNNAMED)
async def test_a_conversation_that_is_not_named_is_looked_at_when_the_run_is_over(
    client: AsyncOpenAI, api: respx.MockRouter, named: Any
) -> None:
    api.post("/responses").respond(json=QUEUED | {"conversation": named})
    api.get("/responses/resp_1").respond(json=answered("Hi") | {"conversation": named})
    listed = {"data": [message("assistant", "Hi", id="m9"), message("user", "Hello", id="m8")]}
    looks = api.get("/conversations/conv_1/items")
    looks.side_effect = [httpx.Response(200, json={"data": []}), httpx.Response(200, json=listed)]  # the list lags
    provider = responses(client)

    for _ in range(2):
        await provider.start_run(start(THREAD))
        state = await provider.get_run(THREAD, "resp_1", TURN)

        assert (state.status, state.text) == ("completed", "Hi")
    assert provider.keeps_threads
    assert looks.call_count == 2


@pytest.mark.parametrize("named", UNNAMED)
async def test_a_run_that_has_forgotten_what_was_before_has_failed(
    client: AsyncOpenAI, api: respx.MockRouter, named: Any
) -> None:
    api.post("/responses").respond(json=QUEUED | {"conversation": named})
    api.get("/responses/resp_1").respond(json=answered("Who are you?") | {"conversation": named})
    api.get("/conversations/conv_1/items").respond(json={"data": []})
    provider = responses(client)
    await provider.start_run(start(THREAD))

    state = await provider.get_run(THREAD, "resp_1", TURN)

    assert (state.status, state.text, state.error_code) == ("failed", "", "conversation_ignored")
    assert not provider.keeps_threads


async def test_a_conversation_ignored_at_its_beginning_costs_nothing(
    client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    api.post("/responses").respond(json={k: v for k, v in QUEUED.items() if k != "conversation"})
    api.get("/responses/resp_1").respond(json=answered("Hi"))
    api.get("/conversations/conv_1/items").respond(json={"data": []})
    provider = responses(client)

    await provider.start_run(start(Thread("responses", "conv_1")))
    state = await provider.get_run(THREAD, "resp_1", TURN)

    assert (state.status, state.text) == ("completed", "Hi")
    assert not provider.keeps_threads


REFUSED_FIELDS = [
    ("metadata", 400, {"code": "400", "error": "Argument not supported: metadata"}),
    (
        "metadata",
        400,
        {"error": {"message": "Unknown parameter: 'metadata'.", "param": "metadata", "code": "unknown_parameter"}},
    ),
    ("metadata", 422, {"detail": [{"loc": ["body", "metadata"], "msg": "Extra inputs", "type": "extra_forbidden"}]}),
    ("store", 400, {"error": {"message": "property 'store' is unsupported", "param": None, "code": None}}),
    ("store", 400, {"error": {"message": "no", "param": "store"}}),
    ("store", 422, {"detail": [{"loc": ["body", "store"], "msg": "Extra inputs", "type": "extra_forbidden"}]}),
]


@pytest.mark.parametrize(("name", "status", "error"), REFUSED_FIELDS)
async def test_a_field_that_the_server_does_not_take_is_left_out_from_then_on(
    client: AsyncOpenAI, api: respx.MockRouter, name: str, status: int, error: dict[str, Any]
) -> None:
    route = api.post("/responses")
    route.side_effect = [httpx.Response(status, json=error), *[httpx.Response(200, json=QUEUED)] * 2]
    provider = responses(client)

    await provider.start_run(start(THREAD))
    await provider.start_run(start(THREAD))

    assert [name in sent(route, at) for at in range(3)] == [True, False, False]
    assert all(other in sent(route, 2) for other in {"metadata", "store", "input", "model"} - {name})


async def test_a_field_is_left_out_once(client: AsyncOpenAI, api: respx.MockRouter) -> None:
    route = api.post("/responses").respond(400, json={"error": {"message": "metadata is not supported"}})

    with pytest.raises(ProviderRefused):
        await responses(client).start_run(start(THREAD))

    assert route.call_count == 2


SHORT_ITEMS_REFUSED = [
    {
        "error": {
            "message": "Missing required parameter: 'input[1].id'.",
            "param": "input[1].id",
            "code": "missing_required_parameter",
        }
    },
    {"detail": [{"loc": ["body", "input", 1, "id"], "msg": "Field required", "type": "missing"}]},
    {"error": {"message": "Invalid input", "type": "invalid_request_error", "param": None, "code": None}},
]


@pytest.mark.parametrize("error", SHORT_ITEMS_REFUSED)
async def test_a_server_that_takes_no_short_items_is_sent_whole_ones(
    client: AsyncOpenAI, api: respx.MockRouter, error: dict[str, Any]
) -> None:
    def judge(request: httpx.Request) -> httpx.Response:
        told = [item for item in json.loads(request.content)["input"] if item["role"] == "assistant"]
        whole = all({"id", "status", "content"} <= item.keys() and isinstance(item["content"], list) for item in told)
        return httpx.Response(200, json=QUEUED) if whole else httpx.Response(400, json=error)

    route = api.post("/responses").mock(side_effect=judge)
    history = (line("user", "x"), line("assistant", "y", 2))
    provider = responses(client, state="transcript", background="off")

    for _ in range(2):
        await provider.start_run(start(Thread("responses"), history=history))

    assert route.call_count == 3
    assert sent(route, 2)["input"][1]["content"] == [{"type": "output_text", "text": "y", "annotations": []}]


async def test_items_that_are_refused_in_full_as_well_are_not_what_was_refused(
    client: AsyncOpenAI, api: respx.MockRouter
) -> None:
    route = api.post("/responses").respond(400, json=SHORT_ITEMS_REFUSED[2])
    history = (line("user", "x"), line("assistant", "y", 2))
    provider = responses(client, state="transcript", background="off")

    for _ in range(2):
        with pytest.raises(ContentsRefused):
            await provider.start_run(start(Thread("responses"), history=history))

    assert [isinstance(sent(route, at)["input"][1]["content"], str) for at in range(4)] == [True, False, True, False]
