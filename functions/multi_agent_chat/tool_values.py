"""What goes into a tool and what comes out of it, as values that every JSON reader takes: both are a model's words."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_DIGITS = 300  # of a number: what a double can hold


def given(arguments: str) -> Any:
    """The arguments of a call: what they mean where they are JSON, their text where they are not."""
    return _value(arguments) if arguments.strip() else {}


def came_of_it(output: str) -> Any:
    return _value(output)


def error_message(output: str) -> str:
    """The sentence of an error that a model was told for an output."""
    value = _value(output)
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else output  # one that was cut where it is long is no JSON any more


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refused, parse_int=_whole, parse_float=_fraction)
    except (ValueError, RecursionError):
        return text
    return value if _harmless(value) else text


def _harmless(value: Any) -> bool:
    """Whether it nests within reason, and has no key for which browsers' readers refuse the whole document."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if "__proto__" in item or "constructor" in item:
                    return False
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return True
        level = below
    return False


def _refused(_: str) -> NoReturn:
    raise ValueError


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value
