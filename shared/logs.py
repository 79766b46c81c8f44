"""Logs: one JSON object a line, one event a transition, and never what people or models wrote.

Our own code logs with `event` and in no other way. Records of other libraries keep the first line of their template and
lose their arguments, because those may hold anything. Keys and tokens are taken out of every line, here alone.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from shared.core.chat_events import EventName
from shared.core.redaction import redacted

OURS = "multi_agent_chat"
_logger = logging.getLogger(OURS)
_listeners: list[Callable[[str, Mapping[str, Any]], None]] = []  # of this process: none or one
_context: ContextVar[dict[str, Any]] = ContextVar("log_context", default={})  # noqa: B039 (never mutated)

# These log addresses, headers or bodies below WARNING.
_CHATTY = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "openai",
    "hpack",
    "h11",
    "supabase",
    "postgrest",
    "asyncio",
    "uvicorn",
    "gunicorn",
)
# These bring handlers of their own, with tracebacks in plain text; access lines are one event of ours instead.
_HANDLED = ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access")
_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=[0-9])?")
_EXECUTION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_MAX_FRAMES = 12


def event(
    name: EventName, /, *, level: int = logging.INFO, exception: BaseException | None = None, **fields: Any
) -> None:
    """Log one event and its fields, never the text of a message. Of an exception its type and place are logged."""
    _logger.log(level, name.value, exc_info=exception, extra={"event": fields})
    for listener in _listeners:
        listener(name.value, fields)


def listen(listener: Callable[[str, Mapping[str, Any]], None] | None) -> None:
    """Have each event counted by this listener; None: by no one."""
    _listeners[:] = [] if listener is None else [listener]


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add fields to every line logged inside, in tasks started inside as well."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def trace_fields(header: str | None, project: str | None) -> dict[str, Any]:
    """What joins a line to its trace, from the X-Cloud-Trace-Context header; empty where either is missing."""
    match = _TRACE.fullmatch(header or "")
    if not match or not project:
        return {}
    return {"logging.googleapis.com/trace": f"projects/{project}/traces/{match[1].lower()}"}


def execution_fields(header: str | None) -> dict[str, Any]:
    """What joins a line to a function's execution, from the Function-Execution-Id header; empty where it has none."""
    if not header or not _EXECUTION_ID.fullmatch(header):
        return {}
    return {"logging.googleapis.com/labels": {"execution_id": header}}


def describe(error: BaseException) -> dict[str, Any]:
    """Type and place of an exception and of its causes, without its message: that may quote what must not be logged."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    described: dict[str, Any] = {"type": _type_name(error), "at": _frames(error.__traceback__)}
    if chain[1:]:
        described["causes"] = [
            {"type": _type_name(cause), "at": _frames(cause.__traceback__)[-1:]} for cause in chain[1:]
        ]
    return described


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{'/'.join(Path(code.co_filename).parts[-3:])}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-_MAX_FRAMES:]


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        line: dict[str, Any] = {
            "severity": record.levelname,
            "message": record.getMessage() if ours else str(record.msg).partition("\n")[0][:200],
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        }
        if not ours:
            line["logger"] = record.name
        line |= _context.get()
        fields = getattr(record, "event", None)
        if ours and isinstance(fields, dict):
            line |= fields
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe(record.exc_info[1])
        line = redacted(line)
        return json.dumps(line, default=lambda value: type(value).__name__, ensure_ascii=True)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Take over the root logger of this process. Safe to repeat; the last call wins.

    With LOG_EXECUTION_ID the Functions Framework configures logging after our modules were imported, which disables
    every logger that exists by then, and puts a stream of its own in the place of sys.stderr while a request begins.
    """
    for logger in [*logging.root.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            logger.disabled = False
    handler = logging.StreamHandler(stream or sys.__stderr__)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _logger.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name in _HANDLED:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = not name.endswith(".access")
