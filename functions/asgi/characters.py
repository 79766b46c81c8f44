"""The characters that a text may have, for every text of a request: one rule in one place.

CR, CRLF, VT, FF and NEL are taken as newlines, because people paste them. All other control characters but tab and
newline, and halves of characters (lone surrogates), are refused: databases, logs or terminals give them a meaning.
Everything else is kept as it came.
"""

from __future__ import annotations

import re
from typing import Any

from shared.core.error_codes import ErrorCode
from shared.core.errors import InvalidRequest

# What stands between the brackets of a class, in the way that all readers of regular expressions have in common.
FORBIDDEN = r"\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f"
LINE_ENDS = r"\u0009-\u000d\u0085"  # and the tab: allowed, but not in what has one line
# Blanks and format characters (Zs, Zl, Zp, Cf of Unicode 15), and those that show nothing though they are letters.
INVISIBLE = (
    r"\u0020\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u1680\u17b4-\u17b5"
    r"\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85]")
_FORBIDDEN = re.compile(rf"[{FORBIDDEN}\ud800-\udfff]")
# JSON text without any of these has neither: controls below U+0020 stand in it as escapes only.
_SUSPICIOUS = re.compile(r"\\[ubfr]|[\x7f-\x9f]")
_SHOWABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def may_need_cleaning(json_text: str) -> bool:
    return _SUSPICIOUS.search(json_text) is not None


def cleaned(value: Any, place: str = "") -> Any:
    """A JSON value with its newlines made uniform, in keys and texts at any depth; `place` is its name for people.

    Raises InvalidRequest, which names the character and its place, and `invalid_json` where two keys become one.
    """
    if isinstance(value, str):
        return _cleaned_text(value, place)
    if isinstance(value, list):
        return [cleaned(item, f"{place}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, dict):
        result = {_cleaned_text(key, place): cleaned(item, _inside(place, key)) for key, item in value.items()}
        if len(result) != len(value):
            raise InvalidRequest("An object has the same key twice.", code=ErrorCode.INVALID_JSON)
        return result
    return value


def _cleaned_text(text: str, place: str) -> str:
    if found := _FORBIDDEN.search(text):
        character, position = f"U+{ord(found[0]):04X}", found.start() + 1
        where = f" of {place}" if place else ""
        raise InvalidRequest(
            f"The character {character} at position {position}{where} is not allowed.",
            details={"character": character, "position": position} | ({"field": place} if place else {}),
        )
    return _NEWLINES.sub("\n", text)


def _inside(place: str, key: str) -> str:
    """The place of an object's value. A key that may hold anything is not repeated: its object is named instead."""
    if not _SHOWABLE_NAME.fullmatch(key):
        return place
    return f"{place}.{key}" if place else key
