from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import logs
from shared.core.chat_events import EventName

CANARY = "canary-77e0-never-logged"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)

    def read() -> list[dict[str, Any]]:
        assert CANARY not in stream.getvalue()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_line_of_json(lines: Lines) -> None:
    logs.event(EventName.TURN_ACCEPTED, turn_id="t1", seq=4)
    logs.event(EventName.RUN_CONFLICTED, level=logging.WARNING, active_run="run_1")
    first, second = lines()
    assert first["message"] == "turn.accepted"
    assert (first["severity"], first["turn_id"], first["seq"]) == ("INFO", "t1", 4)
    assert first["time"].endswith("+00:00")
    assert (second["severity"], second["message"], second["active_run"]) == ("WARNING", "run.conflicted", "run_1")


async def test_bound_fields_reach_tasks_and_end_with_their_block(lines: Lines) -> None:
    async def inner() -> None:
        logs.event(EventName.RUN_STARTED)

    with logs.bound(request_id="r1", **logs.trace_fields("0123456789abcdef0123456789ABCDEF/12;o=1", "my-project")):
        await asyncio.create_task(inner())
    logs.event(EventName.TURN_COMPLETED)
    first, second = lines()
    assert first["request_id"] == "r1"
    assert first["logging.googleapis.com/trace"] == "projects/my-project/traces/0123456789abcdef0123456789abcdef"
    assert "request_id" not in second


@pytest.mark.parametrize("header", [None, "", "x/1;o=1", "0123456789abcdef0123456789abcdef/1;o=1\nx", "0" * 33])
def test_a_trace_header_that_is_none_is_left_out(header: str | None) -> None:
    assert logs.trace_fields(header, "my-project") == {}
    assert logs.trace_fields("0" * 32, None) == {}


def test_exceptions_say_type_and_place_but_not_what_they_quote(lines: Lines) -> None:
    def fail() -> None:
        text = CANARY
        raise ValueError(f"cannot read {text}")

    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError:
        logging.getLogger("multi_agent_chat").exception("request.failed")
    (line,) = lines()
    assert line["exception"]["type"] == "RuntimeError"
    assert "tests/test_logs.py" in line["exception"]["at"][-1]
    assert line["exception"]["causes"][0]["type"] == "ValueError"
    assert line["exception"]["causes"][0]["at"][0].endswith(" fail")


def test_an_exception_that_is_its_own_cause_ends(lines: Lines) -> None:
    error = ValueError("x")
    error.__context__ = RuntimeError("y")
    error.__context__.__context__ = error
    logging.getLogger("multi_agent_chat").error("request.failed", exc_info=error)
    assert len(lines()) == 1


def test_other_libraries_lose_what_they_interpolate(lines: Lines) -> None:
    logging.getLogger("some.library").warning("body was %s", CANARY)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {CANARY}")
    first, second = lines()
    assert (first["message"], first["logger"]) == ("body was %s", "some.library")
    assert second["message"] == "Task exception was never retrieved"


@pytest.mark.parametrize(
    "name", ["httpx", "httpx2", "httpcore2.http11", "openai._base_client", "uvicorn.access", "postgrest"]
)
def test_libraries_that_log_addresses_are_quiet(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("GET https://host/%s", CANARY)
    assert lines() == []


def test_handlers_of_the_servers_are_taken_away(lines: Lines) -> None:
    stray = io.StringIO()
    for name in ("uvicorn.error", "gunicorn.error"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.StreamHandler(stray))
        logger.propagate = False
    logs.configure("INFO", io.StringIO())
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=ValueError(CANARY))
    logging.getLogger("gunicorn.error").error("boom")
    assert stray.getvalue() == ""


def test_what_is_no_json_does_not_break_a_line(lines: Lines) -> None:
    logs.event(EventName.TURN_ACCEPTED, odd=object(), half="\ud800", many={1, 2})
    assert lines()[0]["odd"] == "object"


def test_there_is_one_way_to_log_an_event() -> None:
    """No other module of ours asks for a logger."""
    root = Path(logs.__file__).parents[1]
    for path in [*(root / "shared").rglob("*.py"), *(root / "functions").rglob("*.py")]:
        if path == Path(logs.__file__):
            continue
        names = [node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        assert {"getLogger", "Logger", "LoggerAdapter"}.isdisjoint(names), path
