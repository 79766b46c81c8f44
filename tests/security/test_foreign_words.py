"""What a provider writes where an id, a code or a status belongs: it leads to no other path, and is not shown."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.multi_agent_chat import render
from functions.multi_agent_chat.stream.ui_messages import UiStream
from shared import logs
from shared.core.chat_events import EventName, RunConflicted
from shared.core.errors import ActiveRun, OutcomeUnknown, ProviderRefused
from shared.core.redaction import shown_code, shown_id
from shared.core.runs import Thread
from shared.core.turns import RunRecord
from shared.ports import Provider
from shared.providers.assistants.runs import run_state
from shared.providers.refusals.classify import from_answer
from shared.providers.responses.items import response_state
from tests.http.fakes import make_turn
from tests.http.tokens import ALICE
from tests.providers.making import TURN, answer, assistants, raw_server, responses, start

WIRES: dict[str, Callable[..., Provider]] = {"responses": responses, "assistants": assistants}
NO_STEPS = [
    ".",
    "..",
    "",
    "a/../b",
    "../a",
    "a/.",
    "/a",
    "a//b",
    "/",
    "..\\x",
    "%2e%2e",
    "a%2Fb",
    "a?b",
    "a#b",
    "a b",
    "a\nb",
    "a\r\nb",
    "a\x00",
    "\x7f",
]
DIARY = "Dear diary, today I said to him that"
SECRETS = [
    "sk-proj-abcdefghijklmnop",
    "sb_secret_abcdefghijkl",
    "Bearer abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "api_key=abcdefghijkl",
]


# --- ids that would become paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("bad", NO_STEPS)
async def test_an_id_that_is_no_step_of_a_path_is_not_sent(wire: str, bad: str) -> None:
    async with raw_server(answer(b"{}")) as (server, client):
        provider: Provider = WIRES[wire](client)
        with pytest.raises(ProviderRefused):
            await provider.get_run(Thread(wire, "thread_1"), bad, TURN)
        with pytest.raises(ProviderRefused):
            await provider.cancel_run(Thread(wire, "thread_1"), bad)
        if wire == "assistants":
            with pytest.raises(ProviderRefused):
                await provider.get_run(Thread(wire, bad), "run_1", TURN)
        assert not await provider.delete_thread(Thread(wire, bad))
        assert not server.requests


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("bad", [*NO_STEPS, DIARY, "x" * 5000])
async def test_an_id_that_is_no_step_of_a_path_is_no_id(wire: str, bad: str) -> None:
    made = answer(json.dumps({"id": bad, "object": "thing", "status": "in_progress", "background": True}).encode())
    async with raw_server(made) as (_, client):
        provider: Provider = WIRES[wire](client)
        with pytest.raises(OutcomeUnknown):
            await provider.create_thread([])
        with pytest.raises(OutcomeUnknown):
            await provider.start_run(start(Thread(wire, "thread_1")))


@pytest.mark.parametrize("bad", ["run_../../x", "run_a%2e%2e", "run_a?b", "run_#"])
def test_no_other_path_is_taken_from_a_sentence(bad: str) -> None:
    body = {"error": {"message": f"Thread t already has an active run {bad}.", "type": "invalid_request_error"}}
    error = from_answer(400, {}, json.dumps(body).encode())
    assert isinstance(error, ActiveRun)
    assert error.run_id is None


# --- statuses, codes and ids that are shown ---------------------------------------------------------------------------


@pytest.mark.parametrize("state_of", [run_state, response_state])
@pytest.mark.parametrize("word", [DIARY, "paused", "", 7, None, ["completed"]])
def test_a_status_that_no_wire_documents_is_unknown(state_of: Callable[[dict[str, Any]], Any], word: Any) -> None:
    assert state_of({"id": "r", "status": word}).status == "unknown"


@pytest.mark.parametrize("word", [DIARY, *SECRETS, "x" * 200, "a\nb", "\u00e9"])
def test_a_code_that_does_not_look_like_one_is_unknown(word: str) -> None:
    for error, state_of in (("last_error", run_state), ("error", response_state)):
        state = state_of({"id": "r", "status": "failed", error: {"code": word, "message": DIARY}})
        assert state.error_code == "unknown"
    assert shown_code(word) == "unknown"
    refused = from_answer(400, {}, json.dumps({"error": {"code": word, "message": "No."}}).encode())
    assert word not in repr(refused.details)


def test_a_code_is_kept() -> None:
    failed = {"id": "r", "status": "failed", "last_error": {"code": "server_error"}}
    assert run_state(failed).error_code == "server_error"
    assert run_state({"id": "r", "status": "incomplete", "incomplete_details": {"reason": "max_tokens"}}).error_code


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    handler = logging.StreamHandler(written := io.StringIO())
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger(logs.OURS)
    level, logger.level = logger.level, logging.INFO
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)
    logger.level = level


@pytest.mark.parametrize("word", [DIARY, *SECRETS, "x" * 200])
def test_an_id_that_does_not_look_like_one_is_shown_as_a_digest(lines: io.StringIO, word: str) -> None:
    logs.event(EventName.RUN_STARTED, run_id=word, nested={"active_run": word, "call_id": [word]})
    turn = make_turn(ALICE, runs=(RunRecord(word, "writer", "completed"),))
    stream = UiStream()
    shown = [lines.getvalue(), json.dumps(render.turn_state(turn))]
    shown.append(stream.opening(turn, False).decode() + stream.event(RunConflicted(word)).decode())
    for text in shown:
        assert word not in text
        assert str(shown_id(word)) in text
    assert str(shown_id(word)).startswith("id-")
    assert shown_id("resp_68a1-b.2:c") == "resp_68a1-b.2:c"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_logged_in_any_field(lines: io.StringIO, secret: str) -> None:
    with logs.bound(request=f"about {secret} it"):
        logs.event(EventName.RUN_STARTED, path=secret, deep={"list": [f"({secret})"]})
    assert "abcdefghijkl" not in lines.getvalue()
    assert secret not in lines.getvalue()
    assert "***" in lines.getvalue()
