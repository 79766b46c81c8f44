"""Reads a UI message stream the way its strict readers do, and refuses what they would refuse."""

from __future__ import annotations

import json
from typing import Any

DATA = b"data: "
DONE = b"[DONE]"
# The keys of each part: the strictest of the readers' schemas takes no others.
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "start": ({"messageId", "messageMetadata"}, set()),
    "text-start": ({"id"}, set()),
    "text-delta": ({"id", "delta"}, set()),
    "text-end": ({"id"}, set()),
    "tool-input-available": ({"toolCallId", "toolName", "input", "dynamic"}, {"providerExecuted"}),
    "tool-output-available": ({"toolCallId", "output", "dynamic"}, {"providerExecuted"}),
    "tool-output-error": ({"toolCallId", "errorText", "dynamic"}, {"providerExecuted"}),
    "file": ({"url", "mediaType", "providerMetadata"}, set()),
    "data-image": ({"id", "data"}, set()),
    "source-url": ({"sourceId", "url"}, {"title"}),
    "source-document": ({"sourceId", "mediaType", "title"}, {"filename"}),
    # of readers that say that they know them
    "tool-approval-request": ({"approvalId", "toolCallId"}, set()),
    "tool-approval-response": ({"approvalId", "approved"}, {"reason"}),
    "tool-output-denied": ({"toolCallId"}, set()),
    "data-call": ({"id", "data"}, set()),
    "start-step": (set(), set()),
    "data-turn": ({"id", "data"}, set()),
    "data-handoff": ({"id", "data"}, set()),
    "data-steered": ({"id", "data"}, set()),
    "steering-message": ({"id", "parts"}, set()),
    "data-error": ({"id", "data"}, set()),
    "error": ({"errorText"}, set()),
    "finish": (set(), {"messageMetadata"}),
}
STATES = {"accepted", "queued", "conflict", "running", "completed", "failed", "cancelled", "open", "waiting", "steered"}


def read(stream: bytes) -> list[dict[str, Any]]:
    """The parts of a whole stream, comments left out."""
    text = stream.decode("utf-8")
    assert text.splitlines() == text.split("\n")[:-1], "some reader sees a line end where there is none"
    *blocks, rest = stream.split(b"\n\n")
    assert rest == b""
    parts: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        assert b"\n" not in block
        if block.startswith(b":"):
            continue
        assert block.startswith(DATA)
        if block == DATA + DONE:
            assert number == len(blocks) - 1, "something follows the end"
            return checked(parts)
        parts.append(json.loads(block.removeprefix(DATA), parse_constant=_refused))
    raise AssertionError("the stream has no end")


def checked(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts: set[str] = set()
    calls: set[str] = set()
    for number, part in enumerate(parts):
        needed, allowed = KEYS[part["type"]]
        assert needed | {"type"} <= part.keys() <= needed | allowed | {"type"}, part
        assert (part["type"] == "start") is (number == 0), "one start, first"
        assert (part["type"] == "finish") is (number == len(parts) - 1), "one finish, last"
        if part["type"] == "text-start":
            assert part["id"] not in texts
            texts.add(part["id"])
        elif part["type"] == "text-delta":
            assert part["id"] in texts
            assert part["delta"]
        elif part["type"] == "text-end":
            texts.remove(part["id"])
        elif part["type"] == "tool-input-available":
            assert part["toolCallId"] not in calls
            calls.add(part["toolCallId"])
            _assert_harmless(part["input"])
        elif part["type"].startswith("tool-output"):
            assert part["toolCallId"] in calls
            _assert_harmless(part.get("output"))
        elif part["type"] == "data-turn":
            assert part["id"] == "turn"
            assert part["data"]["state"] in STATES
            assert {"turn_id", "conversation_id", "seq", "position"} <= part["data"].keys()
        elif part["type"] == "error":
            assert parts[number - 1]["type"] == "data-error"
            assert parts[number - 1]["data"]["message"] == part["errorText"]
    assert texts == set(), "a text that never ends"
    return parts


def texts_of(parts: list[dict[str, Any]]) -> list[str]:
    """What each text part says, in the order in which they begin."""
    said = {part["id"]: "" for part in parts if part["type"] == "text-start"}
    for part in parts:
        if part["type"] == "text-delta":
            said[part["id"]] += part["delta"]
    return list(said.values())


def of_type(parts: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [part for part in parts if part["type"] == kind]


def states_of(parts: list[dict[str, Any]]) -> list[str]:
    return [part["data"]["state"] for part in of_type(parts, "data-turn")]


def _assert_harmless(value: Any) -> None:
    """Browsers' readers refuse a document with such a key, and with it the whole stream."""
    if isinstance(value, dict):
        assert "__proto__" not in value
        assert "constructor" not in value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _assert_harmless(item)


def _refused(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")
