"""One HTTP request as our own code knows it, whichever of the functions it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

CLIENT_DONE = "client_done"  # the scope's extension by which connection.py tells that a client sends no more
JSON, EVENT_STREAM, MARKDOWN = "application/json", "text/event-stream", "text/markdown"


@dataclass(slots=True)
class Call:
    """Travels in the ASGI scope. `arrived_at` is on the clock of the service."""

    request_id: str
    arrived_at: float
    prefix: str  # what stood before the route in the path as called
    path: str
    route: str = "unknown"  # the route's pattern: paths themselves are not logged
    media_type: str = JSON  # of the answer
    code: str = ""  # of the error in which an answer ended that had begun as none
    client_done: asyncio.Event = field(default_factory=asyncio.Event)  # it has closed its half of the connection
    afterwards: list[Callable[[], None]] = field(default_factory=list)  # called once the answer has left


def call_of(request: Request) -> Call:
    """The call that the gateway has put into the request's scope."""
    call = request.scope["call"]
    assert isinstance(call, Call)  # noqa: S101 (what the gateway has put there)
    return call


def base_of(request: Request) -> str:
    """What stands before a route in this function's addresses, as its caller sees them."""
    prefix = call_of(request).prefix
    host = request.headers.get("host", "").partition(":")[0].lower()
    # this front end takes the function's name off the path before we see it
    return prefix or ("/multi-agent-chat" if host.endswith(".cloudfunctions.net") else "")
