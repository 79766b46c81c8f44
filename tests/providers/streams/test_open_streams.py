"""Listening to runs, over real sockets: what is heard agrees with what a look tells."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dev.emulator.testing import running_emulator
from shared.core.errors import ActiveRun, NotFoundAtProvider, OutcomeUnknown
from shared.core.runs import RunState, Thread, ToolOutput
from shared.ports import Provider, TextHeard
from shared.providers.responses.habits import Background
from shared.providers.streams import open_streams, run_stream
from tests.contracts.test_provider_contract import WIRES, World, world
from tests.providers.making import TURN, assistants, openai_client, raw_server, responses, start

MORE = "[[more And more.]] [[more And still more.]] one two three four five six seven eight"


@dataclass
class Heard:
    text: str = ""
    pieces: int = 0
    end: RunState | None = None


async def heard(provider: Provider, thread: Thread, run_id: str | None, at: int = 0, turn_id: str = TURN) -> Heard:
    """Everything, with the promises on offsets checked on the way."""
    got = Heard()
    async for event in provider.listen(thread, run_id or "", turn_id):
        assert got.end is None, "nothing follows the end"
        if isinstance(event, TextHeard):
            assert event.at == at + len(got.text)
            assert event.text
            got.text += event.text
            got.pieces += 1
        else:
            got.end = event
    return got


async def looked(on: World, thread: Thread, run_id: str | None, turn_id: str = TURN) -> RunState:
    """As `get_run` tells it, but for the hint when to look again, which a stream has no use for."""
    return replace(await on.provider.get_run(thread, run_id or "", turn_id), poll_after_seconds=None)


async def streamed(on: World, thread: Thread, text: str | None, **fields: Any) -> RunState:
    return await on.provider.start_run(on.order(thread, text, **fields), stream=True)


@pytest.fixture(params=WIRES)
async def on(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world(request.param) as made:
        yield made


async def test_a_run_is_heard_while_it_speaks(on: World) -> None:
    thread = await on.provider.create_thread([])

    state = await streamed(on, thread, "[[slow 0.2]] one two three four five")
    assert not state.terminal
    got = await heard(on.provider, thread, state.run_id)

    assert got.text == "Emulated reply 1 to: one two three four five"
    assert got.pieces > 3
    assert got.end == await looked(on, thread, state.run_id)
    assert got.end.text == got.text
    assert await on.creates() == 1


async def test_several_messages_are_joined_as_a_look_joins_them(on: World) -> None:
    thread = await on.provider.create_thread([])

    state = await streamed(on, thread, MORE)
    got = await heard(on.provider, thread, state.run_id)

    assert got.text.endswith("eight\n\nAnd more.\n\nAnd still more.")
    assert got.end == await looked(on, thread, state.run_id)
    assert got.end.text == got.text


async def test_calls_and_what_follows_them(on: World) -> None:
    thread = await on.provider.create_thread([])
    state = await streamed(on, thread, '[[aside Let me see.]] [[tool look {"q": 1}]] [[tool hear]] go')
    asked = await heard(on.provider, thread, state.run_id)

    assert asked.text == "Let me see."
    assert asked.end == await looked(on, thread, state.run_id)
    assert asked.end.status == "requires_action"
    assert [call.name for call in asked.end.tool_calls] == ["look", "hear"]

    given = tuple(ToolOutput(call.call_id, f"<{call.name}>") for call in asked.end.tool_calls)
    if on.provider.outputs_start_run:
        after = replace(thread, cursor=asked.end.cursor)
        state = await streamed(on, after, None, tool_outputs=given, known_run_ids=(state.run_id or "",))
        got = await heard(on.provider, thread, state.run_id)
    else:
        run_id = state.run_id or ""
        state = await on.provider.submit_tool_outputs(thread, run_id, TURN, given, stream=True, said=asked.text)
        got = await heard(on.provider, thread, run_id, at=len(asked.text))
        got.text = asked.text + got.text

    assert got.end == await looked(on, thread, state.run_id)
    assert got.text == got.end.text
    assert got.text.endswith("Emulated reply 1 to: go (look -> <look>; hear -> <hear>)")
    assert got.end.usage.output_tokens > 0


@pytest.mark.parametrize("directive", ["[[fail]]", "[[incomplete]]", "[[expire]]"])
async def test_every_end_is_told(on: World, directive: str) -> None:
    thread = await on.provider.create_thread([])

    state = await streamed(on, thread, f"{directive} one two three four five six")
    got = await heard(on.provider, thread, state.run_id)

    assert got.end == await looked(on, thread, state.run_id)
    assert got.end.terminal
    assert got.end.text == got.text


@pytest.mark.parametrize("event", [None, "response.cancelled"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_cancel_ends_the_listening(wire: str, event: str | None) -> None:
    async with world(wire, cancel_event=event) as on:
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "[[never]] one two three four")
        listening = asyncio.create_task(heard(on.provider, thread, state.run_id))
        await on.emulator.reached(state.run_id or "", "in_progress")
        await on.provider.cancel_run(thread, state.run_id or "")

        got = await asyncio.wait_for(listening, 5)

        # Nothing is documented of how a cancelled response's stream ends.
        assert got.end == (None if (wire, event) == ("responses", None) else await looked(on, thread, state.run_id))


async def test_who_comes_late_or_twice_hears_it_all(on: World) -> None:
    thread = await on.provider.create_thread([])
    state = await streamed(on, thread, MORE)
    both = await asyncio.gather(*(heard(on.provider, thread, state.run_id) for _ in range(2)))
    late = await heard(on.provider, thread, state.run_id)

    assert both[0] == replace(both[1], pieces=both[0].pieces) == replace(late, pieces=both[0].pieces)
    assert late.end is not None


async def test_a_run_without_a_stream_tells_nothing(on: World) -> None:
    thread = await on.provider.create_thread([])
    state = await on.start(thread, "Hello")

    assert await heard(on.provider, thread, state.run_id) == Heard()
    assert await heard(on.provider, thread, "run_unknown") == Heard()


# --- other servers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_that_ignores_streams_answers_as_ever(wire: str) -> None:
    async with world(wire, stream="ignore") as on:
        thread = await on.provider.create_thread([])

        state = await streamed(on, thread, "Hello")

        assert (await on.ended(thread, state)).text == "Emulated reply 1 to: Hello"
        assert await on.creates() == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_that_refuses_streams_is_asked_once_in_a_process(wire: str) -> None:
    async with world(wire, stream="refuse") as on:
        thread = await on.provider.create_thread([])

        first = await on.ended(thread, await streamed(on, thread, "Hello"))
        again = await on.ended(thread, await streamed(on, thread, "Again", turn_id="turn-2"))

        assert (first.text, again.text) == ("Emulated reply 1 to: Hello", "Emulated reply 2 to: Again")
        assert await on.creates() == 3
        assert not on.provider.attachable


@pytest.mark.parametrize("background", ["refuse", "ignore"])
async def test_a_run_in_the_foreground_is_heard_too(background: str) -> None:
    async with world("responses", background=background) as on:
        thread = await on.provider.create_thread([])
        for number, text in enumerate(("Hello", "Again"), start=1):
            turn_id = f"turn-{number}"
            state = await streamed(on, thread, f"[[slow 0.2]] {text}", turn_id=turn_id)
            assert not state.terminal
            got = await heard(on.provider, thread, state.run_id, turn_id=turn_id)

            assert got.text == f"Emulated reply {number} to: {text}"
            assert got.end == await looked(on, thread, state.run_id, turn_id)
        assert not on.provider.attachable


async def test_a_run_in_the_foreground_outlives_its_listener_and_is_known_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its connection is its life, and a server that stores nothing can tell no later request of it."""
    monkeypatch.setattr(run_stream, "NO_LISTENER_SECONDS", 0.0)
    async with running_emulator() as emulator, openai_client(emulator.base_url) as client:
        provider = responses(client, state="transcript", background="off")
        thread = Thread("responses")
        state = await provider.start_run(start(thread, "[[slow 0.3]] one two three"), stream=True)
        async for _ in provider.listen(thread, state.run_id or "", TURN):
            break

        assert (await provider.get_run(thread, state.run_id or "", TURN)).status == "in_progress"
        assert await emulator.reached(state.run_id or "") == "completed"
        got = await heard(provider, thread, state.run_id)

        assert got.text == "Emulated reply 1 to: one two three"
        assert await provider.get_run(thread, state.run_id or "", TURN) == got.end
        with pytest.raises(NotFoundAtProvider):
            await provider.get_run(thread, "resp_unknown", TURN)


