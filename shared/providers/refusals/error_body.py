"""What an error body says, in any of the known wrappings: the codes, the message, the parameter.

Seen in the wild: `{"error": {...}}`, `{"error": "text"}`, `{"detail": ...}`, a bare `{"message", "code"}`, lists of
them, JSON inside a string, a Python repr, an SSE frame, an SDK's log line around any of these, HTML, nothing.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

BODY_CHARS = 64 * 1024
"""How much of an error body is read: what matters stands at the beginning."""
MESSAGE_CHARS = 16 * 1024
_REPR_CHARS = 16 * 1024
_DEPTH = 5
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\- ]{1,79}")
_WORD_START, _NO_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])"), re.compile(r"[^a-z0-9]+")
_FRAME = re.compile(r"^data:[ \t]?(\{.*)$", re.MULTILINE)
_OBJECT = re.compile(r"[{\[]")
# of a body that was cut off on its way
_CODE_FIELD = re.compile(r"\"(?:code|type)\"\s{0,20}:\s{0,20}\"([A-Za-z][\w.\-]{1,79})\"")
_TEXT_FIELD = re.compile(r"\"(?:message|detail|error|msg)\"\s{0,20}:\s{0,20}\"((?:\\.|[^\"\\])*+)")
_CODE_KEYS = ("code", "type", "error_code", "errorCode", "reason", "kind", "name")
_TEXT_KEYS = ("message", "detail", "error", "msg", "error_description", "error_message", "errorMessage", "title")
_WRAPPERS = ("error", "detail", "errors", "message", "innererror", "response", "body", "data")

# What clients and gateways write before the provider's own words. Anything else before them is a quoted sentence.
_PREFIX = re.compile(
    r"(?:(?:"
    r"[A-Za-z_][\w.]{0,80}(?:Error|Exception)(?!\w)"  # openai.BadRequestError, ClientResultException
    r"|(?:error(?: code)?|http(?: error)?|(?:http )?status(?: code)?|code|response body|body|data|detail|message"
    r"|upstream|bad ?request|conflict|locked|unprocessable(?: entity| content)?|request failed)(?![\w'])"
    r"|\w{1,40} failed!"
    r"|(?:post|get|put|delete) \"?https?://[^\s\"]{1,300}\"?"
    r"|[a-z]{2,20}exception(?= - )"
    r"|\((?:none|null|[a-z_]{1,40}:? ?)\)"
    r"|\[?[45]\d\d\b\]?"
    r")[\s:|\-\u2013\u2014,]*){1,8}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One error as its server describes it."""

    codes: tuple[str, ...] = ()  # in snake_case, most specific place first; `code`, then `type` and its like
    message: str = ""
    param: str | None = None  # the field the server complains of
    status: int | None = None  # a status inside the body: stream frames and gateways carry one
    structured: bool = False  # an object was read; False for prose, HTML and nothing at all


def read_error(body: bytes | str | None) -> Fault:
    """Never raises; a body that says nothing is an empty Fault."""
    if body is None:
        return Fault()
    text = body[: BODY_CHARS * 4].decode("utf-8-sig", "replace") if isinstance(body, bytes) else body
    return _read_text(text[:BODY_CHARS], _DEPTH)


def own_words(message: str) -> str:
    """The message without what clients and gateways put before it."""
    found = _PREFIX.match(message)
    return message[found.end() :] if found else message


def snake(word: str) -> str:
    """`ConversationLocked`, `conversation-locked` and `CONVERSATION_LOCKED` are one code."""
    return _NO_WORD.sub("_", _WORD_START.sub("_", word.strip()).lower()).strip("_")


def _read_text(text: str, depth: int) -> Fault:
    text = text.strip()
    if text[:1] in ("<", ""):
        return Fault()
    for value in _values(text):
        fault = _read_value(value, depth - 1)
        if fault.message or fault.codes:
            return replace(fault, structured=True)
    if text[:1] in "{[":
        return _read_fragment(text)
    return Fault(message=text[:MESSAGE_CHARS])


