"""What the protocol needs of a provider, held against both wires over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dev.emulator.testing import RunningEmulator, running_emulator
from shared.core.errors import (
    ActiveRun,
    NotCancellable,
    NotFoundAtProvider,
    OutcomeUnknown,
    ProviderRefused,
    RateLimited,
    ThreadGone,
    UnansweredCalls,
)
from shared.core.model import Agent, Message
from shared.core.run_start import RunStart
from shared.core.runs import Handoff, RunState, Step, Thread, ToolOutput, ToolSpec
from shared.ports import Provider
from tests.providers.making import TURN, Assistants, assistants, line, openai_client, responses

WIRES = ("responses", "assistants")
CREATE = {"responses": r"/responses$", "assistants": r"/threads/[^/]+/runs$"}
AGENT = Agent("writer", "Writer", "Writes.", "emulated-model", "Be brief.", agent_id="agent-1")


@dataclass(frozen=True, slots=True)
class World:
    """One wire of one emulator."""

    emulator: RunningEmulator
    provider: Provider

    @property
    def wire(self) -> str:
        return self.provider.name

    async def start(self, thread: Thread, text: str | None = "Hello", **fields: Any) -> RunState:
        return await self.provider.start_run(self.order(thread, text, **fields))

    def order(self, thread: Thread, text: str | None = "Hello", **fields: Any) -> RunStart:
        given: dict[str, Any] = {"turn_id": "turn-1", "run_key": "key-1", "agent": AGENT, **fields}
        return RunStart(thread=thread, text=text, **given)

    async def ended(self, thread: Thread, state: RunState) -> RunState:
        """The run once it has ended, or waits for tool outputs."""
        if state.terminal or state.status == "requires_action":
            return state
        assert state.run_id is not None
        job = self.emulator.emulator.runs.get(state.run_id) or self.emulator.emulator.responses[state.run_id]
        while True:
            state = await self.provider.get_run(thread, state.run_id or "", TURN)
            if state.terminal or state.status == "requires_action":
                return state
            with contextlib.suppress(RuntimeError):  # ended in another status, which the next look tells
                await job.reached("requires_action", "completed")

    async def answer(self, thread: Thread, text: str, turn_id: str = "turn-1") -> tuple[RunState, Thread]:
        """A whole turn; the thread as it is remembered afterwards."""
        state = await self.ended(thread, await self.start(thread, text, turn_id=turn_id))
        return state, replace(thread, cursor=state.cursor or thread.cursor)

    async def blocked(self, thread: Thread) -> str:
        """Another program's run on the thread, one that never ends by itself."""
        place = "thread_id" if self.wire == "assistants" else "conversation_id"
        return await self.emulator.foreign(**{place: thread.thread_id})

    async def creates(self) -> int:
        """How many creates have arrived."""
        state = await self.emulator.state()
        ending = "/runs" if self.wire == "assistants" else "/responses"
        return sum(1 for each in state["requests"] if each["method"] == "POST" and each["path"].endswith(ending))


@contextlib.asynccontextmanager
async def world(wire: str, *, seconds: float = 5, budget: float = 20, **config: Any) -> AsyncIterator[World]:
    async with running_emulator(**config) as emulator, openai_client(emulator.base_url) as client:
        memory = Assistants()
        provider: Provider = (
            responses(client, seconds, budget=budget) if wire == "responses" else assistants(client, seconds, memory)
        )
        yield World(emulator, provider)