# --- streams that break -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8])
async def test_a_broken_stream_is_taken_up_where_it_broke(after: int) -> None:
    async with world("responses", stream_breaks_after=after) as on:
        thread = await on.provider.create_thread([])

        state = await streamed(on, thread, "one two three four five six")
        got = await heard(on.provider, thread, state.run_id)

        assert got.text == "Emulated reply 1 to: one two three four five six"
        assert got.end == await looked(on, thread, state.run_id)


@pytest.mark.parametrize("after", [3, 6, 8])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_that_breaks_for_good_leaves_a_prefix(wire: str, after: int) -> None:
    async with world(wire, stream_breaks_after=after, sequence_numbers=False) as on:
        thread = await on.provider.create_thread([])

        state = await streamed(on, thread, MORE)
        got = await asyncio.wait_for(heard(on.provider, thread, state.run_id), 10)

        assert got.end is None
        await on.emulator.reached(state.run_id or "")
        assert (await looked(on, thread, state.run_id)).text.startswith(got.text)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_that_falls_silent_sends_its_listener_away(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_stream, "SILENCE_SECONDS", 0.3)
    async with world(wire, stream_silent_after=6) as on:
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "one two three four five six")

        got = await asyncio.wait_for(heard(on.provider, thread, state.run_id), 5)

        assert got.end is None
        await on.emulator.reached(state.run_id or "")
        assert (await looked(on, thread, state.run_id)).text.startswith(got.text)


