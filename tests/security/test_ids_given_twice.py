"""A server whose ids repeat: what is said in one turn is heard in that turn alone."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest

from shared.clock import LoopClock
from shared.core.errors import NotFoundAtProvider
from shared.core.pace import Pace
from shared.core.runs import RunState, Thread
from shared.ports import Provider, TextHeard
from shared.providers.responses.events import ResponseEvents
from shared.providers.sse import ServerEvent
from shared.providers.streams.text_assembly import StreamUnreliable
from shared.runs.follow import RunLooks
from shared.runs.waits import PlainWaits
from tests.providers.making import assistants, raw_server, responses, start

ALICE, BOB = "turn-of-alice", "turn-of-bob"
THREAD = Thread("responses", "conv_same")


def events(wire: str, says: str) -> list[tuple[str, dict[str, Any]]]:
    if wire == "responses":
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": says}]}
        response = {"id": "same", "object": "response", "conversation": {"id": "conv_same"}, "background": False}
        return [
            ("", {"type": "response.created", "response": {**response, "status": "in_progress"}}),
            ("", {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": says}),
            ("", {"type": "response.completed", "response": {**response, "status": "completed", "output": [item]}}),
        ]
    run = {"id": "same", "object": "thread.run", "status": "in_progress"}
    message = {"id": "m", "object": "thread.message", "content": [{"type": "text", "text": {"value": says}}]}
    return [
        ("thread.run.created", run),
        ("thread.message.delta", {"id": "m", "delta": {"content": [{"text": {"value": says}}]}}),
        ("thread.message.completed", {**message, "role": "assistant", "run_id": "same"}),
        ("thread.run.completed", {**run, "status": "completed"}),
    ]


def stream(wire: str, says: str) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return head + b"".join(
        (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()
        for name, data in events(wire, says)
    )


@pytest.mark.parametrize("wire", ["responses", "assistants"])
async def test_two_turns_whose_runs_have_one_id_hear_their_own_words(wire: str) -> None:
    async with raw_server() as (server, client):
        provider: Provider = responses(client, background="off") if wire == "responses" else assistants(client)
        for turn_id in (ALICE, BOB):
            server.pieces = (stream(wire, f"words for {turn_id}"),)
            state = await provider.start_run(start(THREAD, turn_id=turn_id), stream=True)
            assert state.run_id == "same"
        server.pieces = (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",)
        for turn_id in (ALICE, BOB):
            assert await words(provider, turn_id) == f"words for {turn_id}"
        assert await words(provider, "turn-of-a-third") == ""
        if wire == "responses":  # in the foreground a look is answered by what the stream has told
            for turn_id in (ALICE, BOB):
                assert (await provider.get_run(THREAD, "same", turn_id)).text == f"words for {turn_id}"
            with pytest.raises(NotFoundAtProvider):
                await provider.get_run(THREAD, "same", "turn-of-a-third")


async def words(provider: Provider, turn_id: str) -> str:
    async with aclosing(provider.listen(THREAD, "same", turn_id)) as told:
        return "".join([one.text async for one in told if isinstance(one, TextHeard)])


def test_who_attaches_to_a_run_that_names_another_turn_hears_nothing() -> None:
    created = {"type": "response.created", "response": {"id": "same", "metadata": {"turn_id": BOB}}}
    ResponseEvents(attached_to=BOB).take(ServerEvent("", json.dumps(created)))
    with pytest.raises(StreamUnreliable):
        ResponseEvents(attached_to=ALICE).take(ServerEvent("", json.dumps(created)))


@pytest.mark.parametrize("named", [None, ALICE, BOB])
async def test_a_look_that_shows_another_turns_run_is_no_answer(named: str | None) -> None:
    class Looked:
        async def get_run(self, thread: Thread, run_id: str, turn_id: str) -> RunState:
            return RunState("same", "completed", text="words", turn_id=named)

    provider: Any = Looked()
    clock = LoopClock()
    looks = RunLooks(provider, THREAD, "same", ALICE, PlainWaits(clock), clock, Pace(0.1, 1.0))
    seen = await looks.look()
    assert (seen is None) == (named == BOB)
