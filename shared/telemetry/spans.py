"""What is measured while a request is worked on: spans of time and values, handed to a backend where there is one.

Without a backend nothing is imported for it and nothing is kept. The trace that a caller belongs to is passed on to the
provider and to the database in both cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol

Value = str | int | float | bool
TRACE_HEADERS = ("traceparent", "tracestate")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_MAX_TRACESTATE = 512  # characters that W3C has everybody pass on


class Span(Protocol):
    """A piece of work under way."""

    def set(self, **attributes: Value | None) -> None:
        """Names of attributes are written with two underscores for a dot. None is left out."""
        ...

    def rename(self, name: str) -> None: ...

    def fail(self, error_type: str) -> None:
        """It did not come to what it was for; `error_type` is a code, never a message."""
        ...


class Backend(Protocol):
    def span(
        self, name: str, kind: str, parent: Mapping[str, str], attributes: Mapping[str, Value]
    ) -> AbstractContextManager[Span]: ...

    def headers(self) -> Mapping[str, str]:
        """The present span, as W3C's headers."""
        ...

    def record(self, name: str, value: float, attributes: Mapping[str, Value]) -> None: ...


class _Unmeasured:
    def set(self, **attributes: Value | None) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass


_UNMEASURED = _Unmeasured()
_backends: list[Backend] = []  # of this process: none or one
_caller: ContextVar[Mapping[str, str]] = ContextVar("caller_trace", default={})  # noqa: B039 (never mutated)


def send_to(backend: Backend | None) -> None:
    """From now on; None: nowhere."""
    _backends[:] = [] if backend is None else [backend]


@contextmanager
def called_by(headers: Mapping[str, str]) -> Iterator[None]:
    """The trace of who calls, taken from W3C's headers where they are well formed."""
    given = {name: headers.get(name, "") for name in TRACE_HEADERS}
    trace: dict[str, str] = {}
    if _TRACEPARENT.fullmatch(given["traceparent"]):
        trace["traceparent"] = given["traceparent"]
        if 0 < len(given["tracestate"]) <= _MAX_TRACESTATE and given["tracestate"].isascii():
            trace["tracestate"] = given["tracestate"]
    token = _caller.set(trace)
    try:
        yield
    finally:
        _caller.reset(token)


def trace_headers() -> Mapping[str, str]:
    """For a call to another server: the present span, or the trace of who called us."""
    return _backends[0].headers() if _backends else _caller.get()


@contextmanager
def span(name: str, kind: str = "internal", **attributes: Value | None) -> Iterator[Span]:
    """`kind`: server, client or internal. Attributes as of `Span.set`."""
    if not _backends:
        yield _UNMEASURED
        return
    with _backends[0].span(name, kind, _caller.get(), dotted(attributes)) as made:
        yield made


def record(name: str, value: float, **attributes: Value | None) -> None:
    """One value of a metric that the backend knows by its name."""
    if _backends:
        _backends[0].record(name, value, dotted(attributes))


def dotted(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
