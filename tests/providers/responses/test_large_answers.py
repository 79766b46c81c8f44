"""Answers that are too large to be read: of a run that has drawn, and of conversations that hold images."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from shared.core.runs import RunStatus, Thread
from shared.providers import wire
from tests.providers.making import TURN, responses, start

DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "x" * 300}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 1100)


async def test_a_run_whose_images_cannot_be_read_has_ended_with_something_unshown(
    client: AsyncOpenAI, api: Any
) -> None:
    body = {"id": "resp_1", "status": "completed", "output": [DRAWN] * 3}
    api.get("/responses/resp_1").mock(return_value=httpx.Response(200, json=body))
    run = await responses(client).get_run(Thread("responses", "conv_1"), "resp_1", TURN)
    assert (run.status, run.unshown, run.images) == (RunStatus.COMPLETED, "image_generation_call", ())


async def test_fewer_items_of_a_conversation_are_read_at_once(client: AsyncOpenAI, api: Any) -> None:
    asked = {"type": "message", "id": "m1", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    said = {"type": "message", "id": "m2", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}
    items: list[dict[str, Any]] = [said, asked, *({**DRAWN, "id": f"ig_{n}"} for n in range(30))]

    def page(request: httpx.Request) -> httpx.Response:
        limit, ids = int(request.url.params["limit"]), [str(item["id"]) for item in items]
        first = ids.index(request.url.params["after"]) + 1 if "after" in request.url.params else 0
        return httpx.Response(200, json={"data": items[first : first + limit], "has_more": True})

    route = api.get("/conversations/conv_1/items").mock(side_effect=page)
    found = await responses(client).find_run(start(Thread("responses", "conv_1", "ig_1")))
    assert found is not None
    assert found.text == "Hi."
    assert [call.request.url.params["limit"] for call in route.calls] == ["100", "20", "4"]
