"""JSON, read so that every reader of the same bytes understands the same thing."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NoReturn

from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

MAX_DEPTH = 8
_ALLOWED_CONTROLS = "\t\n"
# A string, ended or not, in one linear pass: brackets inside it are text.
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse(body: bytes) -> Any:
    """One document of UTF-8 JSON: no BOM, no NaN, no key twice, nothing deeper than MAX_DEPTH, no half characters.

    Raises InvalidRequest: `invalid_json` for what is not such a document, `invalid_request` for characters that no
    text may have.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal("The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise _refusal("The body begins with a byte order mark.")
    if _depth(text) > MAX_DEPTH:
        raise _refusal(f"The body is nested more than {MAX_DEPTH} levels deep.")
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _refusal("The body is not one JSON document.") from None
    if any(has_forbidden_character(string) for string in _strings(document)):
        raise InvalidRequest("A text holds a control character or half of a character.")
    return document


def has_forbidden_character(text: str) -> bool:
    """Control characters other than tab and newline, and lone surrogates."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(char) in ("Cc", "Cs") and char not in _ALLOWED_CONTROLS for char in text)


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code=ErrorCode.INVALID_JSON)


def _depth(text: str) -> int:
    """How deep arrays and objects nest, without recursion: counted before any parser sees the text."""
    depth = deepest = 0
    for token in _BRACKET.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in ("]", "}"):
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _refusal("An object has the same key twice.")
    return result


def _constant(_: str) -> NoReturn:
    raise _refusal("NaN and infinities are not JSON.")


def _strings(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from _strings(value)
    elif isinstance(document, list):
        for value in document:
            yield from _strings(value)