async def test_another_process_attaches_from_the_beginning() -> None:
    async with world("responses") as on, openai_client(on.emulator.base_url) as client:
        other = responses(client)
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "[[slow 0.2]] one two three four")
        assert on.provider.attachable
        async for _ in on.provider.listen(thread, state.run_id or "", TURN):
            break  # that one is gone

        got = await heard(other, thread, state.run_id)
        assert got.text == "Emulated reply 1 to: one two three four"
        assert got.end == await looked(on, thread, state.run_id)
        # And here again.
        assert (await heard(on.provider, thread, state.run_id)).end == got.end


async def test_no_process_attaches_on_the_other_wire() -> None:
    async with world("assistants") as on, openai_client(on.emulator.base_url) as client:
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "Hello")

        assert not on.provider.attachable
        assert await heard(assistants(client), thread, state.run_id) == Heard()


# --- streams without a listener ---------------------------------------------------------------------------------------


async def test_a_stream_is_not_let_go_before_its_run_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server was seen to leave such a run queued for ever."""
    monkeypatch.setattr(run_stream, "NO_LISTENER_SECONDS", 0.0)
    async with world("responses", early_drop_sticks=True, latency_seconds=0.3) as on:
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "Hello")
        listening = asyncio.create_task(heard(on.provider, thread, state.run_id))
        await asyncio.sleep(0)
        listening.cancel()

        assert await on.emulator.reached(state.run_id or "") == "completed"


def frames(*events: tuple[str, Any]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    return head + b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events)


CREATED = {"id": "r1", "status": "queued", "background": True, "conversation": "thread_1"}
BEGUN = {"id": "r1", "status": "in_progress"}
STARTED: dict[str, list[tuple[str, Any]]] = {
    "responses": [
        ("response.created", {"type": "response.created", "response": CREATED}),
        ("response.in_progress", {"type": "response.in_progress", "response": BEGUN}),
    ],
    "assistants": [("thread.run.created", BEGUN)],
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("how", ["cancelled", "sent away", "never listened"])
async def test_who_stops_listening_closes_the_connection(wire: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "never listened":
        monkeypatch.setattr(run_stream, "NO_LISTENER_SECONDS", 0.2)
    async with raw_server(frames(*STARTED[wire]), then="hang") as (server, client):
        provider: Provider = responses(client) if wire == "responses" else assistants(client)
        thread = Thread(wire, "thread_1")
        state = await provider.start_run(start(thread), stream=True)
        assert state.run_id == "r1"
        if how == "cancelled":
            listening = asyncio.create_task(heard(provider, thread, "r1"))
            await asyncio.sleep(0.05)
            listening.cancel()
            await asyncio.wait({listening})
        elif how == "sent away":
            monkeypatch.setattr(run_stream, "SILENCE_SECONDS", 0.05)
            assert await heard(provider, thread, "r1") == Heard()
        [talk] = server.talks

        await asyncio.wait_for(asyncio.shield(talk), 3)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_late_listener_waits_as_long_as_an_early_one(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_stream, "SILENCE_SECONDS", 0.5)
    said: dict[str, list[tuple[str, Any]]] = {
        "responses": [("", {"type": "response.output_text.delta", "output_index": 0, "delta": "Late."})],
        "assistants": [("thread.message.delta", {"id": "m", "delta": {"content": [{"text": {"value": "Late."}}]}})],
    }
    words = frames(*said[wire]).partition(b"\r\n\r\n")[2]
    async with raw_server(frames(*STARTED[wire]), words, pause=0.8, then="hang") as (_, client):
        provider: Provider = responses(client) if wire == "responses" else assistants(client)
        await provider.start_run(start(Thread(wire, "thread_1")), stream=True)
        await asyncio.sleep(0.55)

        assert (await heard(provider, Thread(wire, "thread_1"), "r1")).text == "Late."


async def test_what_a_stream_told_before_the_outputs_is_not_told_again() -> None:
    async with world("assistants") as on:
        thread = await on.provider.create_thread([])
        state = await streamed(on, thread, "[[tool look]] go")
        asked = await heard(on.provider, thread, state.run_id)
        assert asked.end is not None
        await on.emulator.configure(stream="ignore")
        given = [ToolOutput(call.call_id, "x") for call in asked.end.tool_calls]

        await on.provider.submit_tool_outputs(thread, state.run_id or "", TURN, given, stream=True)

        assert await heard(on.provider, thread, state.run_id) == Heard()


async def test_streams_are_bounded_in_number(on: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "MOST_STREAMS", 1)
    first, second = [await on.provider.create_thread([]) for _ in range(2)]
    one = await streamed(on, first, "[[never]]")

    other = await streamed(on, second, "Hello", turn_id="turn-2")

    assert await heard(on.provider, second, other.run_id) == Heard()
    assert (await on.ended(second, other)).text == "Emulated reply 1 to: Hello"
    assert one.run_id


# --- errors inside a stream -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([("error", {"type": "error", "code": "conversation_locked", "message": "busy", "param": None})], ActiveRun),
        ([("error", {"error": {"code": "conversation_locked", "message": "busy"}})], ActiveRun),
        # A sentence is no proof that nothing was started, in an answer that says OK.
        ([("error", {"type": "error", "message": "Thread t already has an active run r."})], OutcomeUnknown),
        ([("error", {"code": "server_error", "message": "no"})], OutcomeUnknown),
        ([], OutcomeUnknown),
        ([("done", "[DONE]")], OutcomeUnknown),
        ([("ping", {"type": "ping"})], OutcomeUnknown),
    ],
)
async def test_an_error_before_the_run_is_named_is_the_creates(
    wire: str, events: list[tuple[str, Any]], error: type[Exception]
) -> None:
    async with raw_server(frames(*events)) as (_, client):
        provider: Provider = responses(client) if wire == "responses" else assistants(client)
        with pytest.raises(error):
            await provider.start_run(start(Thread(wire, "thread_1")), stream=True)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_stream_that_names_no_run_is_left_in_time(wire: str) -> None:
    async with raw_server(frames(("ping", {"type": "ping"})), then="hang") as (_, client):
        provider: Provider = assistants(client, 0.4)
        if wire == "responses":
            provider = responses(client, 0.4, background="on")
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(provider.start_run(start(Thread(wire, "thread_1")), stream=True), 3)


@pytest.mark.parametrize("background", ["auto", "off"])
async def test_a_stream_in_the_foreground_may_begin_late(background: Background) -> None:
    """Its head comes at once, its first event when the model has read all that it was sent."""
    run = {"id": "r1", "status": "completed", "conversation": "thread_1"}
    told = frames(("response.completed", {"type": "response.completed", "response": run}))
    async with raw_server(frames(), told.removeprefix(frames()), pause=0.8) as (server, client):
        provider = responses(client, 0.4, budget=3, background=background)
        state = await provider.start_run(start(Thread("responses", "thread_1")), stream=True)
        assert (state.run_id, state.status) == ("r1", "completed")
        assert len([request for request in server.requests if request.startswith(b"POST")]) == 1


async def test_a_stream_in_the_foreground_that_never_begins_is_left_with_the_runs_budget() -> None:
    async with raw_server(frames(), then="hang") as (_, client):
        provider = responses(client, 0.2, budget=0.6, background="off")
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(provider.start_run(start(Thread("responses", "thread_1")), stream=True), 3)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_create_refused_while_busy_is_refused_as_ever(wire: str) -> None:
    async with world(wire) as on:
        thread = await on.provider.create_thread([])
        await on.blocked(thread)
        with pytest.raises(ActiveRun):
            await streamed(on, thread, "Hello")


@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_an_answer_that_is_lost_is_ambiguous(on: World, kind: str) -> None:
    async with world(on.wire, seconds=1, budget=1) as other:
        thread = await other.provider.create_thread([])
        await other.emulator.fault(method="POST", path="/(runs|responses)$", action={"kind": kind, "when": "after"})
        with pytest.raises(OutcomeUnknown):
            await streamed(other, thread, "Hello")


async def test_a_malformed_frame_is_heard_again() -> None:
    """With numbers it can be asked for again; without, nothing certain is left to say."""
    created = STARTED["responses"]
    numbered = [(name, {**data, "sequence_number": at}) for at, (name, data) in enumerate(created)]
    for events, text in ((numbered, "a"), (created, "a")):
        said = {"type": "response.output_text.delta", "output_index": 0, "delta": "a"}
        if events is numbered:
            said["sequence_number"] = 2
        broken = frames(*events, ("response.output_text.delta", said)) + b"data: {\n\n"
        async with raw_server(broken) as (server, client):
            provider = responses(client)
            await provider.start_run(start(Thread("responses", "thread_1")), stream=True)
            got = await heard(provider, Thread("responses", "thread_1"), "r1")
            assert (got.text, got.end) == (text, None)
            asked = [b"starting_after=2" in request for request in server.requests]
            assert asked[:2] == ([False, True] if events is numbered else [False, False])


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        '{"type":"response.output_text.delta","output_index":0,"delta":"?","sequence_number":9}',
        '{"type":"response.output_text.done","output_index":0,"text":"other"}',
    ],
    ids=["no JSON", "no object", "skipped", "otherwise"],
)
async def test_the_end_of_a_run_in_the_foreground_is_heard_behind_what_cannot_be_read(bad: str) -> None:
    """Only its stream may know of it."""
    run = {"id": "r1", "status": "in_progress", "background": False, "conversation": {"id": "thread_1"}}
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "abc"}]}
    begun = frames(
        ("response.created", {"type": "response.created", "response": run, "sequence_number": 0}),
        ("", {"type": "response.output_text.delta", "output_index": 0, "delta": "a", "sequence_number": 1}),
    )
    ended = frames(
        ("", {"type": "response.output_text.delta", "output_index": 0, "delta": "c", "sequence_number": 3}),
        ("", {"type": "response.completed", "response": {**run, "status": "completed", "output": [message]}}),
    )
    async with raw_server(begun + f"data: {bad}\n\n".encode() + ended) as (server, client):
        provider = responses(client)
        await provider.start_run(start(Thread("responses", "thread_1")), stream=True)
        got = await heard(provider, Thread("responses", "thread_1"), "r1")
        assert got.end is not None
        assert (got.text, got.end.status, got.end.text) == ("abc", "completed", "abc")
        assert len(server.requests) == 1


async def test_a_thread_is_deleted(on: World) -> None:
    thread = await on.provider.create_thread([])

    assert await on.provider.delete_thread(thread)
    assert await on.provider.delete_thread(thread), "gone is gone"
    assert await on.provider.delete_thread(Thread(on.wire))
    state = await on.emulator.state()
    assert not state["threads"]
    assert not state["conversations"]

    await on.emulator.fault(method="DELETE", path=".*", action={"kind": "status", "status": 503})
    assert not await on.provider.delete_thread(await on.provider.create_thread([]))
