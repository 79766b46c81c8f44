"""How long a create may be at work unseen: as long as its run, where all run in the foreground and nothing locks."""

from __future__ import annotations

from typing import Any

import pytest
import respx

from shared.core.errors import ActiveRun
from shared.core.runs import Thread
from shared.providers.responses.habits import Background
from shared.providers.responses.item_traces import found_run
from tests.providers.making import BASE_URL, assistants, openai_client, responses, start

BUSY = {"error": {"message": "Another process is currently operating.", "code": "conversation_locked", "type": "x"}}
THREAD = Thread("responses", "conv_1", None)


@pytest.mark.parametrize(("background", "seconds"), [("auto", 5), ("on", 5), ("off", 20)])
async def test_only_the_foreground_takes_long(background: Background, seconds: float) -> None:
    async with openai_client() as client:
        assert responses(client, 5, budget=20, background=background).create_seconds == seconds
        assert responses(client, 5, budget=20, background=background, state="transcript").create_seconds == 5
        assert assistants(client, 5).create_seconds == 5


@respx.mock(base_url=BASE_URL)
async def test_a_server_that_has_refused_a_busy_conversation_will_do_so_again(respx_mock: respx.MockRouter) -> None:
    respx_mock.post("/responses").respond(400, json=BUSY)
    async with openai_client() as client:
        provider = responses(client, 5, budget=20, background="off")
        with pytest.raises(ActiveRun):
            await provider.start_run(start(THREAD))
        assert provider.create_seconds == 5


def test_a_lost_run_is_told_from_its_repeat_by_the_last_item() -> None:
    def item(number: int, role: str, text: str) -> dict[str, Any]:
        return {"id": f"item_{number}", "type": "message", "role": role, "content": text}

    newest_first = [
        item(4, "assistant", "b"),
        item(3, "user", "Hello"),
        item(2, "assistant", "a"),
        item(1, "user", "Hello"),
    ]
    found = found_run(newest_first, start(THREAD, known_run_ids=("item_4",)))
    assert found is not None
    assert (found.text, found.cursor) == ("a", "item_2")
    assert found_run(newest_first[:2], start(THREAD, known_run_ids=("item_4",))) is None
