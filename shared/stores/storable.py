"""What Postgres can keep of a value. Users' input was checked at the door; models and providers send what they like."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

DEPTH = 32  # nested deeper, a document is no data that is meant, and ends some parsers


def storable(value: Any, depth: int = 0) -> Any:
    """The same value without NUL characters, lone surrogates, infinities and bottomless nesting."""
    if isinstance(value, str):
        joined = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return joined.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        if depth >= DEPTH:
            return None
        return {storable(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return None if depth >= DEPTH else [storable(item, depth + 1) for item in value]
    return value


def as_json(value: Any) -> str:
    """JSON travels to the database as text: drivers differ in what they make of a jsonb argument."""
    return json.dumps(storable(value), ensure_ascii=False, allow_nan=False)
