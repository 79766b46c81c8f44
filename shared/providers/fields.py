"""Fields of a foreign object, taken for what they should be or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.runs import TERMINAL_RUN_STATUSES, RunStatus, Usage
from shared.providers.text import clean, is_path_step

_MOST_TOKENS = 2**31 - 1
_STATUSES = TERMINAL_RUN_STATUSES | {
    RunStatus.QUEUED,
    RunStatus.IN_PROGRESS,
    RunStatus.REQUIRES_ACTION,
    RunStatus.CANCELLING,
}


def text(value: Any, key: str) -> str:
    """The string under `key`, clean; empty where there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return clean(found) if isinstance(found, str) else ""


def identifier(value: Any, key: str = "id") -> str | None:
    """An id. Numbers are taken as well. What could not be a step of a path is no id: see `is_path_step`."""
    found = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    return found if isinstance(found, str) and is_path_step(found) else None


def named(value: Any, key: str) -> str | None:
    """An id given either as such or as an object that has one: servers differ."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return identifier(found) if isinstance(found, Mapping) else identifier(value, key)


def objects(value: Any, key: str) -> list[Mapping[str, Any]]:
    """The objects of the list under `key`."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def inner(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def status(value: Any, otherwise: str) -> str:
    """The provider's word, where it is one of those that the wires document, else `unknown`."""
    word = text(value, "status").strip() or otherwise
    return word if word in _STATUSES or word == otherwise else RunStatus.UNKNOWN


def usage(value: Any) -> Usage:
    """Both wires' names for the same counts."""
    counts = inner(value, "usage")
    return Usage(_count(counts, "input_tokens", "prompt_tokens"), _count(counts, "output_tokens", "completion_tokens"))


def _count(counts: Mapping[str, Any], *keys: str) -> int:
    for key in keys:
        found = counts.get(key)
        if isinstance(found, int) and not isinstance(found, bool):
            return min(max(found, 0), _MOST_TOKENS)
    return 0
