"""JSON, read so that every reader of the same bytes understands the same thing."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from functions.asgi import characters
from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

MAX_DEPTH = 32
MAX_VALUES = 50_000  # about 100 ms of the processor, which all other requests wait for
# A string, ended or not, in one linear pass: brackets and commas inside it are text.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{},]', re.DOTALL)


def parse(body: bytes) -> Any:
    """One document of UTF-8 JSON: no BOM, no NaN, no key twice, nothing deeper than MAX_DEPTH, at most MAX_VALUES.

    Raises InvalidRequest: `invalid_json` for what is not such a document, `invalid_request` for characters that no
    text may have (characters.py).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal("The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise _refusal("The body begins with a byte order mark.")
    _check_size(text)
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _refusal("The body is not one JSON document.") from None
    return characters.cleaned(document) if characters.may_need_cleaning(text) else document


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code=ErrorCode.INVALID_JSON)


def _check_size(text: str) -> None:
    """Count depth and values before any parser sees the text: without recursion, and no further than the limits."""
    depth = values = 0
    for token in _STRUCTURE.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                values += 1
            case "]" | "}":
                depth -= 1
            case ",":
                values += 1
        if depth > MAX_DEPTH:
            raise _refusal(f"The body is nested more than {MAX_DEPTH} levels deep.")
        if values > MAX_VALUES:
            raise _refusal(f"The body has more than {MAX_VALUES} values.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _refusal("An object has the same key twice.")
    return result


def _constant(_: str) -> NoReturn:
    raise _refusal("NaN and infinities are not JSON.")
