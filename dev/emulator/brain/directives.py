"""What a person or a test types into a message to steer the model: `[[name argument]]`, anywhere in the text."""

import json
import re
from dataclasses import dataclass
from typing import Final

NAMES: Final = frozenset(
    {"slow", "fail", "incomplete", "expire", "never", "ignore-cancel", "stuck", "tool", "say", "who"}
    | {"then", "aside", "more", "chain", "cite", "mcp", "image"}
)

CALLS: Final = frozenset({"tool", "mcp"})

_OPENING = re.compile(r"\[\[\s*([a-z-]+)(?=[\s\]])\s*")
_CLOSING = re.compile(r"\s*\]\]")
_TOOL_NAME = re.compile(r"[\w.-]+\s*")
_RUN_OF_BLANKS = re.compile(r"[ \t]{2,}")


@dataclass(frozen=True, slots=True)
class Directive:
    name: str
    argument: str = ""
    json_argument: str = "{}"
    """The arguments of a `tool`, as JSON text."""


def read_directives(text: str) -> tuple[tuple[Directive, ...], str]:
    """The directives of a message in order, and the text without them. What is not understood stays text."""
    found: list[Directive] = []
    kept: list[str] = []
    at = 0
    while opening := _OPENING.search(text, at):
        read = _read_one(text, opening) if opening[1] in NAMES else None
        if read is None:
            kept.append(text[at : opening.end()])
            at = opening.end()
            continue
        directive, end = read
        found.append(directive)
        kept.append(text[at : opening.start()])
        at = end
    kept.append(text[at:])
    rest = "".join(kept)
    return tuple(found), _RUN_OF_BLANKS.sub(" ", rest).strip() if found else rest.strip()


def steps_of(directives: tuple[Directive, ...]) -> list[tuple[Directive, ...]]:
    """The directives between one `[[then]]` and the next that call tools: one step each."""
    steps: list[list[Directive]] = [[]]
    for each in directives:
        if each.name == "then":
            steps.append([])
        else:
            steps[-1].append(each)
    return [tuple(step) for step in steps if any(each.name in CALLS for each in step)]


def _read_one(text: str, opening: re.Match[str]) -> tuple[Directive, int] | None:
    if opening[1] in ("tool", "mcp"):
        return _read_tool(text, opening.end(), opening[1])
    end = text.find("]]", opening.end())
    if end < 0:
        return None
    return Directive(opening[1], text[opening.end() : end].strip()), end + 2


def _read_tool(text: str, at: int, kind: str) -> tuple[Directive, int] | None:
    # The arguments may hold "]]" themselves, a directive for the next model even: only a JSON reader finds their end.
    name = _TOOL_NAME.match(text, at)
    if name is None:
        return None
    at = name.end()
    arguments = "{}"
    if text.startswith("{", at):
        try:
            _, end = json.JSONDecoder().raw_decode(text, at)
        except json.JSONDecodeError:
            return None
        arguments, at = text[at:end], end
    closing = _CLOSING.match(text, at)
    if closing is None:
        return None
    return Directive(kind, name[0].strip(), arguments), closing.end()