@pytest.fixture(params=WIRES)
async def on(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world(request.param) as made:
        yield made


async def test_a_run_completes_with_the_reply(on: World) -> None:
    thread = await on.provider.create_thread([])

    state = await on.start(thread, "Hello")
    done = await on.ended(thread, state)

    assert thread.provider == on.provider.name == on.wire
    assert thread.thread_id
    assert state.run_id == done.run_id
    assert (done.status, done.text) == ("completed", "Emulated reply 1 to: Hello")
    assert done.thread_id == thread.thread_id
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0
    assert await on.creates() == 1


async def test_history_is_kept_across_runs(on: World) -> None:
    thread = await on.provider.create_thread([])

    _, thread = await on.answer(thread, "One")
    second, _ = await on.answer(thread, "Two", "turn-2")

    assert second.text == "Emulated reply 2 to: Two"


async def test_a_seeded_thread_has_its_history(on: World) -> None:
    history = [line("user", "Zero"), line("assistant", "Yes", 2), line("user", "Half", 3), line("assistant", "Yes", 4)]
    thread = await on.provider.create_thread(history)

    done, _ = await on.answer(thread, "One")

    assert done.text == "Emulated reply 3 to: One"


async def test_a_seeded_thread_may_be_long(on: World) -> None:
    thread = await on.provider.create_thread([line("user", f"line {at}", at) for at in range(45)])

    done, _ = await on.answer(thread, "Last")

    assert done.text == "Emulated reply 46 to: Last"


async def test_the_agent_speaks_with_its_own_model_and_words(on: World) -> None:
    thread = await on.provider.create_thread([])
    agent = replace(AGENT, model="emulated-model-mini", instructions="Sing.")

    done = await on.ended(thread, await on.start(thread, "[[who]]Hello", agent=agent))

    assert "model emulated-model-mini; instructions: Sing." in done.text


async def test_a_second_create_meets_the_active_run(on: World) -> None:
    thread = await on.provider.create_thread([])
    first = await on.start(thread, "[[never]]Hello")

    with pytest.raises(ActiveRun) as conflict:
        await on.start(thread, "Again", turn_id="turn-2")

    assert conflict.value.run_id == (first.run_id if on.wire == "assistants" else None)
    assert await on.creates() == 2


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("habits", [{"conflict_status": 409}, {"conflict_names_run": False}, {"error_shape": "detail"}])
async def test_a_conflict_is_known_in_every_dress(wire: str, habits: dict[str, Any]) -> None:
    if wire == "responses" and habits.get("error_shape") == "detail":
        habits = habits | {"conflict_status": 409}
    async with world(wire, **habits) as on:
        thread = await on.provider.create_thread([])
        holder = await on.blocked(thread)

        with pytest.raises(ActiveRun) as conflict:
            await on.start(thread)

        named = wire == "assistants" and habits.get("conflict_names_run", True)
        assert conflict.value.run_id == (holder if named else None)


async def test_the_holder_is_found_where_the_wire_can_tell(on: World) -> None:
    thread = await on.provider.create_thread([])
    assert await on.provider.find_active_run(thread) is None

    foreign = await on.blocked(thread)
    holder = await on.provider.find_active_run(thread)

    assert (holder and holder.run_id) == (foreign if on.wire == "assistants" else None)


async def test_without_a_lock_nothing_is_claimed(on: World) -> None:
    await on.emulator.configure(lock=False)
    thread = await on.provider.create_thread([])
    await on.blocked(thread)

    state = await on.start(thread)

    assert state.run_id


@pytest.mark.parametrize("kind", ["reset", "hang"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_run_is_found_after_its_answer_was_lost(wire: str, kind: str) -> None:
    async with world(wire, seconds=0.5, budget=0.5) as on:
        thread = await on.provider.create_thread([line("user", "Hello"), line("assistant", "Yes", 2)])
        await on.emulator.fault(method="POST", path=CREATE[wire], action={"kind": kind, "when": "after"})
        with pytest.raises(OutcomeUnknown):
            await on.start(thread)
        [run_id] = await on.emulator.started()
        await on.emulator.reached(run_id)

        found = await on.provider.find_run(on.order(thread))

        assert found is not None
        assert (found.status, found.text) == ("completed", "Emulated reply 2 to: Hello")
        assert found.run_id in (run_id, None)
        assert await on.creates() == 1


async def test_a_run_that_never_was_is_not_found(on: World) -> None:
    thread = await on.provider.create_thread([line("user", "Hello"), line("assistant", "Yes", 2)])
    await on.emulator.fault(method="POST", path=CREATE[on.wire], action={"kind": "reset"})
    with pytest.raises(OutcomeUnknown):
        await on.start(thread)

    assert await on.provider.find_run(on.order(thread)) is None


async def test_an_earlier_turns_run_is_not_this_ones(on: World) -> None:
    thread = await on.provider.create_thread([])
    _, thread = await on.answer(thread, "Hello", "turn-1")

    assert await on.provider.find_run(on.order(thread, turn_id="turn-2")) is None


async def test_a_run_on_record_is_not_taken_for_a_lost_one(on: World) -> None:
    thread = await on.provider.create_thread([])
    done, after = await on.answer(thread, "Hello")

    order = on.order(after, known_run_ids=(done.run_id or "",), repeated=True)

    assert await on.provider.find_run(order) is None


@pytest.mark.parametrize("wire", WIRES)
async def test_a_message_left_by_a_refused_or_failed_attempt_is_not_repeated(wire: str) -> None:
    async with world(wire, keep_refused_message=True, keep_failed_user_message=True) as on:
        thread = await on.provider.create_thread([])
        if wire == "assistants":
            holder = await on.blocked(thread)
            with pytest.raises(ActiveRun):
                await on.start(thread)
            await on.provider.cancel_run(thread, holder)
            await on.emulator.reached(holder)
        else:
            failed = await on.start(thread, "[[fail]]Hello")
            assert (await on.ended(thread, failed)).status == "failed"

        text = "Hello" if wire == "assistants" else "[[fail]]Hello"
        await on.ended(thread, await on.start(thread, text, repeated=True))

        state = await on.emulator.state()
        left = (
            [m["content"][0]["text"]["value"] for m in state["threads"][0]["messages"] if m["role"] == "user"]
            if wire == "assistants"
            else [i["content"][0]["text"] for i in state["conversations"][0]["items"] if i["role"] == "user"]
        )
        assert left.count(text) == 1


async def test_a_cancel_ends_the_run(on: World) -> None:
    thread = await on.provider.create_thread([])
    state = await on.start(thread, "[[never]]Hello")
    assert state.run_id is not None

    asked = await on.provider.cancel_run(thread, state.run_id)
    await on.emulator.reached(state.run_id)
    done = await on.provider.get_run(thread, state.run_id, TURN)

    assert asked.status in ("cancelling", "cancelled")
    assert done.status == "cancelled"
    if on.wire == "assistants":  # on the other wire a second cancel is idempotent, as the vendor documents
        with pytest.raises(NotCancellable):
            await on.provider.cancel_run(thread, state.run_id)
    assert (await on.start(thread, "Again", turn_id="turn-2")).run_id


async def test_a_run_that_has_ended_cannot_be_cancelled(on: World) -> None:
    thread = await on.provider.create_thread([])
    done, _ = await on.answer(thread, "Hello")

    with pytest.raises(NotCancellable):
        await on.provider.cancel_run(thread, done.run_id or "")


@pytest.mark.parametrize(
    ("directive", "status", "code"),
    [
        ("[[fail]]", "failed", "server_error"),
        ("[[fail rate_limit]]", "failed", "rate_limit_exceeded"),
        ("[[incomplete]]", "incomplete", None),
        ("[[expire]]", None, None),
    ],
)
async def test_every_end_is_told(on: World, directive: str, status: str | None, code: str | None) -> None:
    thread = await on.provider.create_thread([])

    done, _ = await on.answer(thread, f"{directive}Hello")

    assert done.terminal
    assert done.status == (status or {"assistants": "expired", "responses": "failed"}[on.wire])
    if code:
        assert done.error_code == code


async def test_a_status_that_no_wire_documents_is_unknown(on: World) -> None:
    thread = await on.provider.create_thread([])
    state = await on.start(thread, "[[never]]Hello")
    path = f"/runs/{state.run_id}$" if on.wire == "assistants" else f"/responses/{state.run_id}$"
    body = {"id": state.run_id, "status": "meditating"}
    await on.emulator.fault(method="GET", path=path, action={"kind": "status", "status": 200, "body": body})

    seen = await on.provider.get_run(thread, state.run_id or "", TURN)

    assert seen.status == "unknown"
    assert not seen.terminal


async def test_outputs_of_tools_bring_the_answer(on: World) -> None:
    thread = await on.provider.create_thread([])
    asked = await on.ended(thread, await on.start(thread, '[[tool look {"q": "x"}]]Hello'))
    [call] = asked.tool_calls
    given = (ToolOutput(call.call_id, "a fact"),)

    assert (asked.status, call.name, call.arguments) == ("requires_action", "look", '{"q": "x"}')
    if on.provider.outputs_start_run:
        after = replace(thread, cursor=asked.cursor or thread.cursor)
        state = await on.start(after, None, tool_outputs=given, known_run_ids=(asked.run_id or "",))
        assert state.run_id != asked.run_id
    else:
        state = await on.provider.submit_tool_outputs(thread, asked.run_id or "", TURN, given)
        assert state.run_id == asked.run_id
    done = await on.ended(thread, state)

    assert done.text == "Emulated reply 1 to: Hello (look -> a fact)"


LOOK = ToolSpec("look", "Looks it up.", {"type": "object", "properties": {"q": {"type": "string"}}})


async def test_tools_are_offered_for_this_run_only(on: World) -> None:
    thread = await on.provider.create_thread([])

    done = await on.ended(thread, await on.start(thread, "[[who]] one", tools=(LOOK,)))
    after = replace(thread, cursor=done.cursor)
    bare = await on.ended(after, await on.start(after, "[[who]] two", turn_id="turn-2"))

    assert done.text.endswith("; tools: look]")
    assert bare.text.endswith("; tools: ]")


async def test_what_was_said_before_a_call_is_told_while_the_run_waits(on: World) -> None:
    thread = await on.provider.create_thread([])

    asked = await on.ended(thread, await on.start(thread, "[[aside Let me see.]] [[tool look]] go"))

    assert (asked.status, asked.text) == ("requires_action", "Let me see.")


async def step(on: World, thread: Thread, text: str) -> Step:
    """A run that asks for a tool, as it is recorded once the tool has answered."""
    asked = await on.ended(thread, await on.start(thread, text, tools=(LOOK,)))
    [call] = asked.tool_calls
    return Step(asked.run_id, "writer", asked.text, (call,), (ToolOutput(call.call_id, "a fact"),))


async def test_a_new_thread_is_told_the_steps_before_it(on: World) -> None:
    text = "[[aside Let me see.]] [[tool look]] go"
    told = await step(on, await on.provider.create_thread([]), text)
    thread = await on.provider.create_thread([line("user", "Zero"), line("assistant", "Yes", 2)])
    order: dict[str, Any] = {"steps": (told,), "known_run_ids": (told.run_id or "",), "tools": (LOOK,)}

    if on.wire == "assistants":  # the steps are words there: the emulator calls once more, a model would not
        await on.start(thread, text, **order)
        state = await on.emulator.state()
        said = [m["content"][0]["text"]["value"] for m in state["threads"][1]["messages"]]
        assert said == ["Zero", "Yes", text, "Let me see.\nCalled look with {}: a fact"]
        return
    await on.emulator.fault(method="POST", path=CREATE[on.wire], action={"kind": "reset", "when": "after"})
    with pytest.raises(OutcomeUnknown):
        await on.start(thread, text, **order)
    assert await on.provider.find_run(on.order(thread, text, **order)) is None
    *_, run_id = await on.emulator.started(2)
    await on.emulator.reached(run_id)
    found = await on.provider.find_run(on.order(thread, text, **order))

    assert found is not None
    assert found.text == "Emulated reply 2 to: go (look -> a fact)"


async def test_a_turn_of_several_runs_is_erased(on: World) -> None:
    thread = await on.provider.create_thread([line("user", "Zero"), line("assistant", "Yes", 2)])
    text = "[[aside Let me see.]] [[tool look]] go"
    told = await step(on, thread, text)
    if on.provider.outputs_start_run:
        done = await on.ended(thread, await on.start(thread, None, tool_outputs=told.outputs))
    else:
        waiting = told.run_id or ""
        done = await on.ended(thread, await on.provider.submit_tool_outputs(thread, waiting, TURN, told.outputs))
    runs = (told.run_id or "", done.run_id or "")
    after = replace(thread, cursor=done.cursor or thread.cursor)

    assert await on.provider.erase_turn(on.order(after, text, steps=(told,), known_run_ids=runs)) is not None

    state = await on.emulator.state()
    left = state["threads"][0]["messages"] if on.wire == "assistants" else state["conversations"][0]["items"]
    assert len(left) == 2


async def test_who_is_brought_in_is_told_so_where_the_thread_shows_no_calls() -> None:
    async with world("assistants") as on:
        thread = await on.provider.create_thread([])
        handoff = Handoff("orchestrator", "writer", "A script.", "[[say Here it is.]]")

        done = await on.ended(thread, await on.start(thread, "Hello", handoff=handoff))

        assert done.text == "Here it is."
        assert await on.provider.erase_turn(on.order(thread, known_run_ids=(done.run_id or "",))) is not None
        assert not (await on.emulator.state())["threads"][0]["messages"]


async def test_outputs_that_no_run_waits_for_are_refused(on: World) -> None:
    thread = await on.provider.create_thread([])
    done, _ = await on.answer(thread, "Hello")

    with pytest.raises(ProviderRefused):
        await on.provider.submit_tool_outputs(thread, done.run_id or "", TURN, [ToolOutput("call_1", "x")])


async def test_a_call_without_an_output_poisons_a_conversation() -> None:
    async with world("responses") as on:
        thread = await on.provider.create_thread([])
        asked = await on.ended(thread, await on.start(thread, "[[tool look]]Hello"))

        with pytest.raises(UnansweredCalls) as poisoned:
            await on.start(thread, "Again", turn_id="turn-2")

        assert poisoned.value.call_id == asked.tool_calls[0].call_id


async def test_a_thread_that_is_gone(on: World) -> None:
    gone = Thread(on.wire, "thread_gone" if on.wire == "assistants" else "conv_gone")

    with pytest.raises(ThreadGone):
        await on.start(gone)
    with pytest.raises(ThreadGone):
        await on.provider.find_run(on.order(gone))


async def test_a_run_that_is_unknown(on: World) -> None:
    thread = await on.provider.create_thread([])

    with pytest.raises(NotFoundAtProvider):
        await on.provider.get_run(thread, "run_unknown", TURN)


async def test_a_model_that_is_unknown_and_a_key_that_is_wrong_are_refused(on: World) -> None:
    thread = await on.provider.create_thread([])
    refusals = [
        (401, "invalid_api_key", "provider_auth"),
        (404, "model_not_found", "provider_model"),
        (429, "insufficient_quota", "provider_quota"),
    ]
    for status, code, expected in refusals:
        body = {"error": {"message": "No.", "type": "invalid_request_error", "code": code}}
        action = {"kind": "status", "status": status, "body": body}
        await on.emulator.fault(method="POST", path=CREATE[on.wire], action=action)
        with pytest.raises(ProviderRefused) as refused:
            await on.start(thread)
        assert refused.value.code == expected


async def test_a_rate_limit_says_when_to_come_back(on: World) -> None:
    thread = await on.provider.create_thread([])
    action = {"kind": "status", "status": 429, "headers": {"retry-after": "2"}, "body": {}}
    await on.emulator.fault(method="POST", path=CREATE[on.wire], action=action)

    with pytest.raises(RateLimited) as limited:
        await on.start(thread)

    assert limited.value.retry_after == 2
    assert await on.creates() == 1


async def test_a_switched_off_api_is_not_a_thread_that_is_gone() -> None:
    async with world("assistants", assistants=False) as on:
        for refused in (
            on.provider.create_thread([]),
            on.start(Thread("assistants", "thread_1"), agent=replace(AGENT, assistant_id="asst_1")),
            on.provider.get_run(Thread("assistants", "thread_1"), "run_1", TURN),
        ):
            with pytest.raises(ProviderRefused) as absent:
                await refused
            assert absent.value.code == "provider_api_absent"


async def test_a_switched_off_api_means_transcripts_on_the_responses_wire() -> None:
    async with world("responses", conversation="404") as on:
        history: tuple[Message, ...] = (line("user", "Zero"), line("assistant", "Yes", 2))

        thread = await on.provider.create_thread(history)
        assert thread == Thread("responses")
        assert not on.provider.keeps_threads
        done = await on.ended(thread, await on.start(thread, "One", history=history))

        assert done.text == "Emulated reply 2 to: One"


async def test_background_refused_ends_in_the_foreground() -> None:
    async with world("responses", background="refuse") as on:
        thread = await on.provider.create_thread([])

        state = await on.start(thread, "Hello")
        again = await on.start(thread, "Again", turn_id="turn-2")

        assert (state.status, state.text) == ("completed", "Emulated reply 1 to: Hello")
        assert again.text == "Emulated reply 2 to: Again"
        assert await on.creates() == 3, "the refusal is asked for once in a process"


async def test_background_ignored_takes_as_long_as_the_run() -> None:
    # The run lasts longer than any other call may.
    async with world("responses", seconds=0.3, background="ignore", latency_seconds=0.8) as on:
        thread = await on.provider.create_thread([])

        state = await on.start(thread, "Hello")
        again = await on.start(thread, "Again", turn_id="turn-2")

        assert (state.status, state.text) == ("completed", "Emulated reply 1 to: Hello")
        assert again.text == "Emulated reply 2 to: Again"
        assert await on.creates() == 2
        with pytest.raises(NotCancellable):
            await on.provider.cancel_run(thread, state.run_id or "")


async def test_a_create_in_the_foreground_has_its_budget() -> None:
    async with world("responses", seconds=0.2, budget=0.5, background="ignore") as on:
        thread = await on.provider.create_thread([])
        began = asyncio.get_running_loop().time()

        with pytest.raises(OutcomeUnknown):
            await on.start(thread, "[[never]]Hello")

        assert 0.4 < asyncio.get_running_loop().time() - began < 2


async def test_a_create_on_a_known_server_is_left_in_time() -> None:
    async with world("responses", seconds=0.5, budget=20) as on:
        thread = await on.provider.create_thread([])
        _, thread = await on.answer(thread, "Hello")
        await on.emulator.fault(method="POST", path=CREATE["responses"], action={"kind": "hang"})
        began = asyncio.get_running_loop().time()

        with pytest.raises(OutcomeUnknown):
            await on.start(thread, "Again", turn_id="turn-2")

        assert asyncio.get_running_loop().time() - began < 2


async def test_an_answer_that_never_comes_is_found_in_the_conversation() -> None:
    async with world("responses", seconds=0.3, budget=20) as on:
        thread = await on.provider.create_thread([])
        await on.emulator.fault(path=CREATE["responses"], action={"kind": "hang", "when": "after"})
        began = asyncio.get_running_loop().time()

        state = await on.start(thread, "Hello")

        assert (state.status, state.text) == ("completed", "Emulated reply 1 to: Hello")
        assert asyncio.get_running_loop().time() - began < 5
        assert await on.creates() == 1


async def test_a_conversation_ignored_is_told_once_there_is_something_to_forget() -> None:
    async with world("responses", conversation="ignore") as on:
        thread = await on.provider.create_thread([line("user", "Zero"), line("assistant", "Yes", 2)])

        forgotten = await on.ended(thread, await on.start(thread, "One"))

        assert (forgotten.status, forgotten.error_code) == ("failed", "conversation_ignored")
        assert not on.provider.keeps_threads
        history = (line("user", "Zero"), line("assistant", "Yes", 2))
        done = await on.ended(thread, await on.start(thread, "One", history=history))
        assert done.text == "Emulated reply 2 to: One"


async def test_a_conversation_ignored_costs_nothing_at_its_beginning() -> None:
    async with world("responses", conversation="ignore") as on:
        thread = await on.provider.create_thread([])

        done, _ = await on.answer(thread, "Hello")

        assert done.text == "Emulated reply 1 to: Hello"
        assert not on.provider.keeps_threads


async def test_lists_that_lag_show_no_run_that_is_not_ours() -> None:
    async with world("assistants", list_lag_seconds=600) as on:
        thread = await on.provider.create_thread([])
        await on.start(thread, "[[never]]Hello")

        assert await on.provider.find_run(on.order(thread)) is None
        assert await on.provider.find_active_run(thread) is None


async def test_the_server_answers(on: World) -> None:
    assert await on.provider.ping() is True

    await on.emulator.fault(path="/models", times=1, action={"kind": "status", "status": 503})
    assert await on.provider.ping() is False
