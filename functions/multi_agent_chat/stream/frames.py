"""Server-sent events: one JSON document a frame."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"

# Some readers take these for line ends; JSON may have them escaped.
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def frame(part: Mapping[str, Any]) -> bytes:
    text = json.dumps(part, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return b"data: " + whole(_LINE_ENDS.sub(_escaped, text)).encode() + b"\n\n"


def whole(text: str) -> str:
    """Without halves of characters: two that belong together are joined, a lone one is replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