def _values(text: str) -> Iterator[Any]:
    """The objects this text may stand for: itself, its stream frames, or what follows a client's own words."""
    whole = _parse(text)
    if isinstance(whole, dict | list | str):
        yield whole
        return
    frames = _FRAME.findall(text)
    yield from (value for value in map(_parse, frames[:20]) if isinstance(value, dict))
    start = _OBJECT.search(text)
    if start and start.start() <= 400 and _PREFIX.fullmatch(text[: start.start()]):
        end = max(text.rfind("}"), text.rfind("]")) + 1
        inner = _parse(text[start.start() : end])
        if isinstance(inner, dict | list):
            yield inner


def _parse(text: str) -> Any:
    """JSON or a Python repr; None where it is neither."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    shallow = len(text) <= _REPR_CHARS and text.count("{") + text.count("[") + text.count("(") <= 60
    if text[:1] in ("{", "[") and shallow:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an odd escape in foreign text needs no warning
                return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    return None


def _read_value(value: Any, depth: int) -> Fault:
    if depth < 0:
        return Fault()
    if isinstance(value, str):
        return _read_string(value, depth)
    if isinstance(value, list):
        faults = (_read_value(item, depth - 1) for item in value[:5])
        return next((fault for fault in faults if fault.message or fault.codes), Fault())
    return _read_object(value, depth) if isinstance(value, Mapping) else Fault()


def _read_string(text: str, depth: int) -> Fault:
    """A code, or a message, or a whole error written into a string."""
    text = text.strip()[:BODY_CHARS]
    if _CODE.fullmatch(text) and " " not in text and ("_" in text or "-" in text or text.isupper()):
        return Fault(codes=(snake(text),))
    if "{" in text:
        inner = _read_text(text, depth - 1)
        if inner.structured:
            return inner
    return Fault(message=text[:MESSAGE_CHARS])


def _read_object(value: Mapping[Any, Any], depth: int) -> Fault:
    codes = [snake(word) for key in _CODE_KEYS if isinstance(word := value.get(key), str) and _CODE.fullmatch(word)]
    message = ""
    inner = Fault()
    for key in (*_WRAPPERS, *_TEXT_KEYS):
        part = value.get(key)
        if isinstance(part, str) and key in _TEXT_KEYS:
            found = _read_string(part, depth)
            message = message or found.message
            inner = _joined(inner, found)
        elif isinstance(part, dict | list) and key in _WRAPPERS:
            inner = _joined(inner, _read_value(part, depth - 1))
    return Fault(
        codes=tuple(dict.fromkeys((*inner.codes, *codes))),
        message=(inner.message or message)[:MESSAGE_CHARS],
        param=_param(value) or inner.param,
        status=_status(value) or inner.status,
    )


def _joined(first: Fault, second: Fault) -> Fault:
    return Fault(
        codes=(*first.codes, *second.codes),
        message=first.message or second.message,
        param=first.param or second.param,
        status=first.status or second.status,
    )


def _param(value: Mapping[Any, Any]) -> str | None:
    for key in ("param", "parameter", "field", "target", "loc"):
        part = value.get(key)
        if isinstance(part, list | tuple) and part:  # FastAPI's way of naming a field
            return ".".join(str(step)[:40] for step in part[:8])
        if isinstance(part, str) and part.strip():
            return part.strip()[:200]
    return None


def _status(value: Mapping[Any, Any]) -> int | None:
    for key in ("status", "status_code", "statusCode", "http_status"):
        part = value.get(key)
        if isinstance(part, int) and not isinstance(part, bool) and 400 <= part <= 599:
            return part
    return None


def _read_fragment(text: str) -> Fault:
    """A body cut off on its way: its first code and its message, as far as they came.

    A quotation mark inside a JSON string is escaped, so a user's text cannot pose as a field here.
    """
    codes = _CODE_FIELD.findall(text)
    message = _TEXT_FIELD.search(text)
    words = ""
    if message:
        try:
            words = str(json.loads(f'"{message[1]}"', strict=False))
        except ValueError:
            words = message[1]
    return Fault(codes=tuple(snake(code) for code in codes[:4]), message=words[:MESSAGE_CHARS])
