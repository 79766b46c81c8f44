"""Reads a request's body: refused before it is held, never inflated, never waited for without end."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from functions.asgi import strict_json
from shared.core.error_codes import ErrorCode
from shared.core.errors import ChatError, InvalidRequest

MAX_BODY_BYTES = 1024 * 1024  # a chat that its client sends whole; 32,000 characters of any script
MAX_UNREAD_BYTES = 32 * 1024 * 1024  # of all bodies together that are on their way
MAX_LENGTH_DIGITS = 10
STALL_SECONDS = 5.0  # without another byte
BODY_SECONDS = 20.0  # for all of it

_PARAMETER = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"([^"\\]*)"|([!#$%&\'*+.^_`|~0-9A-Za-z-]+))\s*')


async def read_json(request: Request) -> Any:
    """The body as strict JSON. Raises InvalidRequest with the code that says what is wrong with it."""
    check_encoding(request.headers)
    if not is_json(request.headers.get("content-type", "")):
        raise InvalidRequest(code=ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    return strict_json.parse(await read_body(request))


async def read_nothing(request: Request) -> None:
    """The body of a request that needs none: empty, or an empty JSON object."""
    check_encoding(request.headers)
    body = await read_body(request)
    if not body:
        return
    if not is_json(request.headers.get("content-type", "")):
        raise InvalidRequest(code=ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    document = strict_json.parse(body)
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if document:
        raise InvalidRequest("This request takes no fields.", code=ErrorCode.UNKNOWN_FIELD)


def is_json(content_type: str) -> bool:
    """application/json, in UTF-8 where it names a character set."""
    media_type, *parameters = content_type.split(";")
    if media_type.strip().lower() != "application/json":
        return False
    for parameter in parameters:
        if not parameter.strip():
            continue
        match = _PARAMETER.fullmatch(parameter)
        if match is None:
            return False
        value = match[2] if match[2] is not None else match[3]
        if match[1].lower() == "charset" and value.lower() not in ("utf-8", "utf8"):
            return False
    return True


def check_encoding(headers: Headers) -> None:
    encodings = [part.strip().lower() for value in headers.getlist("content-encoding") for part in value.split(",")]
    if any(encoding not in ("", "identity") for encoding in encodings):
        raise InvalidRequest(code=ErrorCode.UNSUPPORTED_ENCODING)


async def read_body(request: Request) -> bytes:
    """At most MAX_BODY_BYTES, within BODY_SECONDS. Raises ClientDisconnect when the client has left.

    Bodies of slow senders are bounded together: one more is told `overloaded`.
    """
    announced = request.headers.get("content-length", "0").lstrip("0")
    if len(announced) > MAX_LENGTH_DIGITS or (announced.isdecimal() and int(announced) > MAX_BODY_BYTES):
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                async with asyncio.timeout(STALL_SECONDS):
                    message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                body += piece
                _unread.size += len(piece)
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                if _unread.size > MAX_UNREAD_BYTES:
                    raise ChatError(code=ErrorCode.OVERLOADED, retryable=True, retry_after=BODY_SECONDS)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise InvalidRequest(code=ErrorCode.REQUEST_TIMEOUT, retryable=True) from None
    finally:
        _unread.size -= len(body)


@dataclass(slots=True)
class _Unread:
    """What this process holds of bodies that have not come to their end, in bytes."""

    size: int = 0


_unread = _Unread()


def _too_large() -> InvalidRequest:
    message = f"The body is larger than {MAX_BODY_BYTES} bytes."
    return InvalidRequest(message, code=ErrorCode.BODY_TOO_LARGE, details={"limit": MAX_BODY_BYTES})
